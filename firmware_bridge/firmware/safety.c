#include "safety.h"

#include "numbers.h"

#define MOST_MISMATCHES 3U /* heartbeats in a row that believe in another state */

static bool is_engaged(uint32_t mode) {
    return mode == RX_MODE_ARMED || mode == RX_MODE_ACTIVE;
}

static bool is_sensor_fault(enum rx_reason reason) {
    return reason == RX_REASON_SENSOR_LOST || reason == RX_REASON_SENSOR_RANGE ||
           reason == RX_REASON_SENSOR_STUCK || reason == RX_REASON_SENSOR_GARBAGE;
}

void rx_safety_init(struct rx_safety *safety) {
    *safety = (struct rx_safety){.mode = RX_MODE_BOOT};
    rx_monitors_init(&safety->monitors);
}

static enum rx_motion motion_of(uint8_t reaction) {
    switch (reaction) {
    case RX_REACTION_HOLD:
        return RX_MOTION_HOLD;
    case RX_REACTION_DECELERATE:
        return RX_MOTION_DECELERATE;
    case RX_REACTION_LAND:
        return RX_MOTION_LAND;
    default: /* limp */
        return RX_MOTION_FREE;
    }
}

enum rx_motion rx_safety_motion(const struct rx_safety *safety) {
    if (is_engaged(safety->mode)) {
        return RX_MOTION_FOLLOW;
    }
    if (safety->mode == RX_MODE_PROTECTIVE_STOP && !safety->is_over) {
        return motion_of(safety->robot.whole.reaction);
    }
    return RX_MOTION_FREE;
}

bool rx_safety_torque(const struct rx_safety *safety) {
    return rx_safety_motion(safety) != RX_MOTION_FREE;
}

static void begin(struct rx_safety *safety, uint64_t now_us) {
    rx_monitors_begin(&safety->monitors, &safety->robot, &safety->setpoints, now_us);
}

static void stop(struct rx_safety *safety, enum rx_reason reason, uint64_t now_us) {
    safety->mode = RX_MODE_PROTECTIVE_STOP;
    safety->reason = reason;
    safety->counters.stops += 1U;
    safety->disagreed = 0;
    safety->is_over = false;
    begin(safety, now_us);
}

void rx_safety_hello(struct rx_safety *safety, uint64_t now_us) {
    rx_command_gate_open(&safety->gate, now_us);
    if (is_engaged(safety->mode)) {
        stop(safety, RX_REASON_RESTARTED, now_us);
    }
}

static bool may_be_configured(const struct rx_safety *safety) {
    return safety->mode == RX_MODE_BOOT || safety->mode == RX_MODE_DISARMED;
}

enum rx_reason rx_safety_configure(struct rx_safety *safety, const struct rx_configure *told) {
    if (!may_be_configured(safety)) {
        return RX_REASON_WRONG_MODE;
    }
    const enum rx_reason reason = rx_setup_configure(&safety->setup, told);
    if (reason == RX_REASON_NONE) {
        safety->mode = RX_MODE_BOOT;
    }
    return reason;
}

static void finish_setup(struct rx_safety *safety) {
    safety->mode = RX_MODE_DISARMED;
    safety->robot = safety->setup.robot;
    rx_monitors_init(&safety->monitors);
    rx_setpoints_init(&safety->setpoints, &safety->robot);
}

enum rx_reason rx_safety_configure_axis(struct rx_safety *safety,
                                        const struct rx_configure_axis *axis) {
    if (!may_be_configured(safety)) {
        return RX_REASON_WRONG_MODE;
    }
    const enum rx_reason reason = rx_setup_configure_axis(&safety->setup, axis);
    if (reason == RX_REASON_NONE && rx_setup_is_complete(&safety->setup)) {
        finish_setup(safety);
    }
    return reason;
}

static bool hears_host(const struct rx_safety *safety, uint64_t now_us) {
    return safety->has_heard &&
           now_us - safety->heard_us <= safety->robot.whole.heartbeat_ms * 1000U;
}

