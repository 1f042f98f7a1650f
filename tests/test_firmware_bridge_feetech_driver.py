"""The driver of servo arms against emulated servos, in virtual time: nothing waits but `open`."""

from dataclasses import replace

import numpy as np
import pytest
from feetech_rig import CALIBRATION, LIMITS, MS, START, START_VALUES, TICK_NS, Rig
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.axis_limits import Limits
from firmware_bridge.driver import make_driver
from firmware_bridge.emulators.feetech_servo import ServoFault
from firmware_bridge.errors import (
    BridgeInputError,
    CalibrationError,
    LinkTableError,
    ServoError,
)
from firmware_bridge.feetech import registers as r
from firmware_bridge.feetech.bus import sync_write
from firmware_bridge.safety_words import Mode, Wish

STEP = 1.01 * r.RAD_PER_STEP
NAMES = [joint.name for joint in CALIBRATION.joints]


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


@pytest.fixture
def opened(rig):
    rig.driver.open(rig.now_ns)
    return rig


@pytest.fixture
def armed(opened):
    assert opened.ask(Wish.ARM).mode is Mode.ARMED
    return opened


@pytest.fixture
def active(armed):
    assert armed.tick(START_VALUES).mode is Mode.ACTIVE
    return armed


def ready(folder, **options):
    """An arm that is armed, with other options."""
    rig = Rig(folder, **options)
    rig.driver.open(rig.now_ns)
    assert rig.ask(Wish.ARM).mode is Mode.ARMED
    return rig


# opening


def test_opening_tells_where_the_arm_is_and_moves_nothing(opened):
    state = opened.driver.read(opened.now_ns)
    assert state.mode is Mode.DISARMED
    np.testing.assert_allclose(state.measured, START_VALUES, atol=1e-9)
    np.testing.assert_allclose(state.values, START_VALUES, atol=1e-9)
    assert opened.torques() == [False] * 3
    assert opened.positions() == list(START)


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (
            lambda servo: servo.faults.add(ServoFault.SILENT),
            ServoError,
            "servo 2 .elbow. is silent",
        ),
        (lambda servo: servo.put(r.MODEL, 1284), ServoError, "servo 2 .elbow. is of model 1284"),
        (lambda servo: servo.put(r.OPERATING_MODE, 1), ServoError, "mode 1, not in position mode"),
        (
            lambda servo: servo.put(r.HOMING_OFFSET, 7),
            ServoError,
            "offset 7, the calibration says -500",
        ),
    ],
)
def test_a_servo_that_is_not_the_one_calibrated_is_refused_in_one_line(rig, spoil, error, says):
    spoil(rig.servo("elbow"))
    with pytest.raises(error, match=says) as refused:
        rig.driver.open(rig.now_ns)
    assert "\n" not in str(refused.value)
    assert rig.port.closed
    assert rig.now_ns <= (1_000 + 1_000 + 20) * MS  # open_timeout_s
    assert rig.driver.read(rig.now_ns).mode is Mode.BOOT


def test_a_port_without_servos_is_told_apart_from_a_silent_servo(rig):
    for servo in rig.bus.servos.values():
        servo.faults.add(ServoFault.SILENT)
    with pytest.raises(ServoError, match="no servo answers: is the arm powered"):
        rig.driver.open(rig.now_ns)


def test_a_servo_with_anothers_id_is_not_taken_for_it(rig):
    rig.servo("shoulder").faults.add(ServoFault.WRONG_ID)
    rig.servo("shoulder").impostor_id = 2
    with pytest.raises(ServoError, match="is silent"):
        rig.driver.open(rig.now_ns)


def test_where_a_servo_is_that_goes_silent_while_opening_is_unknown(rig):
    wait = rig._pause

    def pause():
        if rig.bus.counters["packets"] == 1 and not rig.bus.answering:  # it has said who it is
            rig.servo("elbow").faults.add(ServoFault.SILENT)
        return wait()

    rig._pause = pause
    rig.driver = rig.new_driver()
    rig.driver.open(rig.now_ns)
    state = rig.driver.read(rig.now_ns)
    assert np.isnan(state.measured).tolist() == [False, True, False]
    np.testing.assert_allclose(state.values, [START_VALUES[0], 0.0, 0.5], atol=1e-9)
    rig.driver.request(Wish.ARM, rig.now_ns)
    assert "silent_elbow_2" in rig.driver.read(rig.now_ns).faults


