"""When a servo's own words stop the arm: what lasts does, what flickers does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.feetech import registers as r
from firmware_bridge.feetech.calibration import JointCalibration
from firmware_bridge.feetech.guards import GuardLimits, Reading, ServoGuard
from firmware_bridge.safety_words import Reason

MS = 1_000_000  # ns
LIMITS = GuardLimits(
    silent_s=0.1,
    min_voltage_v=5.0,
    max_voltage_v=8.0,
    max_temperature_c=60.0,
    max_load=0.8,
    load_s=1.0,
    max_speed_steps_s=1500.0,
    max_following_steps=100.0,
    following_s=0.3,
)
WELL = Reading(0, True, 2000, 2000, 0.0, 0.1, 7.0, 30, r.ServoStatus(0))


def guard():
    return ServoGuard(JointCalibration("elbow", 3, 0, 1, (0, 4095)), LIMITS)


def judged(readings, engaged=True, period_ms=20):
    """Words after each of these readings, one per tick."""
    watch, words = guard(), []
    for tick, reading in enumerate(readings):
        now_ns = tick * period_ms * MS
        watch.take(None if reading is None else reading._replace(asked_ns=now_ns))
        words.append([str(one) for one in watch.judge(now_ns, engaged=engaged)])
    return words


def first(words):
    """The tick at which something was found, and what."""
    return next(((tick, found) for tick, found in enumerate(words) if found), None)


ODD = [
    (WELL._replace(voltage_v=4.9), "voltage_elbow_3", Reason.VOLTAGE, 60),
    (WELL._replace(voltage_v=8.1), "voltage_elbow_3", Reason.VOLTAGE, 60),
    (WELL._replace(temperature_c=61), "temperature_elbow_3", Reason.TEMPERATURE, 60),
    (WELL._replace(load=0.81), "load_elbow_3", Reason.EFFORT, 1000),
    (WELL._replace(load=-0.81), "load_elbow_3", Reason.EFFORT, 1000),
    (WELL._replace(torque=False), "torque_lost_elbow_3", Reason.MISMATCH, 60),
    (WELL._replace(speed_steps_s=-1501.0), "speed_elbow_3", Reason.SPEED, 60),
    (WELL._replace(goal_steps=2101), "following_elbow_3", Reason.FOLLOWING, 300),
    (WELL._replace(goal_steps=1899), "following_elbow_3", Reason.FOLLOWING, 300),
    *(
        (WELL._replace(status=r.ServoStatus(bit)), f"servo_{word}_elbow_3", reason, 60)
        for bit, word, reason in (
            (1, "voltage", Reason.VOLTAGE),
            (2, "encoder", Reason.SENSOR_RANGE),
            (4, "temperature", Reason.TEMPERATURE),
            (8, "current", Reason.EFFORT),
            (32, "load", Reason.EFFORT),
        )
    ),
]


@pytest.mark.parametrize(("reading", "word", "reason", "after_ms"), ODD)
def test_what_lasts_is_found_after_its_time_and_named(reading, word, reason, after_ms):
    tick, found = first(judged([WELL, *[reading] * 60]))
    assert ((tick - 1) * 20, found) == (after_ms, [word])
    watch = guard()
    for now_ns in (0, 2000 * MS):
        watch.take(reading._replace(asked_ns=now_ns))
        findings = watch.judge(now_ns, engaged=True)
    assert [finding.reason for finding in findings] == [reason]


@pytest.mark.parametrize(("reading", "word", "reason", "after_ms"), ODD)
def test_what_flickers_is_not_found(reading, word, reason, after_ms):
    assert first(judged([WELL, reading, reading, WELL] * 100)) is None


@pytest.mark.parametrize(
    "reading",
    [
        WELL._replace(voltage_v=5.0),
        WELL._replace(voltage_v=8.0),
        WELL._replace(temperature_c=60),
        WELL._replace(load=-0.8),
        WELL._replace(speed_steps_s=1500.0),
        WELL._replace(goal_steps=2100),
    ],
)
def test_a_value_at_its_limit_is_well(reading):
    assert first(judged([reading] * 100)) is None


@pytest.mark.parametrize("reading", [WELL._replace(torque=False), WELL._replace(goal_steps=0)])
def test_an_arm_that_is_not_engaged_needs_no_torque_and_follows_no_goal(reading):
    assert first(judged([reading] * 100, engaged=False)) is None


def test_one_reading_that_nobody_renews_is_one_reading():
    watch = guard()
    watch.take(WELL._replace(voltage_v=4.0))
    assert all(not watch.judge(now_ns * MS, engaged=True) for now_ns in range(100))


def test_silence_is_found_after_its_time_and_ends_with_an_answer():
    words = judged([WELL, *[None] * 6, WELL])
    assert words == [[]] * 6 + [["silent_elbow_3"], []]


def test_a_servo_that_has_never_answered_is_silent():
    assert judged([None]) == [["silent_elbow_3"]]


@given(st.integers(0, 4095), st.integers(1, 5))
def test_a_reading_is_believed_exactly_if_a_joint_can_have_come_there(steps, ticks):
    watch = guard()
    watch.take(WELL)
    watch.take(WELL._replace(asked_ns=ticks * 20 * MS, position_steps=steps))
    can = abs(steps - 2000) <= 60 + 6000 * ticks * 0.02
    assert (watch.reading.position_steps == steps) == (can or steps == 2000)
    assert watch.leaps == (0 if can else 1)


def test_after_a_long_silence_every_position_is_believed():
    watch = guard()
    watch.take(WELL)
    watch.take(WELL._replace(asked_ns=101 * MS, position_steps=4000))
    assert watch.reading.position_steps == 4000
    assert watch.leaps == 0