/* Holds still where the robot is, if it may have torque. */
static enum rx_reason engage(struct rx_safety *safety, uint64_t now_us) {
    if (!hears_host(safety, now_us)) {
        return RX_REASON_HEARTBEAT;
    }
    const enum rx_reason unwell = rx_monitors_health(&safety->monitors, &safety->robot, now_us);
    if (unwell != RX_REASON_NONE) {
        return unwell;
    }
    safety->mode = RX_MODE_ARMED;
    safety->reason = RX_REASON_NONE;
    safety->disagreed = 0;
    rx_command_gate_open(&safety->gate, now_us);
    rx_setpoints_rebase(&safety->setpoints, &safety->robot, safety->monitors.sample.values);
    begin(safety, now_us);
    return RX_REASON_NONE;
}

static enum rx_reason arm(struct rx_safety *safety, uint64_t now_us) {
    return safety->mode == RX_MODE_DISARMED ? engage(safety, now_us) : RX_REASON_WRONG_MODE;
}

static enum rx_reason reset(struct rx_safety *safety, uint64_t now_us) {
    if (safety->mode == RX_MODE_PROTECTIVE_STOP) {
        return engage(safety, now_us);
    }
    if (safety->mode != RX_MODE_ESTOP) {
        return RX_REASON_WRONG_MODE;
    }
    safety->mode = rx_setup_is_complete(&safety->setup) ? RX_MODE_DISARMED : RX_MODE_BOOT;
    safety->reason = RX_REASON_NONE;
    return RX_REASON_NONE;
}

static enum rx_reason disarm(struct rx_safety *safety) {
    if (safety->mode == RX_MODE_ESTOP) {
        return RX_REASON_WRONG_MODE;
    }
    safety->mode = RX_MODE_DISARMED;
    safety->reason = RX_REASON_NONE;
    return RX_REASON_NONE;
}

static enum rx_reason estop(struct rx_safety *safety) {
    if (safety->mode != RX_MODE_ESTOP) {
        safety->mode = RX_MODE_ESTOP;
        safety->reason = RX_REASON_REQUESTED;
        safety->counters.stops += 1U;
    }
    return RX_REASON_NONE;
}

static enum rx_reason stop_on_request(struct rx_safety *safety, uint64_t now_us) {
    if (is_engaged(safety->mode)) {
        stop(safety, RX_REASON_REQUESTED, now_us);
    }
    return RX_REASON_NONE;
}

enum rx_reason rx_safety_wish(struct rx_safety *safety, uint8_t wish, uint64_t now_us) {
    if (wish == RX_WISH_ESTOP) {
        return estop(safety);
    }
    if (wish < RX_WISH_ARM || wish > RX_WISH_RESET) {
        return RX_REASON_BAD_VALUE;
    }
    if (safety->mode == RX_MODE_BOOT) {
        return RX_REASON_NOT_CONFIGURED;
    }
    switch (wish) {
    case RX_WISH_ARM:
        return arm(safety, now_us);
    case RX_WISH_DISARM:
        return disarm(safety);
    case RX_WISH_STOP:
        return stop_on_request(safety, now_us);
    default: /* reset */
        return reset(safety, now_us);
    }
}

void rx_safety_heartbeat(struct rx_safety *safety, uint8_t mode, uint64_t now_us) {
    safety->has_heard = true;
    safety->heard_us = now_us;
    if (safety->mode == RX_MODE_BOOT) {
        return;
    }
    if (is_engaged(mode) == is_engaged(safety->mode)) {
        safety->disagreed = 0;
        return;
    }
    safety->counters.mismatches += 1U;
    safety->disagreed += 1U;
    if (is_engaged(safety->mode) && safety->disagreed >= MOST_MISMATCHES) {
        stop(safety, RX_REASON_MISMATCH, now_us);
    }
}

/* Which positions a target is too far away from to go there at once; whether any is. */
static bool jumps(const struct rx_safety *safety, const float target[RX_MAX_AXES],
                  bool far[RX_MAX_AXES]) {
    bool any = false;
    for (uint32_t i = 0; i < safety->robot.whole.axes; ++i) {
        const struct rx_configure_axis *const axis = &safety->robot.axes[i];
        const float distance = rx_size(target[i] - safety->setpoints.axes[i].value);
        far[i] = safety->mode == RX_MODE_ARMED && axis->kind == RX_AXIS_KIND_POSITION &&
                 distance > axis->max_jump;
        any = any || far[i];
    }
    return any;
}

