/* Which commands may move the robot: whole numbers of their time, each once, in their order.
 *
 * The twin in Python is firmware_bridge/command_gate.py. */
#ifndef REFLEXARC_COMMAND_GATE_H
#define REFLEXARC_COMMAND_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "configuration.h"

/* The packet command, with its floats where the processor wants them. */
struct rx_asked {
    float values[RX_MAX_AXES]; /* axis */
    uint64_t stamped_us;       /* when it was made */
    uint16_t seq;              /* of its frame */
};

struct rx_command_gate {
    uint16_t seq;       /* of the last good command */
    uint64_t passed_us; /* when that came, or when the gate was opened */
    bool has_passed;    /* a good one, since the gate was opened */
    uint64_t opened_us; /* torque came on: a command made before never moves the robot */
};

/* Forgets what came before. */
void rx_command_gate_open(struct rx_command_gate *, uint64_t now_us);

/* Why a command is refused; NONE: it is good. */
enum rx_reason rx_command_gate_refuses(const struct rx_command_gate *, const struct rx_robot *,
                                       const struct rx_asked *, uint64_t now_us);

/* Whether a frame was sent after the one with the number `last`. */
bool rx_is_newer(uint16_t seq, uint16_t last);

/* Remembers a good command. */
void rx_command_gate_passes(struct rx_command_gate *, uint16_t seq, uint64_t now_us);

#endif
