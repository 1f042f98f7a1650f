"""One law for every controller: the emulator in Python, the firmware compiled for this machine, and
the firmware on the emulated chip.
"""

import itertools
import math
from dataclasses import replace

import pytest
from controller_bench import TICK_S, Bench, make_rig
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

from firmware_bridge.emulators import BOARDS
from firmware_bridge.framing import encode_frame
from firmware_bridge.protocol import BY_NAME, SCHEMA_HASH, pack
from firmware_bridge.safety_words import Mode, Reaction, Reason, Wish

LATE_S = 3 * TICK_S  # within which telemetry says what happened


@pytest.fixture(params=sorted(BOARDS))
def bench(request):
    rig = make_rig(request.param)
    yield Bench(rig)
    rig.close()


def watched(**limits):
    """Both axes with more limits."""
    return replace(JOINT, **limits), WHEEL


# power-up and configuration


def test_it_is_silent_until_a_host_says_hello(bench):
    bench.send("wish", wish=Wish.ESTOP)
    bench.send("time_request", host_us=1)
    bench.advance(0.1)
    assert not any(bench.said.values())
    assert not bench.plant.torque


def test_it_answers_hello_with_who_it_is(bench):
    bench.hello()
    [identity] = bench.said["identity"]
    assert identity.schema_hash == SCHEMA_HASH
    assert identity.mode == Mode.BOOT
    assert identity.max_axes == 8
    assert 0 <= bench.now_us - identity.uptime_us <= 0.5e6
    assert bench.mode is Mode.BOOT


def test_a_host_with_another_table_of_packets_is_told_so_and_not_obeyed(bench):
    bench.hello(schema_hash=SCHEMA_HASH ^ 1)
    [identity] = bench.said["identity"]
    assert identity.schema_hash == SCHEMA_HASH
    bench.send("configure", **vars(TOLD))
    bench.send("wish", wish=Wish.ESTOP)
    bench.advance(0.1)
    assert not bench.said["verdict"]
    assert not bench.said["telemetry"]


def test_it_is_disarmed_once_it_knows_all_axes(bench):
    bench.hello()
    assert bench.configure(axes=(JOINT,)) == [Reason.NONE] * 2
    assert bench.wish(Wish.ARM) is Reason.NOT_CONFIGURED
    assert bench.mode is Mode.BOOT
    assert bench.configure() == [Reason.NONE] * 3
    bench.advance(0.02)
    assert bench.mode is Mode.DISARMED


def test_an_axis_before_the_whole_is_refused(bench):
    bench.hello()
    bench.send("configure_axis", **vars(JOINT))
    bench.advance(0.02)
    assert bench.said["verdict"][-1].reason == Reason.NOT_CONFIGURED


def test_a_configuration_begun_anew_forgets_the_old_one(bench):
    bench.prepare()
    bench.configure(axes=(JOINT,))
    bench.advance(0.02)
    assert bench.mode is Mode.BOOT
    assert bench.configure() == [Reason.NONE] * 3
    bench.advance(0.02)
    assert bench.mode is Mode.DISARMED


def test_an_axis_can_be_replaced_when_disarmed(bench):
    bench.prepare()
    bench.send("configure_axis", **vars(replace(JOINT, maximum=0.7)))
    bench.advance(0.1)
    assert bench.mode is Mode.DISARMED
    assert bench.wish(Wish.ARM) is Reason.NONE
    bench.follow(2.0, 0.0, seconds=0.5)
    assert bench.state.setpoint[0] == pytest.approx(0.7)


def test_a_configuration_is_refused_if_it_makes_no_sense_or_the_hardware_does_not_keep_it(bench):
    bench.hello()
    for changes in BAD + BEYOND + KEPT:
        [first] = bench.configure(replace(TOLD, **changes), axes=())
        if changes in BAD:
            assert first is Reason.BAD_VALUE, changes
        else:
            assert first is (Reason.BEYOND_HARDWARE if changes in BEYOND else Reason.NONE), changes


def test_a_refused_configuration_leaves_the_old_one(bench):
    bench.prepare()
    assert bench.configure(replace(TOLD, axes=9), axes=()) == [Reason.BAD_VALUE]
    assert bench.configure(replace(TOLD, watchdog_ms=9999), axes=()) == [Reason.BEYOND_HARDWARE]
    bench.advance(0.02)
    assert bench.mode is Mode.DISARMED
    assert bench.wish(Wish.ARM) is Reason.NONE


def test_an_axis_is_refused_if_it_makes_no_sense_or_the_hardware_does_not_keep_it(bench):
    bench.hello()
    for changes in BAD_AXIS + BEYOND_AXIS + KEPT_AXIS:
        told, of_joint = bench.configure(axes=(replace(JOINT, **changes),))
        assert told is Reason.NONE
        if changes in BAD_AXIS:
            assert of_joint is Reason.BAD_VALUE, changes
        else:
            is_kept = changes not in BEYOND_AXIS
            assert of_joint is (Reason.NONE if is_kept else Reason.BEYOND_HARDWARE), changes


def test_a_refused_axis_is_missing(bench):
    bench.hello()
    refused = replace(WHEEL, slew_per_s=0.0)
    assert bench.configure(axes=(JOINT, refused)) == [Reason.NONE] * 2 + [Reason.BAD_VALUE]
    bench.advance(0.02)
    assert bench.mode is Mode.BOOT
    assert bench.wish(Wish.ARM) is Reason.NOT_CONFIGURED


def test_a_velocity_cannot_be_what_lands(bench):
    bench.hello()
    told = replace(TOLD, reaction=Reaction.LAND, land_axis=1)
    assert bench.configure(told) == [Reason.NONE, Reason.NONE, Reason.BAD_VALUE]


def test_it_is_configured_only_before_it_is_armed(bench):
    bench.arm()
    assert bench.configure() == [Reason.WRONG_MODE] * 3
    assert bench.mode is Mode.ARMED


