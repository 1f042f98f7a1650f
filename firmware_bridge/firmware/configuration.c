/* Comparisons are written so that what is not a number fails them. */
#include "configuration.h"

#include "hardware_limits.h"
#include "numbers.h"

static bool is_number(float value) {
    return value == value;
}

static bool is_positive(float value) {
    return value > 0.0F; /* infinite: no limit */
}

static bool has_times(const struct rx_configure *told) {
    return told->watchdog_ms > 0U && told->heartbeat_ms > 0U && told->sensor_ms > 0U &&
           told->following_ms > 0U && told->max_command_age_ms > 0U;
}

static bool can_land(const struct rx_configure *told) {
    return told->land_axis < told->axes && is_positive(told->land_per_s) &&
           rx_is_finite(told->land_per_s);
}

static bool is_good(const struct rx_configure *told) {
    return told->axes >= 1U && told->axes <= RX_MAX_AXES && told->reaction <= RX_REACTION_LAND &&
           told->first_command <= RX_FIRST_COMMAND_ABORT && has_times(told) &&
           is_number(told->min_voltage_v) && is_number(told->max_temperature_c) &&
           (told->reaction != RX_REACTION_LAND || can_land(told));
}

static enum rx_reason refused(const struct rx_configure *told) {
    if (!is_good(told)) {
        return RX_REASON_BAD_VALUE;
    }
    const bool is_kept = told->watchdog_ms <= RX_HARDWARE_WATCHDOG_MS &&
                         told->heartbeat_ms <= RX_HARDWARE_HEARTBEAT_MS &&
                         told->sensor_ms <= RX_HARDWARE_SENSOR_MS;
    return is_kept ? RX_REASON_NONE : RX_REASON_BEYOND_HARDWARE;
}

static bool has_range(const struct rx_configure_axis *axis) {
    return rx_is_finite(axis->minimum) && rx_is_finite(axis->maximum) &&
           axis->minimum < axis->maximum &&
           (!is_number(axis->stop) || (axis->minimum <= axis->stop && axis->stop <= axis->maximum));
}

static bool has_rates(const struct rx_configure_axis *axis) {
    return is_positive(axis->slew_per_s) && rx_is_finite(axis->slew_per_s) &&
           is_positive(axis->acceleration_per_s2) && is_positive(axis->max_speed) &&
           is_positive(axis->max_effort) && is_positive(axis->max_following) &&
           is_positive(axis->max_jump) && is_positive(axis->ramp_per_s);
}

static bool is_good_axis(const struct rx_configure_axis *axis, const struct rx_configure *told) {
    const bool lands = told->reaction == RX_REACTION_LAND && axis->index == told->land_axis;
    return axis->index < told->axes && axis->kind <= RX_AXIS_KIND_VELOCITY &&
           !(lands && axis->kind == RX_AXIS_KIND_VELOCITY) && has_range(axis) && has_rates(axis);
}

static enum rx_reason refused_axis(const struct rx_configure_axis *axis,
                                   const struct rx_configure *told) {
    if (!is_good_axis(axis, told)) {
        return RX_REASON_BAD_VALUE;
    }
    const bool accelerates = axis->acceleration_per_s2 <= RX_HARDWARE_ACCELERATION_PER_S2 ||
                             !rx_is_finite(axis->acceleration_per_s2);
    const bool is_kept = axis->minimum >= RX_HARDWARE_MINIMUM &&
                         axis->maximum <= RX_HARDWARE_MAXIMUM &&
                         axis->slew_per_s <= RX_HARDWARE_SLEW_PER_S && accelerates;
    return is_kept ? RX_REASON_NONE : RX_REASON_BEYOND_HARDWARE;
}

enum rx_reason rx_setup_configure(struct rx_setup *setup, const struct rx_configure *told) {
    const enum rx_reason reason = refused(told);
    if (reason == RX_REASON_NONE) {
        *setup = (struct rx_setup){.robot.whole = *told};
    }
    return reason;
}

enum rx_reason rx_setup_configure_axis(struct rx_setup *setup,
                                       const struct rx_configure_axis *axis) {
    if (setup->robot.whole.axes == 0U) {
        return RX_REASON_NOT_CONFIGURED;
    }
    const enum rx_reason reason = refused_axis(axis, &setup->robot.whole);
    if (reason == RX_REASON_NONE) {
        setup->robot.axes[axis->index] = *axis;
        setup->knows[axis->index] = true;
    }
    return reason;
}

bool rx_setup_is_complete(const struct rx_setup *setup) {
    uint32_t known = 0;
    for (uint32_t i = 0; i < setup->robot.whole.axes; ++i) {
        known += setup->knows[i] ? 1U : 0U;
    }
    return known > 0U && known == setup->robot.whole.axes;
}
