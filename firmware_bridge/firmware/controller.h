/* The controller: packets in and out of the arming state machine, on two wires.
 *
 * It is told the time and owns no hardware, so it runs on any board and on any computer. The twin
 * in Python is firmware_bridge/emulators/controller.py. */
#ifndef REFLEXARC_CONTROLLER_H
#define REFLEXARC_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "framing.h"
#include "outbox.h"
#include "safety.h"

#define RX_FIRMWARE_VERSION 1U

enum rx_link { RX_LINK_HOST, RX_LINK_PLANT, RX_LINKS };

struct rx_controller {
    struct rx_safety safety;
    struct rx_decoder decoders[RX_LINKS];
    struct rx_outbox outboxes[RX_LINKS];
    struct rx_sense sense; /* the newest; shown in telemetry */
    bool has_sense;
    bool is_greeted; /* by a host that has the same table of packets */
    uint16_t host_seq; /* the newest */
    uint32_t unknown; /* frames that say nothing */
    uint32_t ticks;
    uint64_t next_us; /* when the next tick is due */
};

/* For who makes room without this header. */
extern const size_t rx_controller_bytes;

/* Powered up, at 0 us of its clock. */
void rx_init(struct rx_controller *);

/* Does what arrived on a wire, whatever it is. */
void rx_receive(struct rx_controller *, enum rx_link, const uint8_t *bytes, size_t size,
                uint64_t now_us);

/* Runs every tick that is due. `now_us` never goes back. */
void rx_step(struct rx_controller *, uint64_t now_us);

/* What it wants to send on a wire, at most `room` bytes. */
size_t rx_take(struct rx_controller *, enum rx_link, uint8_t *bytes, size_t room);

#endif