# arming


def test_torque_comes_with_arming_and_goes_with_disarming(bench):
    bench.prepare()
    assert not bench.state.torque
    assert not bench.plant.torque
    assert bench.wish(Wish.ARM) is Reason.NONE
    assert bench.mode is Mode.ARMED
    assert bench.state.torque
    assert bench.plant.torque
    assert bench.wish(Wish.DISARM) is Reason.NONE
    assert bench.mode is Mode.DISARMED
    assert not bench.plant.torque


def test_arming_holds_the_robot_where_it_is(bench):
    bench.prepare()
    bench.plant.values[:] = [1.2, 0.4]
    bench.advance(0.05)
    assert bench.wish(Wish.ARM) is Reason.NONE
    bench.advance(0.2)
    assert bench.state.setpoint[:2] == pytest.approx((1.2, 0.0))
    assert bench.plant.values[0] == pytest.approx(1.2, abs=1e-3)


def test_nobody_arms_without_a_heartbeat(bench):
    bench.beats = False
    bench.prepare()
    assert bench.wish(Wish.ARM) is Reason.HEARTBEAT
    bench.send("heartbeat", mode=Mode.DISARMED)
    bench.advance(0.51)
    assert bench.wish(Wish.ARM) is Reason.HEARTBEAT
    bench.send("heartbeat", mode=Mode.DISARMED)
    assert bench.wish(Wish.ARM) is Reason.NONE


def hot(bench):
    bench.plant.temperature_c = 60.0


def weak(bench):
    bench.plant.voltage_v = 9.0


def outside(bench):
    bench.plant.values[0] = 2.1


def strained(bench):
    bench.plant.load[0] = 9.0


def unknowing(bench):
    bench.plant.values[0] = math.nan


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda bench: bench.fail("sensor:off"), Reason.SENSOR_LOST),
        (lambda bench: bench.fail("sensor:delayed"), Reason.SENSOR_LOST),
        (unknowing, Reason.SENSOR_RANGE),
        (lambda bench: bench.fail("sensor:garbage"), Reason.SENSOR_GARBAGE),
        (outside, Reason.OUTSIDE),
        (strained, Reason.EFFORT),
        (weak, Reason.VOLTAGE),
        (hot, Reason.TEMPERATURE),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_an_unwell_robot_is_not_armed(bench, spoil, says):
    bench.told = replace(TOLD, min_voltage_v=10.0, max_temperature_c=50.0)
    bench.axes = watched(max_effort=5.0)
    bench.prepare()
    spoil(bench)
    bench.advance(0.1)
    assert bench.wish(Wish.ARM) is says
    assert bench.mode is Mode.DISARMED
    assert not bench.plant.torque


def test_noise_at_the_end_of_the_range_does_not_keep_it_from_arming(bench):
    bench.prepare()
    bench.plant.values[0] = 2.03
    bench.advance(0.1)
    assert bench.wish(Wish.ARM) is Reason.NONE
    bench.advance(0.02)
    assert bench.state.setpoint[0] == 2.0


@pytest.mark.parametrize("wish", [0, 6, 255])
def test_a_wish_that_is_none_is_refused(bench, wish):
    bench.prepare()
    assert bench.wish(wish) is Reason.BAD_VALUE


def test_wishes_in_the_wrong_mode_change_nothing(bench):
    bench.prepare()
    assert bench.wish(Wish.RESET) is Reason.WRONG_MODE
    assert bench.wish(Wish.STOP) is Reason.NONE
    assert bench.wish(Wish.DISARM) is Reason.NONE
    assert bench.mode is Mode.DISARMED
    assert bench.wish(Wish.ARM) is Reason.NONE
    assert bench.wish(Wish.ARM) is Reason.WRONG_MODE
    assert bench.wish(Wish.RESET) is Reason.WRONG_MODE
    assert bench.mode is Mode.ARMED


# following


def test_the_first_good_command_makes_it_active_and_it_goes_there(bench):
    bench.arm()
    bench.follow(1.0, -0.5, seconds=0.5)
    assert bench.mode is Mode.ACTIVE
    assert bench.state.setpoint[:2] == (1.0, -0.5)
    assert bench.plant.values == pytest.approx([1.0, -0.5], abs=1e-3)


def test_a_command_out_of_range_is_clipped_and_counted(bench):
    bench.fly()
    before = bench.counters().clipped
    bench.follow(1e30, -1e30, seconds=1.2)
    assert bench.state.setpoint[:2] == (2.0, -1.0)
    assert bench.counters().clipped > before


def rates(bench, axis=0):
    """Change per second of the setpoint between packets of telemetry, while there is torque."""
    told = [one for one in bench.said["telemetry"] if one.torque]
    return [
        (b.setpoint[axis] - a.setpoint[axis]) / (b.time_us - a.time_us) * 1e6
        for a, b in itertools.pairwise(told)
    ]


def test_the_setpoint_is_never_faster_than_the_slew(bench):
    bench.fly(0.5, 0.0)
    bench.follow(-2.0, 1.0, seconds=0.4)
    bench.follow(2.0, -1.0, seconds=2.2)
    assert max(map(abs, rates(bench, 0))) == pytest.approx(2.0, rel=0.01)
    assert max(map(abs, rates(bench, 1))) == pytest.approx(4.0, rel=0.01)


def test_with_an_acceleration_the_rate_changes_no_faster_and_the_target_is_reached(bench):
    bench.axes = watched(acceleration_per_s2=5.0)
    bench.fly(0.5, 0.0)
    bench.follow(1.5, 0.0, seconds=1.5)
    assert bench.state.setpoint[0] == 1.5
    bench.follow(-2.0, 0.0, seconds=0.5)
    bench.follow(2.0, 0.0, seconds=3.5)
    assert bench.state.setpoint[0] == 2.0
    fastest = rates(bench)
    changes = [(b - a) / (2 * TICK_S) for a, b in itertools.pairwise(fastest)]
    assert max(map(abs, fastest)) == pytest.approx(2.0, rel=0.01)
    assert max(map(abs, changes)) <= 5.0 * 1.02
    assert max(one.setpoint[0] for one in bench.said["telemetry"]) <= 2.0


