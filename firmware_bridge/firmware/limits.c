/* The arithmetic of motion.py for one axis, and what each motion does with it. */
#include "limits.h"

#include <float.h>

#include "numbers.h"

#define RX_NEARLY 1000.0F /* a part of a change of the rate that rounding may take */
#define RX_MOST_STEPS 1e9F /* beyond, an end is out of sight */

/* Without errno it is one instruction, not a call. */
static float square_root(float value) {
    return __builtin_sqrtf(value);
}

/* The greatest number of changes of the rate from which a way that is `far` ends on its target, where
 * one change goes a `step`: motion.py has the derivation. */
static float ending(float far, float step) {
    const float farther = far / RX_MOST_STEPS;
    const float longer = step < farther ? farther : step;
    const float steps = far / (longer < FLT_MIN ? FLT_MIN : longer);
    const float n = (float)(int32_t)((square_root(1.0F + 8.0F * steps) - 1.0F) / 2.0F);
    return n / 2.0F + steps / (n + 1.0F);
}

/* The rate nearest to `wanted` that changes by `change` at most, now and until its end. */
static float within_acceleration(float wanted, float far, float rate, float change) {
    const float step = change * RX_TICK_S;
    const float fastest = far > step ? change * ending(far, step) : rx_size(wanted);
    return rx_clip(rx_clip(wanted, -fastest, fastest), rate - change, rate + change);
}

/* Keeps the range, whatever happens. */
static void move_to(struct rx_setpoint *now, const struct rx_configure_axis *axis, float value,
                    float rate) {
    const float inside = rx_clip(value, axis->minimum, axis->maximum);
    now->rate = inside == value ? rate : (inside - now->value) / RX_TICK_S;
    now->value = inside;
}

static void towards(struct rx_setpoint *now, const struct rx_configure_axis *axis, float target,
                    float fastest_per_s) {
    const float distance = target - now->value;
    const float arriving = distance / RX_TICK_S;
    const bool bounded = rx_is_finite(axis->acceleration_per_s2);
    const float change = bounded ? axis->acceleration_per_s2 * RX_TICK_S : 0.0F;
    float rate = rx_clip(arriving, -fastest_per_s, fastest_per_s);
    if (bounded) {
        rate = within_acceleration(rate, rx_size(distance), now->rate, change);
    }
    if (rx_size(arriving - rate) <= change / RX_NEARLY) {
        move_to(now, axis, target, arriving);
    } else {
        move_to(now, axis, now->value + rate * RX_TICK_S, rate);
    }
}

static void to_rest(struct rx_setpoint *now, const struct rx_configure_axis *axis) {
    const float change = axis->acceleration_per_s2 * RX_TICK_S; /* infinite: at once */
    const float rate = now->rate - rx_clip(now->rate, -change, change);
    move_to(now, axis, now->value + rate * RX_TICK_S, rate);
}

static bool is_velocity(const struct rx_configure_axis *axis) {
    return axis->kind == RX_AXIS_KIND_VELOCITY;
}

/* Zero, as near as its range allows, for an axis without a stop. */
static float stop_of(const struct rx_configure_axis *axis) {
    const float stop = rx_is_finite(axis->stop) ? axis->stop : 0.0F;
    return rx_clip(stop, axis->minimum, axis->maximum);
}

static float slower(float one, float other) {
    return one < other ? one : other;
}

static void stand_at(struct rx_setpoint *now, float value) {
    now->value = value;
    now->rate = 0.0F;
    now->target = value;
    now->ramping = false;
}

void rx_setpoints_init(struct rx_setpoints *all, const struct rx_robot *robot) {
    for (uint32_t i = 0; i < robot->whole.axes; ++i) {
        stand_at(&all->axes[i], stop_of(&robot->axes[i]));
    }
}

void rx_setpoints_rebase(struct rx_setpoints *all, const struct rx_robot *robot,
                         const float measured[RX_MAX_AXES]) {
    for (uint32_t i = 0; i < robot->whole.axes; ++i) {
        const struct rx_configure_axis *const axis = &robot->axes[i];
        const float known = rx_is_finite(measured[i]) ? measured[i] : all->axes[i].value;
        const float base = rx_clip(known, axis->minimum, axis->maximum);
        stand_at(&all->axes[i], is_velocity(axis) ? stop_of(axis) : base);
    }
}

void rx_setpoints_follow(struct rx_setpoints *all, const struct rx_robot *robot,
                         const float target[RX_MAX_AXES], const bool ramping[RX_MAX_AXES]) {
    for (uint32_t i = 0; i < robot->whole.axes; ++i) {
        all->axes[i].target = target[i];
        all->axes[i].ramping = all->axes[i].ramping || ramping[i];
    }
}

static void follow(struct rx_setpoint *now, const struct rx_configure_axis *axis) {
    const float slew = axis->slew_per_s;
    towards(now, axis, now->target, now->ramping ? slower(slew, axis->ramp_per_s) : slew);
    now->ramping = now->ramping && now->value != now->target;
}

static void decelerate(struct rx_setpoint *now, const struct rx_configure_axis *axis) {
    if (is_velocity(axis)) {
        towards(now, axis, stop_of(axis), axis->slew_per_s);
    } else {
        to_rest(now, axis);
    }
}

static void hold(struct rx_setpoint *now, const struct rx_configure_axis *axis) {
    if (!is_velocity(axis)) {
        now->rate = 0.0F; /* a position has none to come down from */
    }
    decelerate(now, axis);
}

static void land(struct rx_setpoint *now, const struct rx_configure_axis *axis, float land_per_s) {
    towards(now, axis, axis->minimum, slower(axis->slew_per_s, land_per_s));
}

static void advance(struct rx_setpoint *now, const struct rx_robot *robot, uint32_t i,
                    enum rx_motion motion) {
    const struct rx_configure_axis *const axis = &robot->axes[i];
    if (motion == RX_MOTION_FOLLOW) {
        follow(now, axis);
    } else if (motion == RX_MOTION_HOLD) {
        hold(now, axis);
    } else if (motion == RX_MOTION_LAND && i == robot->whole.land_axis) {
        land(now, axis, robot->whole.land_per_s);
    } else {
        decelerate(now, axis);
    }
}

void rx_setpoints_advance(struct rx_setpoints *all, const struct rx_robot *robot,
                          enum rx_motion motion, const float measured[RX_MAX_AXES]) {
    if (motion == RX_MOTION_FREE) {
        rx_setpoints_rebase(all, robot, measured);
        return;
    }
    for (uint32_t i = 0; i < robot->whole.axes; ++i) {
        advance(&all->axes[i], robot, i, motion);
    }
}

bool rx_setpoints_landed(const struct rx_setpoints *all, const struct rx_robot *robot) {
    const uint32_t i = robot->whole.land_axis;
    return all->axes[i].value == robot->axes[i].minimum;
}