def test_before_opening_wishes_and_commands_are_refused(rig):
    rig.driver.send(START_VALUES, 0)
    state = rig.driver.read(0)
    assert state.faults == ("wrong_mode",)
    assert state.values.tolist() == [0.0, 0.0, 0.5]
    rig.driver.request(Wish.ARM, 0)
    state = rig.driver.read(0)
    assert (state.mode, state.faults) == (Mode.BOOT, ("arm_refused_not_configured",))


# arming


def test_arming_waits_for_a_wish_and_moves_no_joint_whatever_its_old_goal_was(opened):
    for servo in opened.bus.servos.values():
        servo.put(r.GOAL_POSITION, 1000)
    states = opened.run(10, START_VALUES)
    assert {state.mode for state in states} == {Mode.DISARMED}
    assert opened.torques() == [False] * 3
    opened.driver.request(Wish.ARM, opened.now_ns)
    modes = [state.mode for state in opened.run(50)]
    assert modes.index(Mode.ARMED) <= 4
    assert set(modes[4:]) == {Mode.ARMED}
    assert opened.torques() == [True] * 3
    np.testing.assert_allclose(opened.positions(), START, atol=1)


def test_an_arm_that_is_moved_by_hand_meanwhile_is_armed_where_it_is(opened):
    opened.driver.request(Wish.ARM, opened.now_ns)
    opened.servo("elbow").encoder_steps += 200  # 18 degrees after the goals were given
    state = opened.run(10)[-1]
    assert state.mode is Mode.ARMED
    assert opened.servo("elbow").position_steps == pytest.approx(START[1] + 200, abs=1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ServoFault.SILENT, ("arm_refused_sensor_lost", "silent_elbow_2")),
        (ServoFault.OVERHEATED, ("arm_refused_temperature", "temperature_elbow_2")),
        (ServoFault.UNDER_VOLTAGE, ("arm_refused_voltage", "voltage_elbow_2")),
    ],
)
def test_arming_is_refused_while_a_servo_is_not_well_and_the_servo_is_named(opened, fault, words):
    opened.servo("elbow").faults.add(fault)
    opened.run(10)
    opened.driver.request(Wish.ARM, opened.now_ns)
    state = opened.driver.read(opened.now_ns)
    assert state.faults[:2] == words
    assert opened.run(10)[-1].mode is Mode.DISARMED
    assert opened.torques() == [False] * 3


def test_arming_is_refused_outside_the_limits(opened):
    opened.servo("shoulder").encoder_steps += 900  # 1.53 rad; the limit is 1.0
    opened.run(10)
    opened.driver.request(Wish.ARM, opened.now_ns)
    assert opened.driver.read(opened.now_ns).faults == ("arm_refused_outside",)
    opened.run(10)
    assert opened.torques() == [False] * 3


def test_a_servo_that_takes_no_torque_is_named_and_the_others_let_go(opened, monkeypatch):
    elbow = opened.servo("elbow")
    write = elbow.write
    monkeypatch.setattr(
        elbow, "write", lambda at, data: None if at == r.TORQUE_ENABLE.address else write(at, data)
    )
    opened.driver.request(Wish.ARM, opened.now_ns)
    faults = [word for state in opened.run(40) for word in state.faults]
    assert faults == ["arm_refused_mismatch", "no_torque_elbow_2"]
    assert opened.torques() == [False] * 3


@pytest.mark.parametrize("ticks", [0, 1, 2])
def test_a_stop_ends_an_arming_under_way(opened, ticks):
    opened.driver.request(Wish.ARM, opened.now_ns)
    opened.run(ticks)
    opened.driver.request(Wish.STOP, opened.now_ns)
    states = opened.run(20)
    assert "arm_refused_requested" in states[0].faults
    assert {state.mode for state in states} == {Mode.DISARMED}
    assert opened.torques() == [False] * 3


def test_a_stop_ends_a_reset_under_way_and_the_arm_goes_on_holding(active):
    active.driver.stop(active.now_ns)
    active.run(5)
    active.driver.request(Wish.RESET, active.now_ns)
    active.driver.request(Wish.STOP, active.now_ns)
    assert {state.mode for state in active.run(20)} == {Mode.PROTECTIVE_STOP}
    assert active.torques() == [True] * 3