def test_a_command_that_is_not_finite_is_refused_and_renews_nothing(bench):
    bench.fly(0.5, 0.0)
    before = bench.counters()
    bench.follow(math.nan, 0.0)
    waited_s = bench.advance_until(lambda: bench.mode is Mode.PROTECTIVE_STOP)
    assert waited_s <= 0.1 + LATE_S
    assert bench.reason is Reason.WATCHDOG
    after = bench.counters()
    assert after.commands - before.commands <= 1
    assert after.refused > before.refused


@pytest.mark.parametrize("values", [(0.5, math.inf), (-math.inf, 0.0), (0.5, math.nan)], ids=str)
def test_one_value_that_is_not_finite_refuses_the_whole(bench, values):
    bench.arm()
    bench.command(*values)
    bench.advance(0.05)
    assert bench.mode is Mode.ARMED
    assert bench.counters().refused == 1


def test_what_stands_beyond_the_axes_does_not_matter(bench):
    bench.arm()
    bench.command(0.5, 0.0, math.nan)
    bench.advance(0.05)
    assert bench.mode is Mode.ACTIVE


@pytest.mark.parametrize("age_s", [0.25, -0.25], ids=["old", "from the future"])
def test_a_command_too_old_or_from_the_future_is_refused(bench, age_s):
    bench.arm()
    bench.advance(0.3)
    bench.command(0.5, 0.0, age_s=age_s)
    bench.advance(0.05)
    assert bench.mode is Mode.ARMED
    assert bench.counters().refused == 1


@pytest.mark.parametrize("age_s", [0.15, -0.15], ids=["old", "ahead"])
def test_a_command_of_almost_that_age_is_followed(bench, age_s):
    bench.arm()
    bench.advance(0.3)
    bench.command(0.5, 0.0, age_s=age_s)
    bench.advance(0.05)
    assert bench.mode is Mode.ACTIVE


def test_a_command_from_before_the_arming_never_moves_it(bench):
    bench.prepare()
    made_us = bench.now_us
    bench.advance(0.02)
    bench.wish(Wish.ARM)
    bench.send("command", stamped_us=made_us, values=(1.0, 0.0))
    bench.advance(0.05)
    assert bench.mode is Mode.ARMED


def test_a_replayed_command_is_refused_and_renews_nothing(bench):
    bench.fly(0.5, 0.0)
    bench.wanted = None
    heard = bench.command(1.0, 0.0)
    bench.advance(0.05)
    refused = bench.said["counters"][-1].refused if bench.said["counters"] else 0
    for _ in range(10):
        bench.send_bytes(heard)
        bench.advance(0.01)
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert bench.reason is Reason.WATCHDOG
    assert bench.counters().refused == refused + 10


def test_a_host_that_was_restarted_counts_its_commands_anew(bench):
    bench.fly(0.5, 0.0)
    bench.advance(0.5)
    last = bench.state.command_seq
    bench.restart_host()
    bench.hello()
    bench.advance(0.1)
    assert bench.wish(Wish.RESET) is Reason.NONE
    bench.follow(0.5, 0.0, seconds=0.05)
    assert bench.mode is Mode.ACTIVE
    assert bench.state.command_seq < last


def test_a_command_half_the_numbers_ahead_is_older(bench):
    bench.fly(0.5, 0.0)
    bench.wanted = None
    bench.advance(0.02)
    payload = pack("command", values=(1.5, 0.0), stamped_us=bench.now_us)
    seq = (bench.state.command_seq + 0x8000) & 0xFFFF
    bench.send_bytes(encode_frame(BY_NAME["command"].id, seq, payload))
    bench.advance(0.05)
    assert bench.state.setpoint[0] == 0.5
    assert bench.counters().refused == 1


def test_a_command_that_was_overtaken_is_refused(bench):
    bench.fly(0.5, 0.0)
    bench.wanted = None
    payload = pack("command", values=(1.5, 0.0), stamped_us=bench.now_us)
    overtaken = encode_frame(BY_NAME["command"].id, bench.state.command_seq, payload)
    bench.command(0.5, 0.0)
    bench.send_bytes(overtaken)
    bench.advance(0.05)
    assert bench.state.setpoint[0] == 0.5
    assert bench.counters().refused == 1


@pytest.mark.parametrize("mode", [Mode.DISARMED, Mode.PROTECTIVE_STOP, Mode.ESTOP])
def test_no_command_moves_it_unless_it_is_armed(bench, mode):
    if mode is Mode.DISARMED:
        bench.prepare()
    else:
        bench.fly(0.5, 0.0)
        bench.wish(Wish.STOP if mode is Mode.PROTECTIVE_STOP else Wish.ESTOP)
    bench.follow(1.5, 1.0, seconds=0.2)
    assert bench.mode is mode
    assert bench.plant.values == pytest.approx([0.5, 0.0], abs=1e-3)


# first commands


FAR = 1.0  # rad from where it is


def test_a_first_command_far_away_is_approached_slowly_and_later_ones_are_not(bench):
    bench.axes = watched(max_jump=0.2, ramp_per_s=0.4)
    bench.arm()
    bench.follow(0.5 + FAR, 0.0, seconds=FAR / 0.4 + 0.1)
    assert max(rates(bench)) == pytest.approx(0.4, rel=0.01)
    assert bench.state.setpoint[0] == 1.5
    bench.follow(0.5, 0.0, seconds=0.6)
    assert min(rates(bench)) == pytest.approx(-2.0, rel=0.01)
    assert bench.state.setpoint[0] == 0.5


