import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from controller_tables import (
    BAD,
    BAD_AXIS,
    BEYOND,
    BEYOND_AXIS,
    JOINT,
    KEPT,
    KEPT_AXIS,
    TOLD,
    WHEEL,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.configuration import HardwareLimits, Setup, refused, refused_axis
from firmware_bridge.motion import MOST_STEPS, Moved, Rates, to_rest, towards
from firmware_bridge.safety_words import Reaction, Reason
from firmware_bridge.setpoints import Motion, Setpoints

HARDWARE = HardwareLimits()
TICK_S = 0.005
F32 = np.float32


# what a controller is told


def test_what_makes_no_sense_or_the_hardware_does_not_keep_is_refused():
    for changes in BAD + BEYOND + KEPT:
        says = refused(replace(TOLD, **changes), HARDWARE)
        if changes in BAD:
            assert says is Reason.BAD_VALUE, changes
        else:
            assert says is (Reason.BEYOND_HARDWARE if changes in BEYOND else Reason.NONE), changes


def test_so_is_an_axis():
    for changes in BAD_AXIS + BEYOND_AXIS + KEPT_AXIS:
        says = refused_axis(replace(JOINT, **changes), TOLD, HARDWARE)
        if changes in BAD_AXIS:
            assert says is Reason.BAD_VALUE, changes
        else:
            is_kept = changes not in BEYOND_AXIS
            assert says is (Reason.NONE if is_kept else Reason.BEYOND_HARDWARE), changes


def test_only_a_position_lands():
    told = replace(TOLD, reaction=Reaction.LAND, land_axis=1)
    assert refused_axis(WHEEL, told, HARDWARE) is Reason.BAD_VALUE
    assert refused_axis(replace(WHEEL, index=0), told, HARDWARE) is Reason.NONE
    assert refused_axis(JOINT, replace(told, land_axis=0), HARDWARE) is Reason.NONE
    assert refused_axis(WHEEL, replace(told, reaction=Reaction.HOLD), HARDWARE) is Reason.NONE


def test_each_limit_of_the_hardware_is_its_own():
    for name in ("watchdog_ms", "heartbeat_ms", "sensor_ms"):
        hardware = replace(HARDWARE, **{name: 10})
        assert refused(replace(TOLD, **{name: 10}), hardware) is Reason.NONE
        assert refused(replace(TOLD, **{name: 11}), hardware) is Reason.BEYOND_HARDWARE


def test_a_setup_is_complete_once_it_knows_every_axis_and_refusals_change_nothing():
    setup = Setup(HARDWARE)
    assert (setup.told, setup.axes, setup.is_complete) == (None, [], False)
    assert setup.configure_axis(JOINT) is Reason.NOT_CONFIGURED
    assert setup.configure(replace(TOLD, axes=0)) is Reason.BAD_VALUE
    assert setup.told is None
    assert setup.configure(TOLD) is Reason.NONE
    assert setup.configure_axis(WHEEL) is Reason.NONE
    assert not setup.is_complete
    assert setup.configure_axis(replace(JOINT, slew_per_s=0.0)) is Reason.BAD_VALUE
    assert not setup.is_complete
    assert setup.configure_axis(JOINT) is Reason.NONE
    assert (setup.axes, setup.is_complete) == ([JOINT, WHEEL], True)
    assert setup.configure(replace(TOLD, axes=9)) is Reason.BAD_VALUE
    assert setup.configure_axis(replace(JOINT, minimum=-99.0)) is Reason.BEYOND_HARDWARE
    assert (setup.told, setup.axes) == (TOLD, [JOINT, WHEEL])
    assert setup.configure(replace(TOLD, axes=1)) is Reason.NONE
    assert (setup.axes, setup.is_complete) == ([], False)


# one tick


def rates(*, low=-2.0, high=2.0, slew=2.0, acceleration=math.inf, kind=np.float64):
    return Rates(*(np.array([value], kind) for value in (low, high, slew, acceleration)))


def at(setpoint, rate=0.0, kind=np.float64):
    return Moved(np.array([setpoint], kind), np.array([rate], kind))


def goes(target, now, told, ticks=1, dt_s=TICK_S):
    """(setpoint, rate) after each tick."""
    out = []
    for _ in range(ticks):
        now = towards(np.array([target], now.setpoint.dtype), now, told, dt_s)
        out.append((float(now.setpoint[0]), float(now.rate[0])))
    return out


def test_without_an_acceleration_it_goes_at_its_slew_and_arrives():
    assert goes(0.025, at(0.0), rates(), 4) == [
        pytest.approx((0.01, 2.0)),
        pytest.approx((0.02, 2.0)),
        (0.025, pytest.approx(1.0)),
        (0.025, 0.0),
    ]
    assert goes(-0.025, at(0.0), rates(), 1) == [pytest.approx((-0.01, -2.0))]


def test_with_an_acceleration_the_rate_comes_up_and_down_by_steps():
    told = rates(acceleration=200.0)  # 1.0 per tick, a step of 0.005
    assert goes(0.02, at(0.0), told, 5) == [
        pytest.approx((0.005, 1.0)),
        pytest.approx((0.015, 2.0)),  # 3 steps away: 2, then 1
        (0.02, pytest.approx(1.0)),
        (0.02, 0.0),
        (0.02, 0.0),
    ]
    assert goes(0.0235, at(0.0), told, 5) == [
        pytest.approx((0.005, 1.0)),
        pytest.approx((0.015, 2.0)),
        pytest.approx((0.02175, 1.35)),  # 1.7 steps away: 1.35, then 0.35
        (0.0235, pytest.approx(0.35)),
        (0.0235, 0.0),
    ]


@settings(max_examples=40)
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(5, 500), st.floats(1, 20))
def test_it_arrives_exactly_without_going_beyond_and_within_its_acceleration(
    start, target, acceleration, slew
):
    told = rates(acceleration=acceleration, slew=slew)
    now, before_s, last = at(start), 0.0, start
    most = (1 / slew + slew / acceleration + 2 / math.sqrt(acceleration)) / TICK_S + 10
    for _ in range(int(most)):
        now = towards(np.array([target]), now, told, TICK_S)
        value, rate = float(now.setpoint[0]), float(now.rate[0])
        assert min(start, target) <= value <= max(start, target)
        assert abs(rate) <= slew * (1 + 1e-9)
        assert abs(rate - before_s) <= acceleration * TICK_S * 1.0011
        assert value - last == pytest.approx(rate * TICK_S, abs=1e-12)
        before_s, last = rate, value
    assert value == target
    assert rate == 0


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(-2, 2), st.integers(1, 80)), min_size=1, max_size=5))
def test_in_single_precision_any_targets_keep_range_slew_and_acceleration(legs):
    told = rates(acceleration=8.0, kind=F32)
    now = at(0.0, kind=F32)
    for target, ticks in legs:
        for _ in range(ticks):
            before = now
            now = towards(np.array([target], F32), now, told, TICK_S)
            assert now.setpoint.dtype == now.rate.dtype == F32
            assert abs(now.setpoint[0]) <= 2.0
            assert abs(now.rate[0]) <= 2.0 * 1.0001
            assert abs(now.rate[0] - before.rate[0]) <= 8.0 * TICK_S * 1.02


