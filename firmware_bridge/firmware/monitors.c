/* Comparisons are written so that what is not a number trips none but the one for numbers.
 *
 * Thresholds are reckoned in double precision, as by the twin, so that both stop at the same tick;
 * at 200 Hz the chip, which does it in software, does not notice. */
#include "monitors.h"

#include "numbers.h"

#define MARGIN 0.01     /* of the range: noise, and how far a setpoint goes before an axis must */
#define SPEED_GAIN 0.25 /* of a new sample in the measured speed: about 20 ms at 200 Hz */
#define LEAP_SPEEDS 4.0 /* times the greatest measured speed: no motion */
#define LEAP_SLEWS 8.0  /* times the slew, where no such speed is given */

static bool is_velocity(const struct rx_configure_axis *axis) {
    return axis->kind == RX_AXIS_KIND_VELOCITY;
}

static double margin_of(const struct rx_configure_axis *axis) {
    return MARGIN * ((double)axis->maximum - (double)axis->minimum);
}

static double fastest_per_s(const struct rx_configure_axis *axis) {
    const bool has_speed = !is_velocity(axis) && rx_is_finite(axis->max_speed);
    return has_speed ? LEAP_SPEEDS * (double)axis->max_speed
                     : LEAP_SLEWS * (double)axis->slew_per_s;
}

static double size_of(double value) {
    return value < 0.0 ? -value : value;
}

static double apart(float one, float other) {
    return size_of((double)one - (double)other);
}

/* The one that comes first in the table; NONE comes last. */
static enum rx_reason first(enum rx_reason one, enum rx_reason other) {
    if (one == RX_REASON_NONE || other == RX_REASON_NONE) {
        return one == RX_REASON_NONE ? other : one;
    }
    return one < other ? one : other;
}

static enum rx_reason when(bool wrong, enum rx_reason reason) {
    return wrong ? reason : RX_REASON_NONE;
}

/* Takes what two samples `seconds` apart say; whether no motion can be that fast. */
static bool leaps(struct rx_axis_monitor *monitor, const struct rx_configure_axis *axis,
                  float before, float after, double seconds) {
    const double step = (double)after - (double)before;
    monitor->changed = monitor->changed || step != 0.0;
    if (!rx_is_finite(after) || !rx_is_finite(before)) {
        return false; /* is judged as such */
    }
    monitor->speed += SPEED_GAIN * (step / seconds - monitor->speed);
    return size_of(step) > margin_of(axis) + fastest_per_s(axis) * seconds;
}

static void compare(struct rx_monitors *all, const struct rx_robot *robot,
                    const struct rx_sample *sample) {
    const double seconds = (double)(sample->time_us - all->sample.time_us) / 1e6;
    all->has_leapt = false;
    for (uint32_t i = 0; i < robot->whole.axes; ++i) {
        const bool leapt = leaps(&all->axes[i], &robot->axes[i], all->sample.values[i],
                                 sample->values[i], seconds);
        all->has_leapt = all->has_leapt || leapt;
    }
    all->is_garbage = all->is_garbage || all->has_leapt;
}

void rx_monitors_init(struct rx_monitors *all) {
    *all = (struct rx_monitors){.has_sample = false};
    for (uint32_t i = 0; i < RX_MAX_AXES; ++i) {
        all->sample.values[i] = __builtin_nanf("");
        all->sample.efforts[i] = __builtin_nanf("");
    }
}

void rx_monitors_sense(struct rx_monitors *all, const struct rx_robot *robot,
                       const struct rx_sample *sample, uint64_t now_us) {
    if (sample->time_us > now_us) {
        all->is_garbage = true;
        return;
    }
    if (all->has_sample) {
        if (sample->time_us <= all->sample.time_us) {
            return;
        }
        compare(all, robot, sample);
    }
    all->sample = *sample;
    all->has_sample = true;
}

void rx_monitors_begin(struct rx_monitors *all, const struct rx_robot *robot,
                       const struct rx_setpoints *setpoints, uint64_t now_us) {
    for (uint32_t i = 0; i < robot->whole.axes; ++i) {
        all->axes[i].changed_at = setpoints->axes[i].value;
        all->axes[i].near_us = now_us;
        all->axes[i].followed_us = now_us;
    }
}