def test_a_first_command_far_below_is_approached_slowly_to_its_end(bench):
    bench.axes = watched(max_jump=0.2, ramp_per_s=0.4)
    bench.arm()
    bench.follow(0.5 - FAR / 2, 0.0, seconds=FAR / 2 / 0.4 + 0.1)
    assert min(rates(bench)) == pytest.approx(-0.4, rel=0.01)
    assert bench.state.setpoint[0] == 0.0


def test_a_velocity_that_may_not_be_zero_starts_at_the_nearest(bench):
    bench.axes = (JOINT, replace(WHEEL, minimum=0.25, stop=math.nan))
    bench.arm()
    assert bench.state.setpoint[1] == 0.25


def test_a_ramp_that_is_faster_than_the_slew_hastens_nothing(bench):
    bench.axes = watched(max_jump=0.2, ramp_per_s=40.0)
    bench.arm()
    bench.follow(0.5 + FAR, 0.0, seconds=0.6)
    assert max(rates(bench)) == pytest.approx(2.0, rel=0.01)
    assert bench.state.setpoint[0] == 1.5


@pytest.mark.parametrize("acceleration_per_s2", [1e-3, 1e-6])
def test_an_acceleration_near_nothing_is_kept_too(bench, acceleration_per_s2):
    bench.axes = watched(acceleration_per_s2=acceleration_per_s2)
    bench.fly(0.5, 0.0)
    bench.follow(1.5, 0.0, seconds=0.4)
    moved = bench.state.setpoint[0] - 0.5
    assert 0.0 <= moved <= acceleration_per_s2 * 0.45**2 / 2


def test_a_way_of_next_to_nothing_divides_by_no_zero(bench):
    bench.axes = (JOINT, replace(WHEEL, acceleration_per_s2=1e-37))
    bench.fly(0.5, 0.0)
    bench.follow(0.5, 1e-35, seconds=0.05)
    assert bench.mode is Mode.ACTIVE
    assert 0.0 <= bench.state.setpoint[1] <= 1.01e-35


def test_a_first_command_far_away_can_be_set_to_stop_instead(bench):
    bench.told = replace(TOLD, first_command=1)
    bench.axes = watched(max_jump=0.2)
    bench.arm()
    bench.command(1.5, 0.0)
    bench.advance(0.05)
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert bench.reason is Reason.JUMP
    assert bench.state.setpoint[0] == pytest.approx(0.5)
    counted = bench.counters()
    assert (counted.commands, counted.refused) == (0, 1)


def test_a_first_command_nearby_is_no_jump_and_a_second_one_may_be_far(bench):
    bench.told = replace(TOLD, first_command=1)
    bench.axes = watched(max_jump=0.2)
    bench.arm()
    bench.follow(0.65, 1.0, seconds=0.05)
    bench.follow(1.5, 1.0, seconds=0.5)
    assert bench.mode is Mode.ACTIVE
    assert bench.state.setpoint[:2] == (1.5, 1.0)


def test_a_first_command_as_far_as_it_may_be_is_no_jump(bench):
    bench.told = replace(TOLD, first_command=1)
    bench.axes = (replace(JOINT, max_jump=0.25), replace(WHEEL, max_jump=0.25))
    bench.arm()
    assert bench.state.setpoint[0] == 0.5
    bench.follow(0.75, 1.0, seconds=0.05)  # a velocity may be any: it is not a place
    assert bench.mode is Mode.ACTIVE


def test_a_resumed_robot_starts_from_where_it_is_and_guards_its_first_command_anew(bench):
    bench.told = replace(TOLD, first_command=1)
    bench.axes = watched(max_jump=0.2)
    bench.fly(0.5, 0.0)
    bench.wanted = None
    bench.advance(0.2)
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert bench.wish(Wish.RESET) is Reason.NONE
    assert bench.mode is Mode.ARMED
    bench.command(1.5, 0.0)
    bench.advance(0.05)
    assert bench.reason is Reason.JUMP


def test_resuming_takes_what_is_measured_as_the_setpoint(bench):
    bench.fly(0.5, 0.0)
    bench.wish(Wish.STOP)
    bench.wanted = None
    bench.fail("actuator:off")  # it does not hold, and the world moves it
    bench.plant.values[0] = 0.52
    bench.advance(0.03)
    assert bench.state.setpoint[0] == 0.5
    assert bench.wish(Wish.RESET) is Reason.NONE
    assert bench.mode is Mode.ARMED
    assert bench.state.setpoint[0] == pytest.approx(0.52)


# stops and what they do


def test_without_commands_it_stops_in_time_and_stays_stopped_when_they_return(bench):
    bench.fly(0.5, 0.0)
    bench.wanted = None
    waited_s = bench.advance_until(lambda: bench.mode is Mode.PROTECTIVE_STOP)
    assert 0.1 - 0.02 <= waited_s <= 0.1 + LATE_S  # commands come every 10 ms, drives every 5
    assert bench.reason is Reason.WATCHDOG
    bench.follow(1.5, 0.0, seconds=0.3)
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert bench.state.setpoint[0] == 0.5
    counted = bench.counters()
    assert (counted.watchdogs, counted.stops) == (1, 1)


def test_an_armed_robot_waits_for_its_first_command(bench):
    bench.arm()
    bench.advance(0.5)
    assert bench.mode is Mode.ARMED


def test_a_host_whose_heart_stops_is_noticed(bench):
    bench.arm()
    bench.beats = False
    waited_s = bench.advance_until(lambda: bench.mode is Mode.PROTECTIVE_STOP)
    assert 0.5 - 0.06 <= waited_s <= 0.5 + LATE_S
    assert bench.reason is Reason.HEARTBEAT