def test_asking_to_arm_over_and_over_does_not_put_off_giving_up(opened, monkeypatch):
    elbow = opened.servo("elbow")
    write = elbow.write
    monkeypatch.setattr(
        elbow, "write", lambda at, data: None if at == r.TORQUE_ENABLE.address else write(at, data)
    )
    words = []
    for _ in range(28):
        opened.driver.request(Wish.ARM, opened.now_ns)
        words += opened.tick().faults
    assert words.count("arm_refused_mismatch") == 1
    opened.run(5)
    opened.driver.request(Wish.STOP, opened.now_ns)
    opened.run(5)
    assert opened.torques() == [False] * 3


# following


def test_a_command_is_followed_within_slew_and_reached(active):
    before = active.driver.read(active.now_ns).values
    goal = START_VALUES + np.array([0.05, -0.05, 0.04])
    for _ in range(60):
        state = active.tick(goal)
        most = np.array([2.0, 2.0, 2.0]) * TICK_NS / 1e9
        assert (np.abs(state.values - before) <= most + 1e-12).all()
        before = state.values
    assert state.faults == ()
    assert not state.stopped
    np.testing.assert_allclose(state.measured, goal, atol=2 * STEP)


def test_commands_beyond_the_range_are_clipped_and_counted(active):
    state = active.run(200, [9.0, -9.0, 9.0])[-1]
    np.testing.assert_allclose(state.values, [1.0, -1.2, 1.0])
    assert state.counters["clipped"] == 200
    assert active.servo("gripper").position_steps <= 3300


