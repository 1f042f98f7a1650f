import math
from dataclasses import replace

import pytest
from controller_tables import JOINT, TOLD, WHEEL

from firmware_bridge.axis_monitor import AxisMonitor
from firmware_bridge.command_gate import CommandGate, is_newer
from firmware_bridge.monitors import Monitors, Sample
from firmware_bridge.safety_words import Reason

MARGIN = 0.04  # 1 % of the joint's range
SENSOR_US, FOLLOWING_US = 50_000, 100_000
TINY = 1e-9


def one(axis=JOINT, **limits):
    return AxisMonitor(replace(axis, **limits), 50, 100)


# one axis


@pytest.mark.parametrize(
    ("axis", "limits", "fastest"),
    [
        (JOINT, {}, 8 * 2.0),  # by the slew
        (JOINT, {"max_speed": 3.0}, 4 * 3.0),
        (WHEEL, {"max_speed": 3.0}, 8 * 4.0),  # max_speed is no acceleration
    ],
    ids=["slew", "speed", "velocity"],
)
def test_a_step_faster_than_the_axis_can_move_is_a_leap(axis, limits, fastest):
    most = 0.01 * (axis.maximum - axis.minimum) + fastest * 0.005
    for sign in (1, -1):
        assert not one(axis, **limits).leaps(0.0, sign * (most - TINY), 0.005)
        assert one(axis, **limits).leaps(0.0, sign * (most + TINY), 0.005)
    assert not one(axis, **limits).leaps(0.3, 0.3 + 2 * (most - 0.02), 0.01)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_no_leap_and_leaves_the_speed(value):
    monitor = one(max_speed=1.0)
    assert not monitor.leaps(0.0, value, 0.005)
    assert not monitor.leaps(value, 0.0, 0.005)
    assert monitor.judge(0.0, 0.0, 0.0, 0) is Reason.NONE


def still(monitor, setpoint, until_us, measured=0.0):
    """The last verdict of ticks in which nothing that is measured changes."""
    reason = Reason.NONE
    for now_us in range(0, until_us + 1, 5_000):
        monitor.leaps(measured, measured, 0.005)
        reason = monitor.judge(setpoint, measured, 0.0, now_us)
    return reason


def test_the_same_bits_while_the_setpoint_is_away_for_long_are_a_stuck_sensor():
    for sign in (1, -1):
        away = sign * (MARGIN + TINY)
        assert still(one(), away, SENSOR_US) is Reason.NONE
        assert still(one(), away, SENSOR_US + 5_000) is Reason.SENSOR_STUCK
        assert still(one(), sign * MARGIN, 10 * SENSOR_US) is Reason.NONE


def test_a_measurement_that_changes_a_little_is_not_stuck():
    monitor = one()
    for tick in range(60):
        monitor.leaps(0.0, 1e-6, 0.005)
        assert monitor.judge(tick * 0.01, 0.0, 0.0, tick * 5_000) is Reason.NONE


def test_a_change_makes_the_setpoint_of_that_moment_the_one_to_be_away_from():
    monitor = one()
    monitor.leaps(0.0, 1e-6, 0.005)
    monitor.leaps(1e-6, 1e-6, 0.005)  # two samples in one tick
    monitor.judge(0.5, 0.0, 0.0, 0)
    for now_us in range(5_000, 10 * SENSOR_US, 5_000):
        assert monitor.judge(0.5 + MARGIN - TINY, 0.0, 0.0, now_us) is Reason.NONE


def test_a_setpoint_that_comes_back_gives_a_still_sensor_its_time_again():
    monitor = one()
    for now_us in range(0, 400_000, 5_000):
        away = now_us // 45_000 % 2 == 1
        assert monitor.judge(0.1 if away else 0.0, 0.0, 0.0, now_us) is Reason.NONE


def test_what_does_not_follow_for_long_is_said():
    for sign in (1, -1):
        for off, says in ((0.2, Reason.NONE), (0.2 + TINY, Reason.FOLLOWING)):
            monitor = one(max_following=0.2)
            for now_us in range(0, FOLLOWING_US + 5_001, 5_000):
                monitor.leaps(0.0, now_us * 1e-9, 0.005)
                reason = monitor.judge(sign * off, 0.0, 0.0, now_us)
                if now_us <= FOLLOWING_US:
                    assert reason is Reason.NONE
            assert reason is says


def test_what_follows_again_has_its_time_again():
    monitor = one(max_following=0.2)
    for now_us in range(0, 1_000_000, 5_000):
        monitor.leaps(0.0, now_us * 1e-9, 0.005)
        away = now_us // 95_000 % 2 == 1
        assert monitor.judge(0.3 if away else 0.0, 0.0, 0.0, now_us) is Reason.NONE