def stopping(bench, reaction, **limits):
    """On its way at 2 rad/s and 1 m/s, then without commands."""
    bench.told = replace(TOLD, reaction=reaction)
    bench.axes = watched(**limits)
    bench.fly(0.5, 0.0)
    bench.follow(2.0, 1.0, seconds=0.4)
    bench.wanted = None
    bench.advance_until(lambda: bench.mode is Mode.PROTECTIVE_STOP)


def test_hold_freezes_positions_at_once_brakes_velocities_and_keeps_torque(bench):
    stopping(bench, Reaction.HOLD, acceleration_per_s2=5.0)
    at = bench.state.setpoint[0]
    bench.advance(0.3)
    assert bench.state.setpoint[:2] == (at, 0.0)
    assert min(rates(bench, 1)) == pytest.approx(-4.0, rel=0.01)
    assert bench.state.torque


def test_decelerate_comes_to_rest_within_its_limits(bench):
    stopping(bench, Reaction.DECELERATE, acceleration_per_s2=5.0)
    bench.said["telemetry"] = bench.said["telemetry"][-1:]
    bench.advance(0.6)
    turning, driving = rates(bench, 0), rates(bench, 1)
    assert turning[0] > 1.0
    assert min(b - a for a, b in itertools.pairwise(turning)) >= -5.0 * 0.01 * 1.02
    assert turning[-1] == driving[-1] == 0.0
    assert min(driving) == pytest.approx(-4.0, rel=0.01)
    assert bench.state.setpoint[1] == 0.0
    assert bench.state.torque


def test_decelerate_without_an_acceleration_stops_a_position_at_once(bench):
    stopping(bench, Reaction.DECELERATE)
    at = bench.state.setpoint[0]
    bench.advance(0.3)
    assert bench.state.setpoint[:2] == (at, 0.0)


def test_limp_lets_go(bench):
    stopping(bench, Reaction.LIMP)
    assert not bench.state.torque
    bench.advance(0.2)
    assert not bench.plant.torque
    assert bench.plant.values[1] == pytest.approx(0.0, abs=1e-3)


def test_land_goes_down_slowly_and_then_lets_go(bench):
    bench.told = replace(TOLD, reaction=Reaction.LAND, land_axis=0, land_per_s=1.0)
    bench.axes = watched(minimum=0.0)
    bench.fly(0.5, 0.0)
    bench.follow(0.5, 1.0, seconds=0.3)
    bench.wanted = None
    bench.advance_until(lambda: bench.mode is Mode.PROTECTIVE_STOP)
    bench.said["telemetry"] = bench.said["telemetry"][-1:]
    waited_s = bench.advance_until(lambda: not bench.state.torque)
    assert waited_s == pytest.approx(0.5, abs=LATE_S)
    assert min(rates(bench)) == pytest.approx(-1.0, rel=0.01)
    assert bench.state.setpoint[1] == 0.0
    bench.advance(0.1)
    assert bench.plant.values == pytest.approx([0.0, 0.0], abs=0.02)
    assert bench.mode is Mode.PROTECTIVE_STOP


def test_a_stopped_robot_is_reset_to_armed_or_disarmed(bench):
    bench.fly(0.5, 0.0)
    assert bench.wish(Wish.STOP) is Reason.NONE
    assert (bench.mode, bench.reason) == (Mode.PROTECTIVE_STOP, Reason.REQUESTED)
    bench.wanted = None
    assert bench.wish(Wish.ARM) is Reason.WRONG_MODE
    assert bench.wish(Wish.RESET) is Reason.NONE
    assert (bench.mode, bench.reason) == (Mode.ARMED, Reason.NONE)
    assert bench.wish(Wish.STOP) is Reason.NONE
    assert bench.wish(Wish.DISARM) is Reason.NONE
    assert (bench.mode, bench.reason) == (Mode.DISARMED, Reason.NONE)


def test_an_unwell_robot_is_not_reset(bench):
    bench.fly(0.5, 0.0)
    bench.wish(Wish.STOP)
    bench.fail("sensor:off")
    bench.advance(0.1)
    assert bench.wish(Wish.RESET) is Reason.SENSOR_LOST
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert bench.reason is Reason.REQUESTED


def reach(bench, mode):
    """From power-up to a mode."""
    if mode is Mode.BOOT:
        bench.hello()
    elif mode is Mode.DISARMED:
        bench.prepare()
    elif mode is Mode.ARMED:
        bench.arm()
    else:
        bench.fly(0.5, 0.0)
    if mode is Mode.PROTECTIVE_STOP:
        bench.wish(Wish.STOP)
    if mode is Mode.ESTOP:
        bench.wish(Wish.ESTOP)
    assert bench.mode is mode


@pytest.mark.parametrize("mode", list(Mode), ids=lambda mode: mode.name)
def test_an_emergency_stop_takes_the_torque_at_once_in_every_mode_and_stays(bench, mode):
    reach(bench, mode)
    assert bench.wish(Wish.ESTOP) is Reason.NONE
    assert (bench.mode, bench.reason) == (Mode.ESTOP, Reason.REQUESTED)
    assert not bench.plant.torque
    for wish in (Wish.ARM, Wish.DISARM):
        assert bench.wish(wish) is Reason.WRONG_MODE
    assert bench.wish(Wish.STOP) is Reason.NONE
    bench.follow(1.5, 1.0, seconds=0.2)
    assert bench.mode is Mode.ESTOP
    assert not bench.plant.torque
    assert bench.wish(Wish.RESET) is Reason.NONE
    assert bench.mode is (Mode.BOOT if mode is Mode.BOOT else Mode.DISARMED)
    assert not bench.plant.torque
    assert bench.counters().stops == (2 if mode is Mode.PROTECTIVE_STOP else 1)


# who is engaged