def test_a_first_command_far_away_is_approached_slowly_then_slew_holds_again(armed):
    far = [-0.9, 0.9, 0.0]  # more than a twentieth of the ranges away
    before = armed.driver.read(armed.now_ns).values
    speeds = []
    for _ in range(300):
        after = armed.tick(far).values
        speeds.append(np.abs(after - before) / (TICK_NS / 1e9))
        before = after
    np.testing.assert_allclose(np.max(speeds, axis=0), [0.5, 0.5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(before, far)
    after = armed.tick([0.0, 0.0, 0.0]).values
    assert np.abs(after - before)[0] == pytest.approx(2.0 * TICK_NS / 1e9)


@pytest.mark.parametrize(("away", "per_s"), [(0.099, 2.0), (0.101, 0.5)])
def test_far_is_more_than_a_twentieth_of_the_range_unless_the_axis_says_otherwise(
    armed, away, per_s
):
    goal = START_VALUES + np.array([away, 0.0, 0.0])
    first, second = (state.values[0] for state in armed.run(2, goal))
    assert second - first == pytest.approx(per_s * TICK_NS / 1e9, abs=1e-9)


def test_a_joint_measured_while_a_far_first_command_is_approached_is_no_faster(armed):
    speeds, before = [], np.array(armed.positions())
    for _ in range(100):
        armed.tick([-0.9, 0.9, 0.0])
        after = np.array(armed.positions())
        speeds.append(np.abs(after - before) / (TICK_NS / 1e9))
        before = after
    per_s = np.max(speeds, axis=0) * r.RAD_PER_STEP
    assert max(per_s[:2]) < 0.5 * 1.05


def test_a_first_command_far_away_can_stop_the_arm_instead(tmp_path):
    rig = ready(tmp_path, first_command="abort")
    state = rig.tick([-0.9, 0.9, 0.0])
    assert (state.mode, state.faults) == (Mode.PROTECTIVE_STOP, ("jump",))
    rig.run(20)
    np.testing.assert_allclose(rig.positions(), START, atol=1)


def test_the_axes_own_guards_replace_the_defaults(tmp_path):
    axis = replace(
        LIMITS.axes[0],
        acceleration_per_s2=4.0,
        max_jump=1.5,
        ramp_per_s=0.3,
        max_effort=0.5,
        max_speed=3.0,
        max_following=0.2,
    )
    rig = Rig(tmp_path, Limits((axis, *LIMITS.axes[1:]), 0.5))
    rig.driver.open(rig.now_ns)
    rig.ask(Wish.ARM)
    values = [state.values[0] for state in rig.run(100, [-0.9, *START_VALUES[1:]])]  # no jump
    speeds = np.diff(values) / (TICK_NS / 1e9)
    assert min(speeds) == pytest.approx(-2.0, rel=0.05)
    assert max(np.abs(np.diff(speeds))) <= 4.0 * TICK_NS / 1e9 + 1e-9
    assert values[-1] == pytest.approx(-0.9)
    rig.servo("shoulder").faults.add(ServoFault.BLOCKED)
    tick, state = stopped(rig, 100, [-0.5, *START_VALUES[1:]])
    assert state.faults[0] == "following_shoulder_1"
    assert state.values[0] == pytest.approx(-0.9, abs=STEP)  # it stays where it is blocked
    assert tick * TICK_NS < 1000 * MS


def test_the_servos_speed_limits_follow_the_slew_of_the_axes(armed):
    speed = r.GOAL_SPEED.decode(armed.servo("elbow").memory)
    assert speed == pytest.approx(1.25 * 2.0 / r.RAD_PER_STEP, abs=1)


def test_a_command_that_is_not_finite_is_refused_and_renews_nothing(active):
    for _ in range(6):
        state = active.tick([np.nan, 0.0, 0.5])
    assert state.faults[0] == "watchdog"
    assert state.counters["refused"] == 6


def test_no_command_for_the_watchdogs_time_stops_the_arm_until_a_reset(active):
    states = active.run(6)
    assert [state.mode for state in states].count(Mode.ACTIVE) == 5  # 100 ms
    assert states[-1].faults == ("watchdog",)
    state = active.tick(START_VALUES)
    assert (state.mode, state.faults) == (Mode.PROTECTIVE_STOP, ("watchdog", "wrong_mode"))
    assert active.ask(Wish.RESET).mode is Mode.ARMED


def test_an_arm_that_rests_a_little_outside_its_limits_comes_in_no_faster_than_its_slew(opened):
    opened.servo("shoulder").encoder_steps = 2048 + 300 + 690.0  # 1.058 rad; the limit is 1.0
    opened.run(10)
    assert opened.ask(Wish.ARM).mode is Mode.ARMED
    values = [state.values[0] for state in opened.run(5, [1.5, *START_VALUES[1:]])]
    assert values[0] == pytest.approx(1.058, abs=STEP)
    assert min(np.diff(values)) == pytest.approx(-2.0 * TICK_NS / 1e9)
    assert values[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("away_ms", [90, 700])
@pytest.mark.parametrize(("mode", "words"), [("armed", ()), ("active", ("watchdog",))])
def test_a_process_that_was_away_blames_itself_and_not_the_servos(mode, words, away_ms, request):
    rig = request.getfixturevalue(mode)
    rig.now_ns += away_ms * MS
    states = rig.run(10)
    assert {state.faults for state in states} == {words}
    assert states[-1].mode is (Mode.PROTECTIVE_STOP if words else Mode.ARMED)


# guards


def stopped(rig, ticks=12, values=START_VALUES):
    """The states until the arm stops, and the last one."""
    for tick in range(ticks):
        state = rig.tick(values)
        if state.mode is not Mode.ACTIVE:
            return tick, state
    raise AssertionError("it did not stop")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ServoFault.SILENT, {"silent_elbow_2"}),
        (ServoFault.CORRUPT, {"silent_elbow_2"}),
        (ServoFault.OVERHEATED, {"temperature_elbow_2", "servo_temperature_elbow_2"}),
        (ServoFault.UNDER_VOLTAGE, {"voltage_elbow_2", "servo_voltage_elbow_2"}),
    ],
)
def test_a_servo_that_is_not_well_stops_the_arm_within_150_ms_and_is_named(active, fault, words):
    active.servo("elbow").faults.add(fault)
    tick, state = stopped(active)
    assert (tick + 1) * TICK_NS <= 150 * MS
    assert set(state.faults) & words == words
    assert state.mode is Mode.PROTECTIVE_STOP
    assert active.torques() == [True] * 3  # it holds


@pytest.mark.parametrize("fault", [ServoFault.SILENT, ServoFault.CORRUPT, ServoFault.SLOW])
def test_one_missing_answer_stops_nothing(active, fault):
    active.servo("elbow").faults.add(fault)
    active.tick(START_VALUES)
    active.servo("elbow").faults.clear()
    states = active.run(20, START_VALUES)
    assert {state.mode for state in states} == {Mode.ACTIVE}
    assert states[-1].counters["missed_elbow"] >= 1


