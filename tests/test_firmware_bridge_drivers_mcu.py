"""A host and a controller in virtual time: what each does about the other's faults."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcu_robot import LIMITS, SECOND, McuRobot

from firmware_bridge.axis_limits import Limits
from firmware_bridge.drivers.mcu import McuDriver
from firmware_bridge.emulators.controller import PythonBoard
from firmware_bridge.emulators.faults import parse_fault
from firmware_bridge.errors import (
    CommandShapeError,
    ControllerSilentError,
    LimitsRefusedError,
    PortBusyError,
    PortNotFoundError,
    SchemaMismatchError,
)
from firmware_bridge.framing import Decoder, encode_frame
from firmware_bridge.mcu_options import McuOptions
from firmware_bridge.port import open_port
from firmware_bridge.ports.memory_port import memory_pair
from firmware_bridge.ports.pty_port import PtyPort
from firmware_bridge.protocol import BY_NAME, Link
from firmware_bridge.safety_words import Mode, Wish

GO = [0.6, 0.5]  # m/s, rad
LANDING = {"reaction": "land", "on_exit": "land", "land_axis": "shoulder", "land_per_s": 1.0}


def test_hardware_never_arms_itself():
    robot = McuRobot().open()
    state = robot.run(1.0, GO)
    assert (state.mode, state.stopped) == (Mode.DISARMED, True)
    assert "wrong_mode" in state.faults  # why its commands were not sent
    assert not robot.plant.torque


def test_once_armed_it_holds_where_it_is_and_then_follows_commands():
    robot = McuRobot().armed()
    state = robot.run(0.2)
    assert robot.plant.torque
    np.testing.assert_allclose(state.values, [0.0, 0.2], atol=1e-6)
    state = robot.run(1.5, GO)
    assert (state.mode, state.stopped, state.faults) == (Mode.ACTIVE, False, ())
    np.testing.assert_allclose(state.measured, GO, atol=0.01)
    np.testing.assert_allclose(robot.plant.values, GO, atol=0.01)
    assert state.counters["lost"] == state.counters["controller_refused"] == 0


def test_a_host_that_falls_silent_is_noticed_by_the_controller_and_stays_stopped():
    robot = McuRobot().active(GO)
    robot.run(0.5, GO)
    state = robot.until(lambda state: state.mode is Mode.PROTECTIVE_STOP)
    assert "watchdog" in state.faults
    state = robot.run(0.5, GO)  # commands alone end no stop
    assert (state.mode, state.stopped) == (Mode.PROTECTIVE_STOP, True)
    assert robot.plant.values[0] == pytest.approx(0.0, abs=0.01)
    assert state.counters["controller_watchdogs"] == 1
    robot.ask(Wish.RESET)
    robot.until(lambda state: state.mode is Mode.ACTIVE, GO)


def test_what_is_asked_of_the_wrong_mode_is_refused_with_its_reason():
    robot = McuRobot().open()
    robot.run(0.3)
    robot.ask(Wish.RESET)
    assert "reset_refused_wrong_mode" in robot.tick().faults
    assert robot.tick().faults == ()


def test_an_emergency_stop_takes_the_torque_at_once_and_is_latched():
    robot = McuRobot().active(GO)
    robot.ask(Wish.ESTOP)
    state = robot.tick(GO)
    assert (state.mode, robot.plant.torque) == (Mode.ESTOP, False)
    robot.ask(Wish.ARM)
    assert "arm_refused_wrong_mode" in robot.tick().faults
    robot.ask(Wish.RESET)
    robot.until(lambda state: state.mode is Mode.DISARMED)


def test_a_wrong_port_is_told_before_anything_else():
    robot = McuRobot()
    robot.plugged = False
    with pytest.raises(PortNotFoundError):
        robot.open()


def test_a_busy_port_is_told_before_anything_else():
    board_end = PtyPort()
    other = open_port(board_end.path, 1_000_000)
    driver = McuDriver(LIMITS, McuOptions(port=board_end.path))
    with pytest.raises(PortBusyError):
        driver.open(0)
    other.close()
    board_end.close()


class DeafEnd:
    """A far end that only says these bytes, again and again."""

    def __init__(self, says):
        self._says = says

    def connect(self):
        ours, self._theirs = memory_pair()
        self._theirs.write(self._says)
        return ours


@pytest.mark.parametrize(
    ("bytes_", "says"),
    [
        (b"", "says nothing: is it powered"),
        (b"\x21\x01\x02\x03", "begun a packet and not ended it"),
        (bytes([0x8F, 0x33, 0x00, 0xE6, 0x7C, 0x00]) * 50, "baud rate is not 1000000"),
    ],
)
def test_a_far_end_that_is_no_controller_is_told_for_what_it_is(bytes_, says):
    """Silence, half a frame for ever, and what another baud rate makes of packets."""
    robot = McuRobot(open_timeout_s=0.3)
    robot.connect = DeafEnd(bytes_).connect
    robot.driver._link._connect = robot.connect
    with pytest.raises(ControllerSilentError, match=says) as told:
        robot.open()
    assert "\n" not in str(told.value)
    assert robot.now_ns - 8 * SECOND < 0.4 * SECOND


def test_wrong_firmware_is_told_to_be_flashed_and_is_sent_nothing_more(monkeypatch):
    robot = McuRobot()
    monkeypatch.setattr("firmware_bridge.emulators.controller.SCHEMA_HASH", 0xBADC0DE)
    with pytest.raises(SchemaMismatchError, match=r"0badc0de.*reflash") as told:
        robot.open()
    assert "\n" not in str(told.value)
    assert robot.board._machine.mode is Mode.BOOT
    assert not robot.plant.torque


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"minimum": -20.0}, "axis 'shoulder': minimum -20.0 is beyond"),
        ({"maximum": 20.0}, "axis 'shoulder': maximum 20.0 is beyond"),
        ({"slew_per_s": 200.0}, "axis 'shoulder': slew_per_s 200.0 is beyond"),
        ({"acceleration_per_s2": 5e3}, "axis 'shoulder': acceleration_per_s2 5000.0 is beyond"),
        (
            {"minimum": -11.0, "slew_per_s": 60.0},
            "'shoulder': minimum -11.0, slew_per_s 60.0 is beyond",
        ),
    ],
)
def test_limits_beyond_the_hardware_are_refused_by_axis_and_key(changes, says):
    robot = McuRobot(limits=_shoulder(**changes))
    with pytest.raises(LimitsRefusedError, match=says) as told:
        robot.open()
    assert "\n" not in str(told.value)
    _stays_without_torque_in_boot(robot)


def test_a_range_that_the_controller_cannot_tell_from_a_point_is_refused_by_its_axis():
    robot = McuRobot(limits=_shoulder(minimum=1.0, maximum=1.0 + 1e-9))
    with pytest.raises(LimitsRefusedError, match=r"axis 'shoulder'.*bad_value.*wider range"):
        robot.open()
    _stays_without_torque_in_boot(robot)


def test_a_time_beyond_the_hardware_is_refused_by_its_option():
    robot = McuRobot(watchdog_s=3.0, heartbeat_s=4.0)
    with pytest.raises(LimitsRefusedError, match=r"\[link\]: watchdog_s 3.0 is beyond"):
        robot.open()
    _stays_without_torque_in_boot(robot)


def _stays_without_torque_in_boot(robot):
    for _ in range(100):
        robot.millisecond()
    assert robot.board._machine.mode is Mode.BOOT
    assert not robot.plant.torque


def test_a_cable_that_was_out_is_told_counted_and_never_arms_again_by_itself():
    robot = McuRobot().active(GO)
    robot.unplug()
    state = robot.run(0.3, GO)
    assert (state.mode, state.stopped) == (Mode.BOOT, True)
    assert "port_lost" in state.faults
    assert robot.driver._link.clock.estimate(robot.now_ns) is None  # another may come back
    assert robot.plant.values[0] == pytest.approx(0.0, abs=0.02)  # its watchdog stopped it
    robot.plug_in()
    state = robot.run(1.5, GO)
    assert state.mode is Mode.PROTECTIVE_STOP
    assert (state.counters["port_losses"], state.counters["reconnects"]) == (1, 1)
    robot.ask(Wish.RESET)  # the same controller under the same limits: an arm need not be dropped
    robot.until(lambda state: state.mode is Mode.ACTIVE, GO)


def test_a_controller_that_resets_in_mid_flight_is_set_up_anew_and_left_disarmed():
    robot = McuRobot().active(GO)
    robot.power_cycle()
    state = robot.run(1.0, GO)
    assert (state.mode, state.stopped) == (Mode.DISARMED, True)
    assert state.counters["controller_resets"] == 1
    assert not robot.plant.torque
    robot.ask(Wish.ARM)
    robot.until(lambda state: state.mode is Mode.ACTIVE, GO)


def test_another_hosts_robot_is_stopped_and_must_be_disarmed_before_it_is_set_up():
    first = McuRobot(reaction="decelerate").active(GO)
    second = McuRobot(board=first.board)
    second.plant, second.now_ns, second.booted_ns = first.plant, first.now_ns, first.booted_ns
    second.open()
    state = second.until(lambda state: state.mode is Mode.PROTECTIVE_STOP)
    assert {"not_configured", "restarted"} <= set(state.faults)
    assert second.plant.torque  # it is held: who armed it decides
    for wish in (Wish.ARM, Wish.RESET):
        second.ask(wish)
        assert f"{wish.name.lower()}_refused_not_configured" in second.tick().faults
    second.ask(Wish.DISARM)
    second.until(lambda state: state.mode is Mode.DISARMED and not state.faults)
    second.ask(Wish.ARM)
    second.until(lambda state: state.mode is Mode.ACTIVE, GO)


def test_half_a_frame_for_ever_stops_both_ends_and_is_counted():
    robot = McuRobot().active(GO)
    half = robot.board.take(Link.HOST)[:7]
    robot.robot.board = _Mute(half)
    state = robot.run(0.3, GO)
    assert (state.mode, state.stopped) == (Mode.BOOT, True)
    assert "no_answer" in state.faults
    assert state.counters["silences"] == 1


class _Mute:
    """A controller that has died in the middle of a frame."""

    def __init__(self, says):
        self._says = says

    def receive(self, link, data, now_us):
        pass

    def step(self, now_us):
        pass

    def take(self, link):
        says, self._says = self._says, b""
        return says if link is Link.HOST else b""


class WishesLost:
    """A line on which no wish arrives; all else does."""

    def __init__(self):
        self._decoder = Decoder()

    def passes(self, item, now_us):
        wish = BY_NAME["wish"].id
        frames = [frame for frame in self._decoder.feed(item) if frame.type != wish]
        return [encode_frame(frame.type, frame.seq, frame.payload) for frame in frames]


def test_a_controller_that_never_hears_a_stop_is_stopped_by_the_disagreement():
    robot = McuRobot().active(GO)
    robot.robot.inward = WishesLost()
    robot.ask(Wish.DISARM)
    state = robot.run(0.45, GO)
    assert "mismatch" in state.faults
    assert state.mode is Mode.PROTECTIVE_STOP


@pytest.mark.parametrize("word", ["off", "garbage", "wrong", "stuck", "slow", "delayed"])
def test_a_bad_link_stops_the_robot_and_a_good_one_brings_it_back_disarmed_or_stopped(word):
    """The fault comes 1.5 s after the robot was opened, and goes after 3 s."""
    robot = McuRobot(faults=(parse_fault(f"link:{word}@4.5-7.5"),)).active(GO)
    while robot.now_us() < 4_500_000:
        robot.tick(GO)
    robot.run(0.5, GO)
    assert robot.plant.values[0] == pytest.approx(0.0, abs=0.02)
    state = robot.run(5.0, GO)
    assert state.mode in (Mode.PROTECTIVE_STOP, Mode.DISARMED)
    assert state.stopped
    robot.ask(Wish.RESET if state.mode is Mode.PROTECTIVE_STOP else Wish.ARM)
    robot.until(lambda state: state.mode is Mode.ACTIVE, GO)


def test_without_an_estimate_of_the_controllers_clock_no_command_is_sent():
    robot = McuRobot(max_delay_s=0.1, faults=(parse_fault("link:delayed@0.0-20.0"),))
    robot.open()
    robot.run(2.0)
    robot.ask(Wish.ARM)
    robot.until(lambda state: state.mode is Mode.ARMED)
    state = robot.run(0.3, GO)
    assert "no_clock" in state.faults  # 200 ms a way: known to 200 ms, which judges no command
    assert state.counters.get("commands", 0) == 0
    assert state.counters["withheld_no_clock"] > 0
    np.testing.assert_allclose(state.values, [0.0, 0.2], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "mode", "torque"),
    [
        ({}, Mode.PROTECTIVE_STOP, True),
        ({"reaction": "decelerate"}, Mode.PROTECTIVE_STOP, True),
        ({"on_exit": "limp"}, Mode.DISARMED, False),
        (LANDING, Mode.PROTECTIVE_STOP, False),
    ],
)
def test_what_becomes_of_the_torque_on_exit_is_a_setting(options, mode, torque):
    robot = McuRobot(**options).active(GO)
    robot.run(1.0, GO)
    robot.driver.close()
    robot.driver.close()
    for _ in range(3000):
        robot.millisecond()
    assert (robot.board._machine.mode, robot.plant.torque) == (mode, torque)
    assert robot.plant.values[0] == pytest.approx(0.0, abs=0.01)
    assert robot.plant.values[1] == pytest.approx(-1.5 if options is LANDING else GO[1], abs=0.05)


def _shoulder(**changes):
    speed, shoulder = LIMITS.axes
    return Limits((speed, replace(shoulder, **changes)), LIMITS.max_command_age_s)


def test_a_first_command_from_afar_moves_no_faster_than_the_ramp():
    robot = McuRobot(limits=_shoulder(max_jump=0.1, ramp_per_s=0.4)).armed()
    fastest_per_s, before = 0.0, robot.plant.values[1]
    for _ in range(150):
        robot.tick([0.0, 1.2])  # 1 rad away
        fastest_per_s = max(fastest_per_s, abs(robot.plant.values[1] - before) / 0.02)
        before = robot.plant.values[1]
    assert before == pytest.approx(1.2, abs=0.01)
    assert 0.3 < fastest_per_s <= 0.4 * 1.001


def test_a_first_command_from_afar_may_be_set_to_stop_the_robot():
    robot = McuRobot(limits=_shoulder(max_jump=0.1)).armed()
    state = robot.run(0.1, [0.0, 1.2])
    assert "jump" in state.faults
    assert robot.plant.values[1] == pytest.approx(0.2, abs=1e-3)


def test_a_port_that_takes_nothing_is_never_waited_for_and_the_robot_stops():
    robot = McuRobot().active(GO)
    robot.theirs._inward.capacity = 0
    state = robot.run(0.3, GO)
    assert "watchdog" in state.faults
    assert state.stopped


def test_a_command_of_another_shape_is_a_bug_of_the_caller():
    robot = McuRobot().armed()
    with pytest.raises(CommandShapeError, match="does not fit 2 axes"):
        robot.driver.send(np.array([0.1]), robot.now_ns)


def test_it_reports_measured_values_and_not_a_number_where_nothing_is_known():
    robot = McuRobot()
    assert np.isnan(robot.driver.read(robot.now_ns).measured).all()
    robot.open()
    state = robot.run(0.2)
    np.testing.assert_allclose(state.measured, [0.0, 0.2], atol=1e-6)


def test_the_same_over_a_pseudo_terminal():
    robot = McuRobot()
    board_end = PtyPort()
    robot.connect_over(board_end, lambda: open_port(board_end.path, 1_000_000))
    robot.active(GO)
    state = robot.run(1.5, GO)
    np.testing.assert_allclose(state.measured, GO, atol=0.01)
    assert state.counters["lost"] == state.counters["controller_lost"] == 0
    robot.driver.close()
    board_end.close()


EVENTS = st.sampled_from(
    ["tick", "silence", "unplug", "plug_in", "power_cycle", "stop", "disarm", "estop", "reset"]
)


@settings(max_examples=15, deadline=None)
@given(events=st.lists(EVENTS, max_size=8))
def test_whatever_happens_nobody_but_arm_brings_torque_to_a_disarmed_robot(events):
    """And nothing raises: a driver in flight tells by its state."""
    robot = McuRobot().active(GO)
    armed = True
    for event in events:
        if event in ("unplug", "plug_in"):
            if robot.plugged == (event == "unplug"):
                getattr(robot, event)()
        elif event == "power_cycle":
            if robot.plugged and robot.robot is not None:
                robot.power_cycle()
                armed = False
        elif event == "silence":
            robot.run(0.2)
        elif event != "tick":
            robot.ask(Wish[event.upper()])
        robot.run(0.2, GO)
        armed = armed and robot.board._machine.mode not in (Mode.DISARMED, Mode.ESTOP, Mode.BOOT)
        assert not robot.plant.torque or armed
    assert isinstance(robot.board, PythonBoard)