def test_a_host_that_thinks_it_is_not_engaged_is_noticed_at_the_third_heartbeat(bench):
    bench.arm()
    bench.beats = False
    for mode in (Mode.DISARMED, Mode.PROTECTIVE_STOP, Mode.ARMED, Mode.DISARMED, Mode.ESTOP):
        bench.send("heartbeat", mode=mode)
        bench.advance(0.02)
    assert bench.mode is Mode.ARMED
    bench.send("heartbeat", mode=Mode.DISARMED)
    bench.advance(0.02)
    assert (bench.mode, bench.reason) == (Mode.PROTECTIVE_STOP, Reason.MISMATCH)
    assert bench.counters().mismatches == 5


def test_nobody_can_disagree_with_a_controller_that_knows_no_robot_yet(bench):
    bench.believed = Mode.ACTIVE
    bench.hello()
    bench.advance(0.3)
    assert bench.counters().mismatches == 0


def test_a_host_that_thinks_it_is_engaged_and_is_not_is_counted(bench):
    bench.prepare()
    before = bench.counters().mismatches
    bench.believed = Mode.ACTIVE
    bench.advance(0.3)
    assert bench.mode is Mode.DISARMED
    assert bench.counters().mismatches > before


# monitors: what is seen, in which time


def spoil_actuators(word):
    return lambda bench: bench.fail(f"actuator:{word}")


def spoil_sensors(word):
    return lambda bench: bench.fail(f"sensor:{word}")


FAULTY = [
    pytest.param(spoil_sensors("off"), {}, Reason.SENSOR_LOST, id="sensor off"),
    pytest.param(spoil_sensors("delayed"), {}, Reason.SENSOR_LOST, id="sensor delayed"),
    pytest.param(spoil_sensors("intermittent"), {}, Reason.SENSOR_LOST, id="sensor intermittent"),
    pytest.param(unknowing, {}, Reason.SENSOR_RANGE, id="sensor not finite"),
    pytest.param(spoil_sensors("stuck"), {}, Reason.SENSOR_STUCK, id="sensor stuck"),
    pytest.param(spoil_sensors("garbage"), {}, Reason.SENSOR_GARBAGE, id="sensor garbage"),
    pytest.param(spoil_sensors("wrong"), {}, Reason.SENSOR_GARBAGE, id="sensor wrong"),
    pytest.param(spoil_sensors("slow"), {"max_following": 0.2}, Reason.FOLLOWING, id="sensor slow"),
    pytest.param(
        spoil_actuators("slow"), {"max_following": 0.2}, Reason.FOLLOWING, id="actuator slow"
    ),
    pytest.param(
        spoil_actuators("delayed"), {"max_following": 0.2}, Reason.FOLLOWING, id="actuator delayed"
    ),
    pytest.param(
        spoil_actuators("wrong"), {"max_following": 0.2}, Reason.FOLLOWING, id="actuator wrong"
    ),
    pytest.param(spoil_actuators("off"), {}, Reason.SENSOR_STUCK, id="actuator off"),
    pytest.param(
        spoil_actuators("stuck"), {"max_following": 0.2}, Reason.FOLLOWING, id="actuator stuck"
    ),
    pytest.param(
        spoil_actuators("garbage"), {"max_speed": 3.0}, Reason.SENSOR_GARBAGE, id="actuator garbage"
    ),
    pytest.param(strained, {"max_effort": 5.0}, Reason.EFFORT, id="effort"),
    pytest.param(weak, {}, Reason.VOLTAGE, id="voltage"),
    pytest.param(hot, {}, Reason.TEMPERATURE, id="temperature"),
]


@pytest.mark.parametrize(("spoil", "limits", "says"), FAULTY)
def test_a_fault_in_motion_stops_the_robot_within_150_ms(bench, spoil, limits, says):
    bench.told = replace(TOLD, min_voltage_v=10.0, max_temperature_c=50.0)
    bench.axes = watched(**limits)
    bench.fly(0.5, 0.0)
    bench.follow(2.0, 0.0, seconds=0.1)
    spoil(bench)
    waited_s = bench.advance_until(lambda: bench.mode is Mode.PROTECTIVE_STOP)
    assert bench.reason is says
    assert waited_s <= 0.15 + 0.1 * (says is Reason.FOLLOWING) + LATE_S


WITHOUT_TRUST = [
    pytest.param(lambda bench: bench.fail("sensor:off"), id="sensor off"),
    pytest.param(lambda bench: bench.fail("sensor:garbage"), id="sensor garbage"),
    pytest.param(unknowing, id="sensor not finite"),
]


@pytest.mark.parametrize("reaction", [Reaction.HOLD, Reaction.DECELERATE, Reaction.LIMP])
@pytest.mark.parametrize("spoil", WITHOUT_TRUST)
def test_a_robot_that_does_not_feel_where_it_is_lets_go(bench, spoil, reaction):
    bench.told = replace(TOLD, reaction=reaction)
    bench.fly(0.5, 0.0)
    spoil(bench)
    bench.advance(0.1)
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert not bench.state.torque
    counted = bench.counters()
    assert (counted.stops, counted.sensor_faults) == (1, 1)


@pytest.mark.parametrize("spoil", WITHOUT_TRUST)
def test_a_stop_that_loses_its_sensors_lets_go(bench, spoil):
    bench.fly(0.5, 0.0)
    bench.wish(Wish.STOP)
    assert bench.state.torque
    spoil(bench)
    bench.advance(0.1)
    assert not bench.state.torque
    assert bench.reason is Reason.REQUESTED
    counted = bench.counters()
    assert (counted.stops, counted.sensor_faults) == (1, 1)


def test_a_stop_that_is_pushed_away_lets_go(bench):
    bench.axes = watched(max_following=0.2)
    bench.fly(0.5, 0.0)
    bench.wish(Wish.STOP)
    bench.fail("actuator:wrong")
    bench.advance(0.25)
    assert not bench.state.torque
    assert bench.reason is Reason.REQUESTED
    assert bench.counters().sensor_faults == 0