@pytest.mark.parametrize("fault", [None, ServoFault.SILENT, ServoFault.SLOW, ServoFault.CORRUPT])
def test_no_call_of_a_tick_waits_whatever_the_servos_do(active, fault):
    if fault:
        active.servo("elbow").faults.add(fault)
    waits = active.waits
    for _ in range(50):
        active.tick(START_VALUES)
    active.driver.request(Wish.RESET, active.now_ns)
    active.driver.request(Wish.ESTOP, active.now_ns)
    active.driver.stop(active.now_ns)
    assert active.waits == waits


def test_a_servo_that_answers_as_another_is_counted_and_neither_value_is_used(active):
    shoulder, elbow = active.servo("shoulder"), active.servo("elbow")
    shoulder.faults.add(ServoFault.WRONG_ID)
    shoulder.impostor_id = elbow.id
    measured = active.driver.read(active.now_ns).measured
    states = active.run(3, START_VALUES)
    for state in states:
        np.testing.assert_array_equal(state.measured, measured)
    assert "wrong_id_2" in states[-1].faults
    assert states[-1].counters["strangers"] >= 2
    _, state = stopped(active)
    assert {"silent_shoulder_1", "silent_elbow_2"} <= set(state.faults)


def test_a_leap_that_no_joint_can_make_is_not_believed(active):
    active.servo("elbow").encoder_steps += 900
    state = active.run(2, START_VALUES)[-1]
    assert state.counters["leap_elbow"] >= 1
    np.testing.assert_allclose(state.measured, START_VALUES, atol=STEP)
    _, state = stopped(active)
    assert "silent_elbow_2" in state.faults


def test_pressing_against_something_stops_the_arm_and_the_pressing(tmp_path):
    rig = ready(tmp_path)
    rig.servo("shoulder").faults.add(ServoFault.BLOCKED)
    rig.tick(START_VALUES)
    tick, state = stopped(rig, ticks=200, values=[-0.9, START_VALUES[1], 0.5])
    assert state.faults[0] == "load_shoulder_1"
    assert state.values[0] == pytest.approx(START_VALUES[0], abs=STEP)
    rig.run(3)
    assert abs(r.PRESENT_LOAD.decode(rig.servo("shoulder").memory)) < 100
    assert tick * TICK_NS > 1000 * MS  # load_s: shorter peaks are allowed


def test_the_guard_of_the_load_stops_the_arm_before_the_servo_lets_go(tmp_path):
    """Where the guard is set aside, the servo's own word comes, and it has let go by then."""
    for guard, word, holds in (
        ({}, "load_shoulder_1", True),
        ({"max_load": 1.1}, "servo_load_shoulder_1", False),
    ):
        rig = ready(tmp_path, **guard)
        rig.tick(START_VALUES)
        rig.servo("shoulder").gravity_load = 0.9
        _, state = stopped(rig, ticks=200)
        assert state.faults[0] == word
        assert (rig.servo("shoulder").errors == 0) == holds


def test_a_torque_limit_keeps_a_gripper_that_holds_something_below_the_guard(tmp_path):
    rig = ready(tmp_path, torque_limits={"gripper": 0.5})
    rig.servo("gripper").faults.add(ServoFault.BLOCKED)
    states = rig.run(200, [*START_VALUES[:2], 0.0])
    assert states[-1].mode is Mode.ACTIVE
    assert abs(r.PRESENT_LOAD.decode(rig.servo("gripper").memory)) == 500


def test_a_servo_that_restarts_stops_the_arm_and_gets_no_goal_until_it_is_armed(active):
    elbow = active.servo("elbow")
    elbow.power_cycle()
    _, state = stopped(active)
    assert "torque_lost_elbow_2" in state.faults
    assert active.torques() == [True, False, True]
    elbow.encoder_steps += 100  # it fell
    active.run(20)
    assert not elbow.torque
    assert elbow.position_steps == START[1] + 100
    assert active.ask(Wish.RESET).mode is Mode.ARMED
    active.run(20)
    assert elbow.position_steps == pytest.approx(START[1] + 100, abs=1)


@pytest.mark.parametrize("mode", ["armed", "active"])
def test_a_port_that_is_gone_stops_the_arm_and_says_so(mode, request):
    rig = request.getfixturevalue(mode)
    rig.port.lost = True
    states = rig.run(10, START_VALUES)
    assert states[0].mode is Mode.PROTECTIVE_STOP
    assert "port_lost" in states[-1].faults
    assert np.isnan(states[-1].measured).all()
    rig.driver.request(Wish.RESET, rig.now_ns)
    assert rig.driver.read(rig.now_ns).mode is Mode.PROTECTIVE_STOP
    rig.driver.request(Wish.ESTOP, rig.now_ns)
    assert rig.driver.read(rig.now_ns).mode is Mode.ESTOP
    rig.driver.close()