def test_a_beginning_starts_the_clocks_from_its_setpoint():
    monitor = one(max_following=0.2)
    monitor.judge(0.3, 0.0, 0.0, 0)
    monitor.begin(0.3, 40_000)
    assert monitor.judge(0.3, 0.0, 0.0, 40_000 + FOLLOWING_US) is Reason.NONE
    assert monitor.judge(0.3, 0.0, 0.0, 45_000 + FOLLOWING_US) is Reason.FOLLOWING
    monitor.begin(0.3, 300_000)
    assert monitor.judge(0.3 + MARGIN + TINY, 0.0, 0.0, 300_000 + SENSOR_US) is Reason.NONE
    assert monitor.judge(0.3 + MARGIN + TINY, 0.0, 0.0, 305_000 + SENSOR_US) is Reason.SENSOR_STUCK


def test_a_new_monitor_knows_no_deviation_yet():
    assert one(max_following=0.2).judge(0.0, 0.0, 0.0, SENSOR_US) is Reason.NONE
    assert one().judge(MARGIN, 0.0, 0.0, 10 * SENSOR_US) is Reason.NONE


@pytest.mark.parametrize("sign", [1, -1])
def test_the_speed_of_a_position_is_smoothed(sign):
    monitor = one(max_speed=1.0)
    monitor.leaps(0.0, sign * 0.01, 0.005)  # 2 rad/s, a quarter of which counts: 0.5
    assert monitor.judge(0.0, 0.0, 0.0, 0) is Reason.NONE
    monitor.leaps(0.0, sign * 0.01, 0.005)  # 0.875
    assert monitor.judge(0.0, 0.0, 0.0, 0) is Reason.NONE
    monitor.leaps(0.0, sign * 0.00690, 0.005)  # 1.00125
    assert monitor.judge(0.0, 0.0, 0.0, 0) is Reason.SPEED


def test_a_speed_that_is_just_the_limit_is_kept():
    monitor = one(max_speed=0.5)
    monitor.leaps(0.0, 1.0, 0.5)
    assert monitor.judge(0.0, 0.0, 0.0, 0) is Reason.NONE


@pytest.mark.parametrize("sign", [1, -1])
def test_the_speed_of_a_velocity_is_what_is_measured(sign):
    assert one(WHEEL, max_speed=0.5).judge(0.0, sign * 0.5, 0.0, 0) is Reason.NONE
    assert one(WHEEL, max_speed=0.5).judge(0.0, sign * 0.51, 0.0, 0) is Reason.SPEED


@pytest.mark.parametrize("sign", [1, -1])
def test_too_much_effort_is_said(sign):
    assert one(max_effort=3.0).judge(0.0, 0.0, sign * 3.0, 0) is Reason.NONE
    assert one(max_effort=3.0).judge(0.0, 0.0, sign * 3.01, 0) is Reason.EFFORT
    assert one(max_effort=3.0).strain(sign * 3.0) is Reason.NONE
    assert one(max_effort=3.0).strain(sign * 3.01) is Reason.EFFORT


def test_of_several_reasons_the_first_is_said():
    monitor = one(max_following=0.01, max_speed=1e-3, max_effort=0.1)
    monitor.leaps(0.0, 0.01, 0.005)
    monitor.judge(0.0, 0.0, 0.0, 0)
    said = [
        monitor.judge(1.0, 0.0, 9.0, SENSOR_US + 5_000),
        monitor.judge(0.0, 0.0, 9.0, SENSOR_US + 10_000),
    ]
    assert said == [Reason.SENSOR_STUCK, Reason.SPEED]
    for now_us in range(SENSOR_US + 15_000, SENSOR_US + 150_000, 5_000):
        monitor.leaps(0.0, TINY, 0.005)
        reason = monitor.judge(1.0, 0.0, 9.0, now_us)
    assert reason is Reason.FOLLOWING


def test_a_position_beyond_its_range_is_outside_but_for_noise():
    assert not one().is_outside(2.0 + MARGIN - TINY)
    assert one().is_outside(2.0 + MARGIN + TINY)
    assert not one().is_outside(-2.0 - MARGIN + TINY)
    assert one().is_outside(-2.0 - MARGIN - TINY)
    assert not one(minimum=0.0, maximum=4.0).is_outside(0.0)
    assert not one(WHEEL).is_outside(9.0)


# all of them