def test_a_stop_for_strain_keeps_what_it_holds(bench):
    bench.axes = watched(max_effort=5.0)
    bench.fly(0.5, 0.0)
    strained(bench)
    bench.advance(0.3)
    assert bench.reason is Reason.EFFORT
    assert bench.state.torque
    assert bench.counters().sensor_faults == 0


@pytest.mark.parametrize("spoil", WITHOUT_TRUST)
def test_a_landing_goes_on_without_sensors(bench, spoil):
    bench.told = replace(TOLD, reaction=Reaction.LAND, land_axis=0, land_per_s=1.0)
    bench.axes = watched(minimum=0.0)
    bench.fly(0.5, 0.0)
    spoil(bench)
    bench.advance(0.2)
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert bench.state.torque
    bench.advance_until(lambda: not bench.state.torque)
    assert min(rates(bench)) == pytest.approx(-1.0, rel=0.01)
    assert bench.counters().sensor_faults == 1


def test_a_robot_that_moves_faster_than_it_may_is_stopped(bench):
    axes = (replace(JOINT, max_speed=1.0), WHEEL)
    bench.axes = axes
    bench.fly(0.5, 0.0)
    bench.follow(2.0, 0.0)
    bench.advance_until(lambda: bench.mode is Mode.PROTECTIVE_STOP)
    assert bench.reason is Reason.SPEED


def test_a_velocity_that_is_greater_than_it_may_be_is_stopped(bench):
    bench.axes = (JOINT, replace(WHEEL, max_speed=0.5))
    bench.fly(0.5, 0.0)
    bench.follow(0.5, -0.45, seconds=0.3)
    assert bench.mode is Mode.ACTIVE
    bench.follow(0.5, -0.6, seconds=0.3)
    assert bench.reason is Reason.SPEED


def test_limits_that_are_just_kept_stop_nothing(bench):
    bench.told = replace(TOLD, min_voltage_v=12.0, max_temperature_c=30.0)
    bench.axes = (
        replace(JOINT, max_speed=2.1, max_following=0.06, max_effort=5.0),
        replace(WHEEL, max_speed=1.01),
    )
    bench.fly(0.5, 0.0)
    bench.follow(-1.5, 1.0, seconds=1.2)
    bench.follow(2.0, -1.0, seconds=2.0)
    assert bench.mode is Mode.ACTIVE
    assert bench.plant.values == pytest.approx([2.0, -1.0], abs=1e-3)


def test_a_deviation_that_ends_in_time_stops_nothing(bench):
    bench.axes = watched(max_following=0.05)
    bench.fly(0.5, 0.0)
    for _ in range(10):
        bench.plant.values[0] = 0.6  # 14 ms until it is back within 0.05
        bench.advance(0.05)
    assert bench.mode is Mode.ACTIVE


def sense(bench, age_us, values=(0.5, 0.0), seq=0):
    """A packet of the plant's that is not the emulated one's."""
    fields = {"efforts": (0.0, 0.0), "voltage_v": 12.0, "temperature_c": 30.0}
    payload = pack("sense", time_us=bench.now_us - age_us, values=values, **fields)
    return encode_frame(BY_NAME["sense"].id, seq, payload)


def test_what_sensors_say_of_the_future_is_garbage(bench):
    bench.fly(0.5, 0.0)
    bench.rig.sensed = sense(bench, age_us=-50_000)
    bench.advance(0.03)
    assert bench.reason is Reason.SENSOR_GARBAGE


def test_what_sensors_said_before_is_no_news(bench):
    bench.fly(0.5, 0.0)
    for _ in range(5):
        bench.rig.sensed = sense(bench, age_us=12_000, values=(1.9, 0.9))
        bench.advance(0.01)
    assert bench.mode is Mode.ACTIVE
    assert max(one.measured[0] for one in bench.said["telemetry"][-3:]) < 0.6


def test_without_torque_bad_sensors_stop_nothing(bench):
    bench.prepare()
    bench.fail("sensor:garbage")
    bench.advance(0.2)
    assert bench.mode is Mode.DISARMED
    counted = bench.counters()
    assert (counted.stops, counted.sensor_faults) == (0, 0)


def test_telemetry_says_what_is_measured(bench):
    bench.prepare()
    bench.plant.values[:] = [1.25, -0.5]
    bench.plant.load[:] = [2.0, 0.0]
    bench.plant.voltage_v, bench.plant.temperature_c = 11.5, 44.0
    bench.advance(0.03)
    assert bench.state.measured[0] == 1.25
    assert bench.state.effort[0] == 2.0
    assert (bench.state.voltage_v, bench.state.temperature_c) == (11.5, 44.0)


def test_telemetry_comes_at_100_hz_counters_at_2_hz_and_drives_at_200_hz(bench):
    bench.prepare()
    before = {name: len(bench.said[name]) for name in ("telemetry", "counters")}
    bench.advance(2.0)
    assert len(bench.said["telemetry"]) - before["telemetry"] == pytest.approx(200, abs=2)
    assert len(bench.said["counters"]) - before["counters"] == pytest.approx(4, abs=1)
    told = bench.said["telemetry"][-100:]
    steps = {b.time_us - a.time_us for a, b in itertools.pairwise(told)}
    assert max(abs(step - 10_000) for step in steps) <= 1_000


def test_it_tells_its_time(bench):
    bench.hello()
    bench.send("time_request", host_us=123)
    bench.advance(0.01)
    [reply] = bench.said["time_reply"]
    assert reply.host_us == 123
    assert bench.now_us - 15_000 <= reply.received_us <= reply.sent_us <= bench.now_us


# restarts