def test_out_of_sight_the_rate_is_bounded_and_nothing_overflows():
    told = rates(low=-1e300, high=1e300, slew=1e300, acceleration=1e-300)
    [(value, rate)] = goes(1e300, at(0.0), told)
    assert (value, rate) == pytest.approx((1e-300 * TICK_S**2, 1e-300 * TICK_S))
    fast = goes(1e300, at(0.0, rate=1.0), rates(high=1e300, slew=9.0, acceleration=1e-6))
    assert fast[0][1] == pytest.approx(1.0, rel=1e-6)
    assert MOST_STEPS == 1e9


def test_the_range_is_kept_even_if_the_acceleration_is_not():
    [(value, rate)] = goes(1.0, at(1.999, rate=2.0), rates(acceleration=5.0))
    assert value == 2.0
    assert rate == pytest.approx(0.001 / TICK_S)
    [(value, rate)] = goes(-1.0, at(-1.999, rate=-2.0), rates(acceleration=5.0))
    assert (value, rate) == (-2.0, pytest.approx(-0.2))


@pytest.mark.parametrize("dt_s", [0.0, -0.01])
def test_without_time_nothing_moves(dt_s):
    now = at(0.5, rate=0.25)
    assert towards(np.array([1.0]), now, rates(), dt_s) is now


def test_the_time_of_a_tick_counts():
    assert goes(1.0, at(0.0), rates(), dt_s=0.02) == [pytest.approx((0.04, 2.0))]


def test_an_axis_with_and_one_without_acceleration_do_not_mind_each_other():
    told = Rates(
        *(np.array(row) for row in ((-2.0, -2.0), (2.0, 2.0), (2.0, 2.0), (8.0, math.inf)))
    )
    now = Moved(np.zeros(2), np.zeros(2))
    moved = towards(np.array([1.0, 1.0]), now, told, TICK_S)
    assert moved.setpoint == pytest.approx([8.0 * TICK_S**2, 2.0 * TICK_S])
    assert moved.rate == pytest.approx([0.04, 2.0])


