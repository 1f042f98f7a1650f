/* The setpoint: where each axis shall be at this tick, never out of range and never too fast.
 *
 * What it shall do is decided in safety.c and said by a motion. The twin in Python is
 * firmware_bridge/setpoints.py, with motion.py below it; both reckon in single precision and in the
 * same order, so that they agree to the bit. */
#ifndef REFLEXARC_LIMITS_H
#define REFLEXARC_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "configuration.h"

#define RX_TICK_US 5000U /* the control period */
#define RX_TICK_S 0.005F

enum rx_motion {
    RX_MOTION_FREE, /* it goes along with what is measured: there is no torque */
    RX_MOTION_FOLLOW, /* towards the target */
    RX_MOTION_HOLD, /* positions stay at once; velocities go to their stop, as fast as they may */
    RX_MOTION_DECELERATE,
    RX_MOTION_LAND, /* all axes decelerate but one, which goes down to its minimum */
};

/* One axis on its way. */
struct rx_setpoint {
    float value;  /* axis */
    float rate;   /* axis/s, over the last tick */
    float target; /* axis */
    bool ramping; /* towards a first command, until it is reached once */
};

struct rx_setpoints {
    struct rx_setpoint axes[RX_MAX_AXES];
};

/* Stands at the stops. */
void rx_setpoints_init(struct rx_setpoints *, const struct rx_robot *);

/* Begins anew where the robot is, at rest; what is not finite leaves an axis as it was. */
void rx_setpoints_rebase(struct rx_setpoints *, const struct rx_robot *,
                         const float measured[RX_MAX_AXES]);

/* Takes a target that is in range, which ramping axes approach slowly until it is reached once. */
void rx_setpoints_follow(struct rx_setpoints *, const struct rx_robot *,
                         const float target[RX_MAX_AXES], const bool ramping[RX_MAX_AXES]);

/* One tick. */
void rx_setpoints_advance(struct rx_setpoints *, const struct rx_robot *, enum rx_motion,
                          const float measured[RX_MAX_AXES]);

/* Whether the axis that lands is at its minimum. */
bool rx_setpoints_landed(const struct rx_setpoints *, const struct rx_robot *);

#endif