@pytest.mark.parametrize("mode", [Mode.ARMED, Mode.ACTIVE], ids=lambda mode: mode.name)
def test_a_host_that_was_restarted_finds_a_stopped_robot_and_can_start_anew(bench, mode):
    reach(bench, mode)
    bench.restart_host()
    bench.hello()
    assert bench.said["identity"][-1].mode == Mode.PROTECTIVE_STOP
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert bench.reason is Reason.RESTARTED
    assert bench.configure() == [Reason.WRONG_MODE] * 3
    assert bench.wish(Wish.DISARM) is Reason.NONE
    assert bench.configure() == [Reason.NONE] * 3
    bench.advance(0.1)
    assert bench.wish(Wish.ARM) is Reason.NONE
    bench.follow(1.0, 0.0, seconds=0.1)  # though its frames count from 0 again
    assert bench.mode is Mode.ACTIVE


def test_a_host_with_another_table_of_packets_stops_what_moves_and_is_not_obeyed(bench):
    bench.fly(0.5, 0.0)
    bench.wanted = None
    bench.hello(schema_hash=SCHEMA_HASH ^ 1)
    assert bench.said["identity"][-1].mode == Mode.PROTECTIVE_STOP
    told = len(bench.said["telemetry"])
    bench.send("wish", wish=Wish.RESET)
    bench.advance(0.2)
    assert len(bench.said["telemetry"]) == told
    bench.hello()
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert bench.reason is Reason.RESTARTED


def test_a_hello_to_a_stopped_robot_changes_nothing(bench):
    bench.fly(0.5, 0.0)
    bench.wish(Wish.STOP)
    bench.hello()
    assert (bench.mode, bench.reason) == (Mode.PROTECTIVE_STOP, Reason.REQUESTED)
    assert bench.counters().stops == 1


@pytest.mark.parametrize("mode", [Mode.ACTIVE, Mode.ESTOP], ids=lambda mode: mode.name)
def test_a_controller_that_loses_power_in_mid_flight_comes_back_silent_and_without_torque(
    bench, mode
):
    reach(bench, mode)
    bench.advance(0.8)
    uptime_us = bench.now_us
    bench.rig.power_cycle()
    bench.restart_host()
    bench.follow(1.5, 1.0, seconds=0.3)
    assert not any(bench.said.values())
    assert not bench.plant.torque
    assert bench.plant.values == pytest.approx([0.5, 0.0], abs=1e-3)
    bench.prepare()
    assert bench.said["identity"][-1].uptime_us < uptime_us


# what a wire repeats


def test_a_wish_that_a_wire_repeats_is_not_granted_again_unless_it_stops(bench):
    bench.arm()
    bench.wish(Wish.STOP)
    reset = bench.send("wish", wish=Wish.RESET)
    bench.advance(0.05)
    assert bench.mode is Mode.ARMED
    stop = bench.send("wish", wish=Wish.STOP)
    bench.advance(0.05)
    bench.send_bytes(reset)
    bench.advance(0.05)
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert bench.wish(Wish.RESET) is Reason.NONE
    bench.send_bytes(stop)
    bench.advance(0.05)
    assert bench.mode is Mode.PROTECTIVE_STOP
    emergency = bench.send("wish", wish=Wish.ESTOP)
    bench.advance(0.05)
    bench.wish(Wish.RESET)
    bench.send_bytes(emergency)
    bench.advance(0.05)
    assert bench.mode is Mode.ESTOP
    assert bench.counters().refused == 1


def test_a_heartbeat_that_a_wire_repeats_keeps_nobody_alive(bench):
    bench.arm()
    bench.beats = False
    heartbeat = bench.send("heartbeat", mode=Mode.ARMED)
    for _ in range(60):
        bench.send_bytes(heartbeat)
        bench.advance(0.01)
    assert bench.reason is Reason.HEARTBEAT
    assert bench.counters().refused == 60


# what is counted


def test_whole_lost_damaged_and_unknown_frames_are_counted(bench):
    bench.prepare()
    bench.beats = False
    bench.advance(0.01)
    before = bench.counters()
    bench._encoder.encode(1, b"")
    bench._encoder.encode(1, b"")  # two frames that never arrive
    bench.send("heartbeat", mode=Mode.DISARMED)
    damaged = bytearray(encode_frame(BY_NAME["heartbeat"].id, 9, b"\x01"))
    damaged[4] ^= 0x10  # the payload
    bench.send_bytes(bytes(damaged))
    bench.send_bytes(b"\x01\x02\x00" + b"\x05" * 300 + b"\x00")
    bench.send_bytes(bench._encoder.encode(200, b"what"))  # no such packet
    bench.send_bytes(bench._encoder.encode(BY_NAME["wish"].id, b"\x02\x02"))  # no such length
    bench.send_bytes(bench._encoder.encode(BY_NAME["drive"].id, bytes(41)))  # not to a controller
    telemetry = pack("verdict", about=1, index=0, reason=0, mode=0)
    bench.send_bytes(bench._encoder.encode(BY_NAME["verdict"].id, telemetry))
    after = bench.counters()
    assert after.lost - before.lost == 2
    assert after.crc_errors - before.crc_errors == 1
    assert after.framing_errors - before.framing_errors == 2
    assert after.unknown - before.unknown == 4
    assert bench.mode is Mode.DISARMED


@pytest.mark.parametrize("word", ["off", "stuck", "garbage", "wrong", "slow", "delayed"])
def test_a_bad_link_stops_the_robot_by_the_watchdog_and_never_moves_it_otherwise(bench, word):
    bench.told = replace(TOLD, max_command_age_ms=100)
    bench.fly(0.5, 0.0)
    bench.follow(0.5, 0.0, seconds=0.1)
    bench.fail(f"link:{word}")
    bench.advance(0.4)
    bench.link_faults["back"].passes = lambda item, now_us: [item]  # only to read what became of it
    bench.advance(0.05)
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert bench.reason is Reason.WATCHDOG
    assert bench.plant.values == pytest.approx([0.5, 0.0], abs=1e-3)