def sample(time_us, joint=0.0, wheel=0.0, effort=0.0, **supply):
    said = {"voltage_v": 12.0, "temperature_c": 30.0} | supply
    return Sample(time_us, (joint, wheel, math.nan), (effort, 0.0, math.nan), **said)


def both(sampled=None, now_us=0, told=TOLD, **limits):
    monitors = Monitors(told, (replace(JOINT, **limits), WHEEL))
    if sampled is not None:
        monitors.sense(sampled, now_us)
    return monitors


def test_before_the_first_sample_nothing_is_known_and_nothing_may_have_torque():
    assert all(map(math.isnan, both().measured))
    assert len(both().measured) == 2
    assert both().health(0) is Reason.SENSOR_LOST
    assert both().judge((0.0, 0.0), 0) is Reason.SENSOR_LOST


def test_a_sample_is_good_for_its_time_from_when_it_was_asked_for():
    monitors = both(sample(1_000), 20_000)
    for ask in (monitors.health, lambda now_us: monitors.judge((0.0, 0.0), now_us)):
        assert ask(1_000 + SENSOR_US) is Reason.NONE
        assert ask(1_001 + SENSOR_US) is Reason.SENSOR_LOST


@pytest.mark.parametrize(
    "bad",
    [
        sample(0, joint=math.nan),
        sample(0, wheel=math.inf),
        sample(0, effort=math.nan),
        sample(0, voltage_v=math.nan),
        sample(0, temperature_c=math.inf),
    ],
    ids=["value", "another", "effort", "voltage", "temperature"],
)
def test_what_is_not_finite_is_out_of_a_sensors_range(bad):
    assert both(bad).health(0) is Reason.SENSOR_RANGE
    assert both(bad).judge((0.0, 0.0), 0) is Reason.SENSOR_RANGE


def test_a_sample_from_the_future_is_garbage_for_one_tick_and_no_measurement():
    monitors = both(sample(0, joint=0.5))
    monitors.sense(sample(5_000, joint=0.51), 5_000)
    assert monitors.measured == [0.51, 0.0]
    monitors.sense(sample(5_002, joint=0.52), 5_001)
    assert monitors.measured == [0.51, 0.0]
    assert monitors.judge((0.0, 0.0), 5_001) is Reason.SENSOR_GARBAGE
    assert monitors.judge((0.0, 0.0), 5_001) is Reason.NONE
    assert monitors.health(5_001) is Reason.NONE


def test_a_sample_that_is_not_newer_is_none():
    monitors = both(sample(10_000, joint=0.5), 10_000)
    monitors.sense(sample(10_000, joint=0.6), 10_000)
    monitors.sense(sample(9_999, joint=0.7), 10_000)
    assert monitors.measured == [0.5, 0.0]


def test_a_leap_is_garbage_until_the_next_good_sample():
    monitors = both(sample(0))
    monitors.sense(sample(5_000, wheel=0.9), 5_000)
    assert monitors.measured == [0.0, 0.9]
    assert monitors.health(5_000) is Reason.SENSOR_GARBAGE
    assert monitors.judge((0.0, 0.0), 5_000) is Reason.SENSOR_GARBAGE
    assert monitors.judge((0.0, 0.0), 5_000) is Reason.NONE
    assert monitors.health(5_000) is Reason.SENSOR_GARBAGE
    monitors.sense(sample(10_000, wheel=0.9), 10_000)
    assert monitors.health(10_000) is Reason.NONE
    assert monitors.judge((0.0, 0.0), 10_000) is Reason.NONE


def test_a_leap_between_ticks_is_not_forgotten_for_the_good_sample_after_it():
    monitors = both(sample(0))
    monitors.sense(sample(5_000, joint=0.9), 5_000)
    monitors.sense(sample(10_000, joint=0.9), 10_000)
    assert monitors.judge((0.0, 0.0), 10_000) is Reason.SENSOR_GARBAGE


def test_the_time_between_samples_counts():
    monitors = both(sample(0))
    monitors.sense(sample(40_000, joint=0.6), 40_000)  # of 0.04 + 16 * 0.04
    assert monitors.judge((0.0, 0.0), 40_000) is Reason.NONE
    monitors.sense(sample(45_000, joint=0.73), 45_000)  # of 0.04 + 16 * 0.005
    assert monitors.judge((0.0, 0.0), 45_000) is Reason.SENSOR_GARBAGE


