/* Whether the sensors can be believed, and whether the robot does what its setpoint says.
 *
 * The twins in Python are firmware_bridge/monitors.py and axis_monitor.py, which say what lies can
 * be seen and which cannot. All times are the controller's own microseconds. */
#ifndef REFLEXARC_MONITORS_H
#define REFLEXARC_MONITORS_H

#include <stdbool.h>
#include <stdint.h>

#include "configuration.h"
#include "limits.h"

/* What the sensors say: the packet sense, with its floats where the processor wants them. */
struct rx_sample {
    uint64_t time_us; /* when it was asked for */
    float values[RX_MAX_AXES];
    float efforts[RX_MAX_AXES];
    float voltage_v;
    float temperature_c;
};

/* What is remembered of one axis. */
struct rx_axis_monitor {
    double speed;         /* axis/s, low-passed */
    float changed_at;     /* the setpoint, when the measurement last changed */
    bool changed;         /* since the last tick */
    uint64_t near_us;     /* when the setpoint was last near that */
    uint64_t followed_us; /* when the setpoint was last followed */
};

struct rx_monitors {
    struct rx_axis_monitor axes[RX_MAX_AXES];
    struct rx_sample sample; /* the newest; before the first, what is not a number */
    bool has_sample;
    bool is_garbage; /* a sample since the last tick was none that can be */
    bool has_leapt;  /* the newest sample */
};

/* Nothing was measured yet. */
void rx_monitors_init(struct rx_monitors *);

/* Takes a sample; one from the future is garbage, one not newer than the last is none. */
void rx_monitors_sense(struct rx_monitors *, const struct rx_robot *, const struct rx_sample *,
                       uint64_t now_us);

/* Starts the clocks anew: torque came on, or a stop began. */
void rx_monitors_begin(struct rx_monitors *, const struct rx_robot *, const struct rx_setpoints *,
                       uint64_t now_us);

/* What is wrong at this tick; the first reason of several, NONE if nothing is. */
enum rx_reason rx_monitors_judge(struct rx_monitors *, const struct rx_robot *,
                                 const struct rx_setpoints *, uint64_t now_us);

/* Why torque must not come on; NONE: it may. */
enum rx_reason rx_monitors_health(const struct rx_monitors *, const struct rx_robot *,
                                  uint64_t now_us);

#endif