/* Brings values into range; whether one was not. */
static bool clip(const struct rx_robot *robot, const float values[RX_MAX_AXES],
                 float target[RX_MAX_AXES]) {
    bool clipped = false;
    for (uint32_t i = 0; i < robot->whole.axes; ++i) {
        target[i] = rx_clip(values[i], robot->axes[i].minimum, robot->axes[i].maximum);
        clipped = clipped || target[i] != values[i];
    }
    return clipped;
}

/* Follows a good command, unless it is a first one from too far away to jump to. */
static enum rx_reason take(struct rx_safety *safety, const struct rx_asked *asked,
                           uint64_t now_us) {
    float target[RX_MAX_AXES];
    bool far[RX_MAX_AXES];
    const bool clipped = clip(&safety->robot, asked->values, target);
    const bool aborts = safety->robot.whole.first_command == RX_FIRST_COMMAND_ABORT;
    if (jumps(safety, target, far) && aborts) {
        stop(safety, RX_REASON_JUMP, now_us);
        return RX_REASON_JUMP;
    }
    safety->counters.clipped += clipped ? 1U : 0U;
    rx_command_gate_passes(&safety->gate, asked->seq, now_us);
    rx_setpoints_follow(&safety->setpoints, &safety->robot, target, far);
    safety->mode = RX_MODE_ACTIVE;
    return RX_REASON_NONE;
}

static enum rx_reason offer(struct rx_safety *safety, const struct rx_asked *asked,
                            uint64_t now_us) {
    if (!is_engaged(safety->mode)) {
        return RX_REASON_WRONG_MODE;
    }
    const enum rx_reason reason =
        rx_command_gate_refuses(&safety->gate, &safety->robot, asked, now_us);
    return reason == RX_REASON_NONE ? take(safety, asked, now_us) : reason;
}

enum rx_reason rx_safety_command(struct rx_safety *safety, const struct rx_asked *asked,
                                 uint64_t now_us) {
    const enum rx_reason reason = offer(safety, asked, now_us);
    if (reason == RX_REASON_NONE) {
        safety->counters.commands += 1U;
    } else {
        safety->counters.refused += 1U;
    }
    return reason;
}

void rx_safety_sense(struct rx_safety *safety, const struct rx_sample *sample, uint64_t now_us) {
    rx_monitors_sense(&safety->monitors, &safety->robot, sample, now_us);
}

static void watch_host(struct rx_safety *safety, uint64_t now_us) {
    const uint64_t silent_us = now_us - safety->gate.passed_us;
    const uint64_t most_us = safety->robot.whole.watchdog_ms * 1000U;
    if (safety->mode == RX_MODE_ACTIVE && silent_us > most_us) {
        safety->counters.watchdogs += 1U;
        stop(safety, RX_REASON_WATCHDOG, now_us);
    } else if (!hears_host(safety, now_us)) {
        stop(safety, RX_REASON_HEARTBEAT, now_us);
    }
}

/* Stops for a fault; a stop that cannot trust what it holds lets go, a landing goes on. */
static void meet(struct rx_safety *safety, enum rx_reason fault, uint64_t now_us) {
    const bool is_sensor = is_sensor_fault(fault);
    const bool lands = safety->robot.whole.reaction == RX_REACTION_LAND;
    if (is_engaged(safety->mode)) {
        stop(safety, fault, now_us);
        safety->is_over = is_sensor && !lands;
    } else if (lands || !(is_sensor || fault == RX_REASON_FOLLOWING)) {
        return;
    } else {
        safety->is_over = true;
    }
    safety->counters.sensor_faults += is_sensor ? 1U : 0U;
}

void rx_safety_tick(struct rx_safety *safety, uint64_t now_us) {
    if (is_engaged(safety->mode)) {
        watch_host(safety, now_us);
    }
    const enum rx_reason fault =
        rx_monitors_judge(&safety->monitors, &safety->robot, &safety->setpoints, now_us);
    if (rx_safety_torque(safety) && fault != RX_REASON_NONE) {
        meet(safety, fault, now_us);
    }
    const enum rx_motion motion = rx_safety_motion(safety);
    rx_setpoints_advance(&safety->setpoints, &safety->robot, motion,
                         safety->monitors.sample.values);
    if (motion == RX_MOTION_LAND && rx_setpoints_landed(&safety->setpoints, &safety->robot)) {
        safety->is_over = true;
    }
}