def test_coming_to_rest_takes_as_long_as_the_acceleration_says():
    now, told = at(0.0, rate=1.0), rates(acceleration=60.0)  # 0.3 per tick
    rates_seen, values = [], []
    for _ in range(5):
        now = to_rest(now, told, TICK_S)
        rates_seen.append(float(now.rate[0]))
        values.append(float(now.setpoint[0]))
    assert rates_seen == pytest.approx([0.7, 0.4, 0.1, 0.0, 0.0])
    assert values == pytest.approx([0.0035, 0.0055, 0.006, 0.006, 0.006])
    back = to_rest(at(0.0, rate=-1.0), told, TICK_S)
    assert back.rate[0] == pytest.approx(-0.7)


def test_coming_to_rest_without_an_acceleration_or_at_the_end_of_the_range_is_at_once():
    assert to_rest(at(0.5, rate=1.0), rates(), TICK_S) == at(0.5)
    stopped = to_rest(at(1.999, rate=2.0), rates(acceleration=5.0), TICK_S)
    assert stopped.setpoint[0] == 2.0


# the controller's setpoint


def setpoints(told=TOLD, **limits):
    return Setpoints(told, (replace(JOINT, **limits), WHEEL))


def walk(points, motion, ticks, measured=(0.0, 0.0)):
    """All setpoints on the way, (ticks, 2)."""
    out = []
    for _ in range(ticks):
        points.advance(motion, np.array(measured, F32))
        out.append(points.values.tolist())
    return np.array(out)


def follow(points, *target, ramping=(False, False)):
    points.follow(np.array(target, F32), ramping=np.array(ramping))


def test_at_first_it_stands_at_the_stops_or_as_near_to_zero_as_its_range_allows():
    assert setpoints().values.tolist() == [0.0, 0.0]
    assert setpoints(minimum=0.5, maximum=1.0).values[0] == 0.5
    wheel = replace(WHEEL, stop=0.25)
    assert Setpoints(TOLD, (JOINT, wheel)).values.tolist() == [0.0, 0.25]
    assert setpoints().values.dtype == F32


def test_a_new_base_is_what_is_measured_in_range_and_the_stop_of_a_velocity():
    points = setpoints()
    points.rebase(np.array([1.5, 0.7], F32))
    assert points.values.tolist() == [1.5, 0.0]
    points.rebase(np.array([9.0, 0.7], F32))
    assert points.values.tolist() == [2.0, 0.0]
    points.rebase(np.array([math.nan, math.nan], F32))
    assert points.values.tolist() == [2.0, 0.0]


def test_without_torque_it_goes_along():
    points = setpoints()
    assert walk(points, Motion.FREE, 1, (1.25, 0.5)).tolist() == [[1.25, 0.0]]


def test_it_follows_and_a_new_base_ends_that():
    points = setpoints()
    follow(points, 1.0, -1.0)
    went = walk(points, Motion.FOLLOW, 110)
    assert went[0] == pytest.approx([0.01, -0.02])
    assert went[-1].tolist() == [1.0, -1.0]
    points.rebase(np.array([0.5, 0.0], F32))
    assert walk(points, Motion.FOLLOW, 10)[-1].tolist() == [0.5, 0.0]


def test_a_new_base_is_at_rest():
    points = setpoints(acceleration_per_s2=5.0)
    follow(points, 1.0, 0.0)
    walk(points, Motion.FOLLOW, 50)
    points.rebase(np.array([0.0, 0.0], F32))
    follow(points, 1.0, 0.0)
    assert walk(points, Motion.FOLLOW, 1)[0, 0] == pytest.approx(5.0 * TICK_S**2)


def test_an_axis_that_ramps_is_slow_until_it_has_arrived_once():
    points = setpoints(ramp_per_s=0.4)
    follow(points, 0.01, 1.0, ramping=(True, False))
    went = walk(points, Motion.FOLLOW, 10)
    assert went[0] == pytest.approx([0.002, 0.02])
    assert went[-1, 0] == F32(0.01)
    follow(points, 1.0, 1.0)
    assert walk(points, Motion.FOLLOW, 1)[0, 0] == pytest.approx(0.02)