def test_each_axis_is_judged_by_its_own_setpoint_measurement_and_effort():
    axes = (replace(JOINT, max_effort=1.0), replace(WHEEL, max_effort=1.0, max_speed=0.5))
    monitors = Monitors(TOLD, axes)
    monitors.sense(Sample(0, (0.9, 0.4), (0.9, -1.1), 12.0, 30.0), 0)
    assert monitors.judge((0.0, 0.0), 0) is Reason.EFFORT
    assert monitors.health(0) is Reason.EFFORT
    monitors.sense(Sample(100_000, (0.4, 0.6), (0.9, 0.9), 12.0, 30.0), 100_000)
    assert monitors.judge((0.0, 0.0), 100_000) is Reason.SPEED


def test_the_supply_is_watched():
    told = replace(TOLD, min_voltage_v=10.0, max_temperature_c=50.0)
    for said, reason in (
        ({"voltage_v": 10.0, "temperature_c": 50.0}, Reason.NONE),
        ({"voltage_v": 9.99}, Reason.VOLTAGE),
        ({"temperature_c": 50.01}, Reason.TEMPERATURE),
        ({"voltage_v": 9.99, "temperature_c": 50.01}, Reason.VOLTAGE),
    ):
        monitors = both(sample(0, **said), told=told)
        assert monitors.judge((0.0, 0.0), 0) is reason
        assert monitors.health(0) is reason


def test_a_position_outside_has_no_health_and_can_be_judged_well():
    monitors = both(sample(0, joint=2.1))
    assert monitors.health(0) is Reason.OUTSIDE
    assert monitors.judge((2.0, 0.0), 0) is Reason.NONE


def test_the_first_reason_of_all_axes_and_sensors_is_said():
    told = replace(TOLD, min_voltage_v=13.0)
    monitors = both(sample(0, joint=2.1, effort=9.0), told=told, max_effort=1.0)
    assert monitors.health(0) is Reason.EFFORT
    assert monitors.judge((0.0, 0.0), 0) is Reason.EFFORT
    assert monitors.health(10 * SENSOR_US) is Reason.SENSOR_LOST


def test_all_clocks_start_anew_at_a_beginning():
    axes = (replace(JOINT, max_following=0.1), replace(WHEEL, max_following=0.1))
    monitors = Monitors(TOLD, axes)
    monitors.sense(sample(0), 0)
    monitors.begin((0.2, -0.2), 200_000)
    monitors.sense(sample(299_000, joint=0.01, wheel=-0.01), 299_000)
    assert monitors.judge((0.2, -0.2), 300_000) is Reason.NONE
    assert monitors.judge((0.2, -0.2), 300_001) is Reason.FOLLOWING


# commands


def refuses(gate, values=(0.0, 0.0), stamped_us=1_000_000, seq=1, now_us=1_000_000):
    return gate.refuses(values, stamped_us, seq, now_us, 200)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_one_value_that_is_not_finite_refuses_a_command(bad, place):
    values = [0.0, 0.0]
    values[place] = bad
    assert refuses(CommandGate(), values, stamped_us=0) is Reason.NON_FINITE


def test_a_command_is_good_for_its_time_in_both_directions():
    for apart_us, says in ((200_000, Reason.NONE), (200_001, Reason.STALE)):
        assert refuses(CommandGate(), stamped_us=1_000_000 - apart_us) is says
        assert refuses(CommandGate(), stamped_us=1_000_000 + apart_us) is says


def test_a_command_from_before_the_gate_was_opened_is_stale():
    gate = CommandGate()
    gate.open(950_000)
    assert refuses(gate, stamped_us=949_999) is Reason.STALE
    assert refuses(gate, stamped_us=950_000) is Reason.NONE


def test_a_command_passes_once_and_in_order_until_the_gate_is_opened_anew():
    gate = CommandGate()
    assert (gate.seq, gate.passed_us, gate.has_passed) == (0, 0, False)
    assert refuses(gate, seq=0) is Reason.NONE
    gate.passes(500, 7)
    assert (gate.seq, gate.passed_us, gate.has_passed) == (500, 7, True)
    assert refuses(gate, seq=500) is Reason.STALE
    assert refuses(gate, seq=499) is Reason.STALE
    assert refuses(gate, seq=501) is Reason.NONE
    gate.open(9)
    assert (gate.seq, gate.passed_us, gate.has_passed) == (500, 9, False)
    assert refuses(gate, seq=499) is Reason.NONE


@pytest.mark.parametrize(
    ("seq", "last", "newer"),
    [
        (1, 0, True),
        (0, 0, False),
        (0, 1, False),
        (0x7FFF, 0, True),
        (0x8000, 0, False),
        (1, 0xFFFF, True),
        (0xFFFF, 1, False),
        (5, 0xFFF0, True),
    ],
)
def test_newer_is_less_than_half_the_circle_ahead(seq, last, newer):
    assert is_newer(seq, last) is newer