# stops


def test_an_e_stop_cuts_torque_at_once_and_wants_reset_and_arming(active):
    active.now_ns += 5 * MS  # all have answered
    active.driver.request(Wish.ESTOP, active.now_ns)
    assert active.torques() == [False] * 3
    assert active.tick(START_VALUES).mode is Mode.ESTOP
    for wish in (Wish.ARM, Wish.DISARM, Wish.STOP):
        assert active.ask(wish).mode is Mode.ESTOP
    assert active.ask(Wish.RESET).mode is Mode.DISARMED
    assert active.torques() == [False] * 3
    assert active.ask(Wish.ARM).mode is Mode.ARMED


def test_an_e_stop_that_collides_with_answers_is_repeated(active):
    active.driver.send(START_VALUES, active.now_ns)
    active.now_ns += 1 * MS  # servos are answering
    active.driver.request(Wish.ESTOP, active.now_ns)
    assert active.torques() == [True] * 3
    assert active.bus.counters["collisions"] == 1
    active.run(2)
    assert active.torques() == [False] * 3


def test_nothing_but_an_e_stop_speaks_while_servos_answer(active):
    for wish in (Wish.STOP, Wish.RESET, Wish.DISARM, Wish.ARM, Wish.DISARM):
        for _ in range(200):
            active.now_ns += 700_000
            active.driver.send(START_VALUES, active.now_ns)
            active.driver.read(active.now_ns)
        active.driver.request(wish, active.now_ns)
    assert active.bus.counters["collisions"] == 0


def test_an_e_stop_that_a_servo_did_not_hear_is_repeated_until_it_did(active):
    elbow = active.servo("elbow")
    elbow.faults.add(ServoFault.SILENT)
    active.driver.request(Wish.ESTOP, active.now_ns)
    active.run(3)
    assert active.torques() == [False, True, False]
    elbow.faults.clear()
    active.run(5)
    assert active.torques() == [False] * 3


def test_a_requested_stop_holds_and_a_limp_one_lets_go(tmp_path):
    for reaction, torque in (("hold", True), ("limp", False)):
        rig = ready(tmp_path, reaction=reaction)
        rig.run(10, START_VALUES + 0.02)
        rig.driver.stop(rig.now_ns)
        state = rig.run(20, START_VALUES)[-1]
        assert state.mode is Mode.PROTECTIVE_STOP
        assert state.faults[0] == "requested"
        assert rig.torques() == [torque] * 3


def test_a_held_arm_does_not_sink_while_it_is_stopped_nor_when_it_is_reset(active):
    active.servo("shoulder").gravity_load = 0.3
    active.driver.stop(active.now_ns)
    active.run(100)
    active.ask(Wish.RESET)
    active.run(100)
    np.testing.assert_allclose(active.positions(), START, atol=1)


def test_disarming_lets_go(active):
    assert active.ask(Wish.DISARM).mode is Mode.DISARMED
    assert active.torques() == [False] * 3


# closing


