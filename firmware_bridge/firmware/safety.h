/* The arming state machine: when there is torque, and when the robot stops by itself.
 *
 * The twin in Python, with a picture of the modes, is firmware_bridge/safety.py. The machine reads
 * no clock: all times are the controller's own monotonic microseconds, passed in. */
#ifndef REFLEXARC_SAFETY_H
#define REFLEXARC_SAFETY_H

#include <stdbool.h>
#include <stdint.h>

#include "command_gate.h"
#include "configuration.h"
#include "limits.h"
#include "monitors.h"

struct rx_safety {
    enum rx_mode mode;
    enum rx_reason reason; /* why it stands in a stop: the first cause */
    struct rx_setup setup;
    struct rx_robot robot; /* the last setup that was whole */
    struct rx_monitors monitors;
    struct rx_setpoints setpoints;
    struct rx_command_gate gate;
    bool has_heard; /* any heartbeat */
    uint64_t heard_us;
    uint32_t disagreed; /* heartbeats in a row */
    bool is_over;       /* the reaction of a stop has come to its end: no torque */
    struct rx_counters counters; /* those that concern safety */
};

void rx_safety_init(struct rx_safety *);

enum rx_motion rx_safety_motion(const struct rx_safety *);
bool rx_safety_torque(const struct rx_safety *);

/* Meets a host; one that says hello while the robot is engaged is not the one that armed it. */
void rx_safety_hello(struct rx_safety *, uint64_t now_us);

/* These answer NONE, or why they are refused. */
enum rx_reason rx_safety_configure(struct rx_safety *, const struct rx_configure *);
enum rx_reason rx_safety_configure_axis(struct rx_safety *, const struct rx_configure_axis *);
enum rx_reason rx_safety_wish(struct rx_safety *, uint8_t wish, uint64_t now_us);
enum rx_reason rx_safety_command(struct rx_safety *, const struct rx_asked *, uint64_t now_us);

/* Notes that the host lives, and whether it believes in the same state. */
void rx_safety_heartbeat(struct rx_safety *, uint8_t mode, uint64_t now_us);

/* Takes what the sensors say; it is judged at the next tick. */
void rx_safety_sense(struct rx_safety *, const struct rx_sample *, uint64_t now_us);

/* One control period: judges, then moves the setpoint. */
void rx_safety_tick(struct rx_safety *, uint64_t now_us);

#endif