def test_a_later_command_does_not_end_a_ramp_that_a_new_base_does():
    points = setpoints(ramp_per_s=0.4)
    follow(points, 1.0, 0.0, ramping=(True, False))
    follow(points, 1.5, 0.0)
    assert walk(points, Motion.FOLLOW, 1)[0, 0] == pytest.approx(0.002)
    points.rebase(np.zeros(2, F32))
    follow(points, 1.5, 0.0)
    assert walk(points, Motion.FOLLOW, 1)[0, 0] == pytest.approx(0.01)


def test_a_ramp_is_never_faster_than_the_slew():
    points = setpoints(ramp_per_s=9.0)
    follow(points, 1.0, 0.0, ramping=(True, False))
    assert walk(points, Motion.FOLLOW, 1)[0, 0] == pytest.approx(0.01)


def moving(**options):
    points = setpoints(**options)
    follow(points, 2.0, 1.0)
    walk(points, Motion.FOLLOW, 50)
    return points


def test_holding_freezes_positions_and_brakes_velocities():
    points = moving(acceleration_per_s2=8.0)
    before = points.values.tolist()
    went = walk(points, Motion.HOLD, 60)
    assert set(went[:, 0]) == {before[0]}
    assert np.diff(went[:, 1]).min() == pytest.approx(-0.02, rel=1e-4)
    assert went[-1, 1] == 0.0


def test_decelerating_brakes_both():
    points = moving(acceleration_per_s2=8.0)
    before = points.values.tolist()
    went = walk(points, Motion.DECELERATE, 60)
    assert went[0, 0] - before[0] == pytest.approx((2.0 - 0.04) * TICK_S, rel=1e-3)
    assert went[-1, 0] - before[0] == pytest.approx(2.0**2 / 2 / 8.0, rel=0.05)
    assert went[-1, 1] == 0.0
    assert not np.diff(went[-5:, 0]).any()


def test_after_holding_a_position_begins_at_rest():
    points = moving(acceleration_per_s2=8.0)
    walk(points, Motion.HOLD, 1)
    before = points.values[0]
    follow(points, 2.0, 1.0)
    assert walk(points, Motion.FOLLOW, 1)[0, 0] - before == pytest.approx(8 * TICK_S**2, rel=1e-2)


def test_landing_goes_down_to_the_minimum_at_its_pace_and_is_said():
    told = replace(TOLD, reaction=Reaction.LAND, land_per_s=1.0)
    points = Setpoints(told, (JOINT, WHEEL))
    points.rebase(np.array([-1.95, 0.0], F32))
    assert not points.has_landed
    went = walk(points, Motion.LAND, 9)
    assert went[:2, 0] == pytest.approx([-1.955, -1.96])
    assert not points.has_landed
    went = walk(points, Motion.LAND, 2)
    assert went[-1, 0] == -2.0
    assert points.has_landed


def test_landing_is_never_faster_than_the_slew_and_other_positions_come_to_rest():
    told = replace(TOLD, reaction=Reaction.LAND, land_axis=1, land_per_s=9.0)
    other = replace(JOINT, index=1)
    points = Setpoints(told, (replace(JOINT, acceleration_per_s2=8.0), other))
    follow(points, 2.0, 0.0)
    walk(points, Motion.FOLLOW, 50)
    went = walk(points, Motion.LAND, 300)
    assert went[0, 1] == pytest.approx(-0.01)
    assert went[-1, 1] == -2.0
    assert 0.1 < went[-1, 0] < 1.0
    assert points.has_landed


def test_what_does_not_land_goes_nowhere_of_itself():
    points = setpoints()
    points.rebase(np.array([1.0, 0.0], F32))
    assert walk(points, Motion.DECELERATE, 50)[-1].tolist() == [1.0, 0.0]


def test_values_are_clipped_to_the_range():
    assert setpoints().clipped(np.array([9.0, -9.0], F32)).tolist() == [2.0, -1.0]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(Motion), st.floats(-9, 9), st.floats(-9, 9))))
def test_no_sequence_of_motions_leaves_the_range(moves):
    told = replace(TOLD, reaction=Reaction.LAND)
    points = Setpoints(told, (replace(JOINT, acceleration_per_s2=5.0), WHEEL))
    for motion, first, second in moves:
        target = points.clipped(np.array([first, second], F32))
        points.follow(target, ramping=np.array([first > 1, False]))
        for values in walk(points, motion, 7, (first, second)):
            assert abs(values[0]) <= 2.0
            assert abs(values[1]) <= 1.0


def test_pairs_of_ticks_keep_the_slew():
    points = setpoints()
    follow(points, 2.0, -1.0)
    went = walk(points, Motion.FOLLOW, 110)
    assert max(b[0] - a[0] for a, b in itertools.pairwise(went)) == pytest.approx(0.01, rel=1e-4)