@pytest.mark.parametrize(("on_exit", "falls"), [("hold", False), ("limp", True)])
def test_on_exit_says_whether_the_arm_falls_and_by_default_it_does_not(tmp_path, on_exit, falls):
    rig = ready(tmp_path, **({} if on_exit == "hold" else {"on_exit": on_exit}))
    rig.servo("shoulder").gravity_load = 0.3
    rig.tick(START_VALUES)
    rig.driver.close()
    rig.driver.close()
    assert rig.port.closed
    rig.bus.step((rig.now_ns + 1000 * MS) // 1000)
    assert (rig.positions()[0] < START[0] - 50) == falls


def test_after_an_e_stop_closing_does_not_bring_torque_back(active):
    active.driver.request(Wish.ESTOP, active.now_ns)
    active.driver.close()
    assert active.torques() == [False] * 3


def test_closing_limp_gives_up_in_bounded_time_on_a_servo_that_does_not_listen(tmp_path):
    rig = ready(tmp_path, on_exit="limp")
    rig.servo("elbow").faults.add(ServoFault.SILENT)
    before_ns = rig.now_ns
    rig.driver.close()
    assert rig.torques() == [False, True, False]
    assert rig.now_ns - before_ns <= 210 * MS


def test_a_new_process_finds_the_arm_that_the_last_one_left_holding(active):
    active.driver.close()
    active.driver = active.new_driver()
    active.driver.open(active.now_ns)
    state = active.tick()
    assert (state.mode, state.faults) == (Mode.DISARMED, ("torque_on",))
    assert active.torques() == [True] * 3
    assert active.ask(Wish.ARM).mode is Mode.ARMED
    np.testing.assert_allclose(active.positions(), START, atol=1)


# everything together

wishes = st.sampled_from([None, *Wish])
faults = st.sampled_from([None, None, *ServoFault])
joints = st.sampled_from(NAMES)
targets = st.lists(st.floats(), min_size=3, max_size=3)
events = st.tuples(wishes, faults, joints, targets, st.integers(1, 8))


@settings(max_examples=40, deadline=None)
@given(st.lists(events, min_size=1, max_size=12))
def test_nothing_takes_a_joint_out_of_range_or_above_speed_or_leaves_torque_after_an_e_stop(
    tmp_path_factory, happenings
):
    rig = Rig(tmp_path_factory.mktemp("arm"))
    rig.driver.open(rig.now_ns)
    low = np.array([axis.minimum for axis in LIMITS.axes])
    high = np.array([axis.maximum for axis in LIMITS.axes])
    scale = CALIBRATION.scale(LIMITS)
    for wish, fault, name, target, ticks in happenings:
        for servo in rig.bus.servos.values():
            servo.faults.clear()
        if fault:
            rig.servo(name).faults.add(fault)
            rig.servo(name).impostor_id = 2
        if wish:
            rig.driver.request(wish, rig.now_ns)
        state = rig.tick()
        for _ in range(ticks):
            before = scale.to_values(np.array(rig.positions()))
            state = rig.tick(target)
            values = scale.to_values(np.array(rig.positions()))
            assert (values >= low - STEP).all()
            assert (values <= high + STEP).all()
            assert (np.abs(values - before) <= 1.26 * 2.0 * TICK_NS / 1e9).all()
            assert np.isfinite(state.values).all()
        if state.mode is Mode.ESTOP and fault is not ServoFault.SILENT and ticks > 1:
            assert rig.torques() == [False] * 3


# options and calibration


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reaction": "land"}, "reaction is 'land': valid are hold, limp"),
        ({"on_exit": "fall"}, "on_exit is 'fall'"),
        ({"first_command": 1}, "first_command is 1"),
        ({"watchdog_s": 0}, "watchdog_s is 0, must be a number > 0"),
        ({"max_load": "1"}, "max_load is '1'"),
        ({"port": 3}, "port is 3, must be a text"),
        ({"min_voltage_v": 20.0}, "min_voltage_v is not below"),
        ({"torque_limits": {"gripper": 2}}, "torque_limits is {'gripper': 2}"),
        ({"torque_limits": 0.5}, "torque_limits is 0.5"),
    ],
)
def test_a_bad_option_is_refused_in_one_line(options, says):
    link = {"driver": "feetech", "port": "/dev/null", "calibration": "x.toml", **options}
    with pytest.raises(LinkTableError, match=says) as refused:
        make_driver(link, LIMITS)
    assert "\n" not in str(refused.value)


def test_a_torque_limit_of_no_axis_is_refused(tmp_path):
    rig = Rig(tmp_path, torque_limits={"jaw": 0.5})
    with pytest.raises(LinkTableError, match="names 'jaw': the axes are shoulder, elbow, gripper"):
        rig.driver.open(rig.now_ns)


def test_a_calibration_that_is_missing_is_told_before_the_port_is_opened(tmp_path):
    rig = Rig(tmp_path, calibration=str(tmp_path / "nobody.toml"))
    with pytest.raises(CalibrationError, match="is missing: make it with reflexarc calibrate"):
        rig.driver.open(rig.now_ns)
    assert not hasattr(rig, "port")
    assert issubclass(CalibrationError, BridgeInputError)


def test_torque_off_is_one_packet_to_all():
    data = sync_write(r.TORQUE_ENABLE.address, dict.fromkeys((1, 2, 6), b"\0"))
    assert len(data) == 8 + 3 * 2