/* Notes until when all was well with an axis. */
static void watch(struct rx_axis_monitor *monitor, const struct rx_configure_axis *axis,
                  float setpoint, float measured, uint64_t now_us) {
    if (monitor->changed) {
        monitor->changed_at = setpoint;
    }
    if (monitor->changed || !(apart(setpoint, monitor->changed_at) > margin_of(axis))) {
        monitor->near_us = now_us;
    }
    if (!(apart(setpoint, measured) > (double)axis->max_following)) {
        monitor->followed_us = now_us;
    }
    monitor->changed = false;
}

static enum rx_reason judge(struct rx_axis_monitor *monitor, const struct rx_robot *robot,
                            uint32_t i, float setpoint, const struct rx_sample *sample,
                            uint64_t now_us) {
    const struct rx_configure_axis *const axis = &robot->axes[i];
    const float measured = sample->values[i];
    watch(monitor, axis, setpoint, measured, now_us);
    if (now_us - monitor->near_us > robot->whole.sensor_ms * 1000U) {
        return RX_REASON_SENSOR_STUCK;
    }
    if (now_us - monitor->followed_us > robot->whole.following_ms * 1000U) {
        return RX_REASON_FOLLOWING;
    }
    const double speed = is_velocity(axis) ? (double)measured : monitor->speed;
    if (size_of(speed) > (double)axis->max_speed) {
        return RX_REASON_SPEED;
    }
    return when(rx_size(sample->efforts[i]) > axis->max_effort, RX_REASON_EFFORT);
}

static bool is_whole(const struct rx_sample *sample, uint32_t axes) {
    bool finite = rx_is_finite(sample->voltage_v) && rx_is_finite(sample->temperature_c);
    for (uint32_t i = 0; i < axes; ++i) {
        finite = finite && rx_is_finite(sample->values[i]) && rx_is_finite(sample->efforts[i]);
    }
    return finite;
}

static enum rx_reason sensors(const struct rx_monitors *all, const struct rx_robot *robot,
                              uint64_t now_us) {
    if (!all->has_sample || now_us - all->sample.time_us > robot->whole.sensor_ms * 1000U) {
        return RX_REASON_SENSOR_LOST;
    }
    return when(!is_whole(&all->sample, robot->whole.axes), RX_REASON_SENSOR_RANGE);
}

static enum rx_reason supply(const struct rx_monitors *all, const struct rx_robot *robot) {
    if (all->sample.voltage_v < robot->whole.min_voltage_v) {
        return RX_REASON_VOLTAGE;
    }
    return when(all->sample.temperature_c > robot->whole.max_temperature_c, RX_REASON_TEMPERATURE);
}

enum rx_reason rx_monitors_judge(struct rx_monitors *all, const struct rx_robot *robot,
                                 const struct rx_setpoints *setpoints, uint64_t now_us) {
    enum rx_reason found = first(sensors(all, robot, now_us), supply(all, robot));
    found = first(found, when(all->is_garbage, RX_REASON_SENSOR_GARBAGE));
    for (uint32_t i = 0; i < robot->whole.axes; ++i) {
        found = first(found, judge(&all->axes[i], robot, i, setpoints->axes[i].value, &all->sample,
                                   now_us));
    }
    all->is_garbage = false;
    return found;
}

static bool is_outside(const struct rx_configure_axis *axis, float measured) {
    const double margin = margin_of(axis);
    const double least = (double)axis->minimum - margin;
    const double most = (double)axis->maximum + margin;
    return !is_velocity(axis) && !(least <= (double)measured && (double)measured <= most);
}

enum rx_reason rx_monitors_health(const struct rx_monitors *all, const struct rx_robot *robot,
                                  uint64_t now_us) {
    enum rx_reason found = first(sensors(all, robot, now_us), supply(all, robot));
    found = first(found, when(all->has_leapt, RX_REASON_SENSOR_GARBAGE));
    for (uint32_t i = 0; i < robot->whole.axes; ++i) {
        const struct rx_configure_axis *const axis = &robot->axes[i];
        found = first(found, when(rx_size(all->sample.efforts[i]) > axis->max_effort,
                                  RX_REASON_EFFORT));
        found = first(found, when(is_outside(axis, all->sample.values[i]), RX_REASON_OUTSIDE));
    }
    return found;
}
