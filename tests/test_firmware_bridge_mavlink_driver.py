import math
from pathlib import Path

import numpy as np
import pytest
from mavlink_flight import HOVER, LIMITS, TICK_NS, Flight, MemoryPort

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.drivers.mavlink import Config, MavlinkDriver
from firmware_bridge.emulators.flight_rules import RuleSettings
from firmware_bridge.emulators.mavlink import EmulatedVehicle
from firmware_bridge.errors import BridgeInputError, LimitsTableError
from firmware_bridge.mavlink.asking import RESULTS
from firmware_bridge.mavlink.vehicle import ARMING_CHECKS
from firmware_bridge.mavlink.wire import Sender, Wire
from firmware_bridge.safety import Mode, Wish

DO_SET_MODE, ARM_DISARM, NAV_TAKEOFF = 176, 400, 22
AHEAD = (0.8, 0.0, 1.0)
both = pytest.mark.parametrize("autopilot", ["px4", "ardupilot"])


@both
def test_it_never_arms_by_itself(autopilot):
    flight = Flight(autopilot)
    flight.run(20.0, AHEAD)
    assert flight.state.mode is Mode.DISARMED
    assert flight.state.stopped
    assert "wrong_mode" in flight.faults
    assert not flight.commands(ARM_DISARM)
    assert not flight.commands(DO_SET_MODE)
    assert flight.vehicle.body.on_ground


@both
def test_it_flies_what_is_commanded_once_it_is_armed(autopilot):
    flight = Flight(autopilot).flying((0.8, 0.0, 1.5), seconds=15.0)
    assert not flight.state.stopped
    np.testing.assert_array_equal(flight.state.values, (0.8, 0.0, 1.5))
    np.testing.assert_allclose(flight.state.measured, (0.8, 0.0, 1.5), atol=0.01)


@both
@pytest.mark.parametrize("heading_rad", [0.0, 2.0, -1.0])
def test_ahead_is_where_it_looks_left_is_positive_and_up_is_positive(autopilot, heading_rad):
    flight = Flight(autopilot)
    flight.vehicle.body.heading_rad = heading_rad
    flight.flying()
    body = flight.vehicle.body
    from_m = np.array([body.x_m, body.y_m])
    flight.run(2.0, AHEAD)
    north_east_m = np.array([body.x_m, body.y_m]) - from_m
    along = np.array([math.cos(heading_rad), math.sin(heading_rad)])
    assert north_east_m @ along == pytest.approx(1.6, abs=0.4)
    assert abs(north_east_m @ (-along[1], along[0])) < 0.05
    flight.run(1.0, (0.0, 1.0, 1.5))
    assert math.remainder(body.heading_rad - heading_rad, math.tau) < -0.5  # NED: left is less
    assert flight.state.measured[1] == pytest.approx(1.0, abs=0.05)
    assert body.altitude_m > 1.1


@pytest.mark.parametrize("altitude_m", [0.5, 2.3])
def test_a_climb_is_no_faster_than_the_axis_allows_and_ends_at_the_altitude(altitude_m):
    flight, fastest_m_s = Flight().flying(HOVER), 0.0
    began_m = flight.vehicle.body.altitude_m
    for _ in range(500):
        flight.tick((0.0, 0.0, altitude_m))
        fastest_m_s = max(fastest_m_s, abs(flight.vehicle.body.vz_m_s))
    assert flight.vehicle.body.altitude_m == pytest.approx(altitude_m, abs=0.02)
    assert abs(began_m - altitude_m) > 0.4
    assert fastest_m_s <= 0.5 + 1e-6


def test_offboard_is_asked_for_after_a_second_of_set_points_that_never_pause():
    flight = Flight()
    flight.run(2.0, until=lambda state: state.mode is Mode.DISARMED)
    for _ in range(200):  # from the first moment on, until all it needs is known
        flight.ask(Wish.ARM)
        flight.tick()
    flight.run(10.0, AHEAD)
    assert flight.state.mode is Mode.ACTIVE
    kinds = [m.get_type() for m in flight.vehicle.heard if not _is(m, 511)]
    first = next(i for i, m in enumerate(flight.vehicle.heard) if _is(m, DO_SET_MODE))
    before = [
        m for m in list(flight.vehicle.heard)[:first] if m.get_type() in kinds[:1] + _SETPOINT
    ]
    times_ms = [m.time_boot_ms for m in flight.heard("SET_POSITION_TARGET_LOCAL_NED")]
    asked_ms = max(m.time_boot_ms for m in before if m.get_type() in _SETPOINT)
    assert asked_ms - times_ms[0] >= 1000
    assert max(np.diff(times_ms)) <= 100


_SETPOINT = ["SET_POSITION_TARGET_LOCAL_NED"]


def _is(message, command):
    return message.get_type() == "COMMAND_LONG" and message.command == command


def test_a_pause_of_the_host_restarts_the_proof():
    flight = Flight().ready()
    flight.now_ns += 600_000_000  # the host was away
    flight.carry()
    flight.ask(Wish.ARM)
    took_s = flight.run(5.0, until=lambda state: state.mode is Mode.ARMED)
    assert took_s >= 1.2
    assert not [text for text in flight.driver.texts if "Offboard" in text]


@both
def test_a_heartbeat_goes_out_each_second(autopilot):
    flight = Flight(autopilot)
    flight.run(10.0)
    assert len(flight.heard("HEARTBEAT")) == 10


@pytest.mark.parametrize(
    ("fault", "value", "refusal"),
    [
        ("deny_arming", "Compass not calibrated", "arm_refused_prearm_check"),
        ("battery", 0.1, "arm_refused_battery_low"),
        ("silent", True, "arm_refused_no_heartbeat"),
    ],
)
@both
def test_arming_is_refused_with_its_reason(autopilot, fault, value, refusal):
    flight = Flight(autopilot).ready()
    setattr(flight.vehicle.faults, fault, value)
    flight.run(4.0)
    flight.ask(Wish.ARM)
    flight.run(5.0, HOVER)
    assert refusal in flight.faults
    assert not flight.commands(ARM_DISARM)
    assert refusal not in flight.state.faults  # said once


@both
def test_what_the_vehicle_refuses_is_told_in_its_words(autopilot):
    flight = Flight(autopilot).ready()
    flight.ask(Wish.ARM)
    flight.vehicle.rules.arm = lambda now_s: flight.vehicle.rules.take_off(
        0.0
    )  # FAILED, with words
    flight.run(5.0)
    assert "arm_refused_failed" in flight.faults
    assert flight.driver.texts[-1] == "Take-off refused"
    assert flight.state.mode is Mode.DISARMED


@both
@pytest.mark.parametrize(
    ("fault", "value", "refusal"), [("deaf", True, "no_answer"), ("refuse", 2, "denied")]
)
def test_no_answer_and_a_denial_end_the_wish(autopilot, fault, value, refusal):
    flight = Flight(autopilot).ready()
    setattr(flight.vehicle.faults, fault, value)
    flight.ask(Wish.ARM)
    flight.run(6.0)
    assert f"arm_refused_{refusal}" in flight.faults
    assert flight.state.mode is Mode.DISARMED


@both
def test_a_wish_that_failed_leaves_nothing_armed_behind(autopilot):
    flight = Flight(autopilot).ready()
    flight.ask(Wish.ARM)
    flight.run(5.0, until=lambda state: bool(flight.port.to_vehicle) and _asks_to_arm(flight))
    flight.vehicle.faults.silent = True  # it arms, and nobody hears of it
    flight.run(5.0)
    assert "arm_refused_no_position" in flight.faults
    asked = [m.param1 for m in flight.commands(ARM_DISARM)]
    assert (asked[0], asked[-1]) == (1.0, 0.0)
    assert not flight.vehicle.rules.armed


def _asks_to_arm(flight):
    return flight.driver._asker.is_open(ARM_DISARM)


def test_what_speaks_against_arming_counts_until_the_last_step():
    flight = Flight("ardupilot").ready()
    flight.run(0.3)  # its next heartbeat is not the next message
    flight.ask(Wish.ARM)
    flight.run(5.0, until=lambda state: bool(flight.commands(DO_SET_MODE)))
    flight.vehicle.faults.no_position = True
    flight.run(5.0)
    assert "arm_refused_no_position" in flight.faults
    assert not flight.commands(ARM_DISARM)


@both
def test_a_vehicle_in_a_pilots_hands_is_taken_over_in_the_air_when_somebody_wishes(autopilot):
    flight = _flown_by_a_pilot(autopilot)
    assert flight.state.faults == ("mode_loiter",)
    flight.ask(Wish.ARM)
    flight.run(5.0, until=lambda state: state.mode is Mode.ARMED)
    flight.run(3.0, (0.5, 0.0, 1.5))
    assert flight.state.mode is Mode.ACTIVE
    assert flight.vehicle.body.altitude_m > 1.2
    assert not flight.commands(ARM_DISARM)
    assert not flight.commands(NAV_TAKEOFF)


def test_a_vehicle_whose_failsafe_is_at_work_is_not_taken_over():
    flight = _flown_by_a_pilot("px4")
    flight.vehicle.rules.failing = True
    flight.run(1.5)
    flight.ask(Wish.ARM)
    assert "arm_refused_failsafe" in flight.tick().faults


def _flown_by_a_pilot(autopilot):
    """Hovering at a metre in a mode of its own."""
    flight = Flight(autopilot).ready()
    flight.vehicle.rules.arm(flight.now_ns / 1e9)
    flight.vehicle.body.z_m -= 1.0
    flight.run(2.0)
    assert flight.state.mode is Mode.PROTECTIVE_STOP
    return flight


@both
def test_the_order_to_land_is_given_until_it_is_heard(autopilot):
    flight = Flight(autopilot).flying()
    flight.driver.stop(flight.now_ns)
    flight.run(1.9)
    real, flight.vehicle.receive = flight.vehicle.receive, _without(flight, DO_SET_MODE)
    flight.run(4.0)
    assert flight.vehicle.rules.mode == flight.driver._autopilot.controlled
    flight.vehicle.receive = real
    flight.run(2.0)
    assert flight.vehicle.rules.mode == "land"


def _without(flight, number):
    """The vehicle's ears, deaf to one command."""
    real, wire = flight.vehicle.receive, Wire(Sender(1, 1), None)

    def receive(data, now_us):
        if not any(_is(message, number) for message in wire.feed(data)):
            real(data, now_us)

    return receive


def test_closing_orders_nothing_where_the_controls_were_never_asked_for():
    flight = Flight().ready()
    flight.vehicle.pilot("offboard")
    flight.vehicle.rules.arm(flight.now_ns / 1e9)
    flight.run(2.0)
    flight.driver.close()
    flight.carry()
    assert not flight.commands(DO_SET_MODE)


@both
def test_a_pilot_who_takes_the_controls_keeps_them_until_a_reset(autopilot):
    flight = Flight(autopilot).flying()
    asked = len(flight.commands(DO_SET_MODE))
    flight.vehicle.pilot("loiter")
    took_s = flight.run(5.0, AHEAD, until=lambda state: state.stopped)
    assert took_s <= 1.1  # a heartbeat
    assert (flight.state.mode, flight.state.faults[0]) == (Mode.PROTECTIVE_STOP, "mode_loiter")
    flight.run(30.0, AHEAD)
    assert flight.vehicle.rules.mode == "loiter"
    assert len(flight.commands(DO_SET_MODE)) == asked
    assert flight.state.counters["modes_taken"] == 1
    flight.ask(Wish.RESET)
    flight.run(5.0, until=lambda state: state.mode is Mode.ARMED)
    flight.run(2.0, AHEAD)
    assert flight.state.mode is Mode.ACTIVE
    assert flight.state.measured[0] > 0.5


@both
def test_the_controls_given_by_a_pilot_unasked_are_not_used(autopilot):
    flight = Flight(autopilot).ready()
    flight.vehicle.pilot(flight.driver._autopilot.controlled)
    flight.vehicle.rules.arm(flight.now_ns / 1e9)
    flight.run(3.0, AHEAD)
    assert flight.state.mode is Mode.PROTECTIVE_STOP
    assert flight.vehicle.body.on_ground
    assert {m.vx for m in flight.heard("SET_POSITION_TARGET_LOCAL_NED")} == {0.0}


@both
def test_without_commands_it_hovers_then_lands_and_commands_change_nothing(autopilot):
    flight = Flight(autopilot).flying(AHEAD)
    took_s = flight.run(5.0, until=lambda state: state.stopped)
    assert 0.25 < took_s <= 0.3
    assert flight.state.faults == ("command_timeout",)
    at_m = flight.vehicle.body.altitude_m
    flight.run(1.6, AHEAD)
    assert flight.vehicle.body.altitude_m == pytest.approx(at_m, abs=0.05)
    assert abs(flight.state.measured[0]) < 0.02
    flight.run(15.0, AHEAD)
    assert flight.vehicle.body.on_ground
    assert flight.state.mode is Mode.DISARMED
    assert "command_timeout" in flight.state.faults
    assert flight.state.counters["timeouts"] == 1


def test_the_reaction_hold_hovers_on():
    flight = Flight(reaction="hold").flying(AHEAD)
    at_m = flight.vehicle.body.altitude_m
    flight.run(60.0)
    assert flight.state.mode is Mode.PROTECTIVE_STOP
    assert flight.vehicle.body.altitude_m == pytest.approx(at_m, abs=0.05)


def test_a_gap_of_commands_is_a_gap_even_if_nobody_read_in_it():
    flight = Flight().flying()
    for _ in range(20):
        flight.now_ns += TICK_NS
        flight.carry()
    flight.driver.send(np.array(AHEAD), flight.now_ns)
    assert flight.driver.read(flight.now_ns).mode is Mode.PROTECTIVE_STOP


def test_commands_that_are_not_finite_renew_nothing():
    flight = Flight().flying()
    flight.run(0.5, (math.nan, 0.0, 1.0))
    assert {"non_finite", "command_timeout"} <= flight.faults


@both
def test_a_vehicle_that_falls_silent_stops_the_robot_and_is_told_to_land(autopilot):
    flight = Flight(autopilot).flying(AHEAD)
    flight.vehicle.faults.silent = True
    took_s = flight.run(10.0, AHEAD, until=lambda state: state.stopped)
    assert took_s <= 0.6  # its position is missed before its heartbeat
    assert flight.state.faults[0] == "no_position"
    flight.run(10.0, AHEAD)
    assert flight.vehicle.rules.mode == "land"


def test_a_heartbeat_that_ends_while_telemetry_goes_on_stops_the_robot():
    flight = Flight().flying(AHEAD)
    del flight.vehicle._intervals_us["HEARTBEAT"]
    took_s = flight.run(10.0, AHEAD, until=lambda state: state.stopped)
    assert 2.0 <= took_s <= 3.1
    assert flight.state.faults[0] == "heartbeat_lost"
    assert flight.state.counters["heartbeats_lost"] == 1


@both
def test_a_lost_position_stops_the_robot(autopilot):
    flight = Flight(autopilot).flying(AHEAD)
    flight.vehicle.faults.no_position = True
    took_s = flight.run(5.0, AHEAD, until=lambda state: state.stopped)
    assert took_s <= 0.1
    assert flight.state.faults[0] == "no_position"
    assert flight.state.measured is None


@pytest.mark.parametrize(
    ("autopilot", "still_s", "landed_s"), [("px4", 2.5, 8.0), ("ardupilot", 5.0, 10.0)]
)
def test_when_the_host_dies_the_vehicle_stops_and_lands(autopilot, still_s, landed_s):
    flight = Flight(autopilot).flying(AHEAD)
    died_ns, seen = flight.now_ns, {}
    while flight.now_ns - died_ns < 20e9:
        flight.now_ns += TICK_NS
        flight.carry()
        body, dead_s = flight.vehicle.body, (flight.now_ns - died_ns) / 1e9
        if math.hypot(body.vx_m_s, body.vy_m_s) < 0.02:
            seen.setdefault("still", dead_s)
        if body.on_ground:
            seen.setdefault("landed", dead_s)
    assert seen["still"] <= still_s
    assert seen["landed"] <= landed_s
    assert not flight.vehicle.rules.armed


@both
def test_an_e_stop_stops_the_motors_in_the_air_and_wants_reset_and_arming(autopilot):
    flight = Flight(autopilot).flying()
    flight.ask(Wish.ESTOP)
    assert flight.tick(AHEAD).mode is Mode.ESTOP
    flight.tick(AHEAD)
    assert not flight.vehicle.rules.armed
    flight.ask(Wish.RESET)
    assert "reset_refused_still_armed" in flight.tick(AHEAD).faults  # the heartbeat says so yet
    flight.ask(Wish.ARM)
    assert "arm_refused_wrong_mode" in flight.tick(AHEAD).faults
    flight.run(3.0, AHEAD)
    assert (flight.state.mode, flight.vehicle.body.on_ground) == (Mode.ESTOP, True)
    flight.ask(Wish.RESET)
    assert flight.tick(AHEAD).mode is Mode.DISARMED


def test_an_e_stop_gets_through_a_line_that_loses_most():
    flight = Flight().flying()
    carried, dropped = flight.vehicle.receive, iter(range(10_000))
    flight.vehicle.receive = lambda data, now_us: next(dropped) % 16 == 15 and carried(data, now_us)
    flight.ask(Wish.ESTOP)
    flight.run(6.0)
    assert not flight.vehicle.rules.armed


@both
def test_a_stop_that_was_asked_for_lands(autopilot):
    flight = Flight(autopilot).flying()
    flight.driver.stop(flight.now_ns)
    assert flight.tick(AHEAD).faults[0] == "requested"
    flight.run(15.0, AHEAD)
    assert (flight.state.mode, flight.vehicle.body.on_ground) == (Mode.DISARMED, True)


@both
def test_disarming_in_the_air_is_refused_and_on_the_ground_granted(autopilot):
    flight = Flight(autopilot).armed()
    flight.ask(Wish.DISARM)
    flight.run(2.0)
    assert (flight.state.mode, flight.state.faults) == (Mode.DISARMED, ())
    flight.ask(Wish.ARM)
    flight.run(3.0, until=lambda state: state.mode is Mode.ARMED)
    flight.run(8.0, HOVER)
    flight.ask(Wish.DISARM)
    flight.run(3.0, HOVER)
    assert any(fault.startswith("disarm_refused_") for fault in flight.faults)
    assert flight.state.mode is Mode.ACTIVE


@pytest.mark.parametrize(("on_exit", "mode"), [("land", "land"), ("leave", "offboard")])
def test_closing_in_the_air_lands_or_leaves_it_to_the_vehicle(on_exit, mode):
    flight = Flight(on_exit=on_exit).flying()
    flight.driver.close()
    flight.now_ns += TICK_NS
    flight.carry()
    assert flight.vehicle.rules.mode == mode
    assert flight.port.closed
    flight.driver.close()
    assert flight.driver.read(flight.now_ns).mode is Mode.BOOT


def test_closing_on_the_ground_orders_nothing():
    flight = Flight().ready()
    flight.driver.close()
    flight.carry()
    assert not flight.commands(DO_SET_MODE)


def test_ardupilot_climbs_by_its_own_command_undisturbed_by_set_points():
    flight = Flight("ardupilot").armed()
    before = len(flight.heard("SET_POSITION_TARGET_LOCAL_NED"))
    flight.run(0.5, HOVER)
    assert [m.param7 for m in flight.commands(NAV_TAKEOFF)] == [1.0]
    flight.run(5.0, HOVER, until=lambda state: flight.vehicle.body.altitude_m > 0.9)
    assert len(flight.heard("SET_POSITION_TARGET_LOCAL_NED")) - before <= 1
    flight.run(3.0, AHEAD)
    assert flight.state.measured[0] > 0.5


def test_a_take_off_that_is_refused_stops_the_robot():
    flight = Flight("ardupilot").armed()
    flight.vehicle.faults.refuse = 4
    flight.run(1.0, HOVER)
    assert "takeoff_failed" in flight.faults
    assert flight.state.stopped


def test_a_line_that_corrupts_and_loses_is_counted_and_flown_through():
    flight = Flight()
    flight.vehicle.faults.corrupt_share = flight.vehicle.faults.lose_share = 0.15
    flight.run(4.0)
    flight.flying(AHEAD, seconds=15.0)
    assert flight.state.counters["corrupt"] > 50
    assert flight.state.counters["lost"] > 100
    np.testing.assert_allclose(flight.state.measured, AHEAD, atol=0.02)


def test_a_delay_of_a_fifth_of_a_second_does_not_make_it_swing():
    flight = Flight()
    flight.vehicle.faults.delay_s = 0.2
    flight.flying()
    altitudes_m = []
    for _ in range(500):
        flight.tick((0.0, 0.0, 2.0))
        altitudes_m.append(flight.vehicle.body.altitude_m)
    assert max(altitudes_m) < 2.1
    assert altitudes_m[-1] == pytest.approx(2.0, abs=0.02)


def test_another_vehicle_is_counted_and_never_believed():
    flight = Flight()
    stranger = Wire(Sender(7, 1), None)
    for _ in range(100):
        armed_in_offboard = stranger.encoder.heartbeat_encode(2, 12, 129, 6 << 16, 4)
        flight.port.to_driver.append(stranger.pack(armed_in_offboard))
        flight.vehicle.faults.silent = True
        flight.tick(AHEAD)
    assert flight.state.mode is Mode.BOOT
    assert flight.state.counters["foreign"] == 100
    assert flight.state.counters["setpoints"] == 0


def test_an_answer_to_another_ground_station_is_not_ours():
    flight = Flight().ready()
    flight.vehicle.faults.deaf = True
    flight.ask(Wish.ARM)
    for _ in range(50):
        denied = flight.vehicle.wire.encoder.command_ack_encode(DO_SET_MODE, 2, 0, 0, 255, 190)
        flight.port.to_driver.append(flight.vehicle.wire.pack(denied))
        flight.tick()
    assert flight.faults == set()


@both
def test_telemetry_that_does_not_come_is_asked_for_until_it_does(autopilot):
    flight = Flight(autopilot).ready()
    flight.vehicle._intervals_us = {"HEARTBEAT": 1_000_000}
    flight.run(10.0)
    assert set(flight.vehicle._intervals_us) > {"LOCAL_POSITION_NED", "ATTITUDE", "HOME_POSITION"}
    asked = len(flight.commands(511))
    flight.run(10.0)
    assert len(flight.commands(511)) == asked


def test_altitude_counts_from_where_it_stood():
    flight = Flight(ground_z_m=-3.0).flying((0.0, 0.0, 1.2))
    assert flight.state.measured[2] == pytest.approx(1.2, abs=0.02)
    assert flight.vehicle.body.z_m == pytest.approx(-4.2, abs=0.02)


def _opening(frames=(), **options):
    port = MemoryPort()
    port.to_driver.extend(frames)
    driver = MavlinkDriver(LIMITS, Config(open_timeout_s=0.05, **options), port)
    with pytest.raises(BridgeInputError) as refused:
        driver.open(0)
    assert port.closed
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_nobody_another_or_noise_is_told_apart_with_what_to_check():
    px4 = Wire(Sender(7, 1), None)
    frame = px4.pack(px4.encoder.heartbeat_encode(2, 12, 1, 3 << 16, 3))
    assert "nobody answers on udpin:127.0.0.1:14540 within 0.05 s" in _opening()
    assert "but of system/component 7/1: set [link] system_id" in _opening([frame])
    assert "damaged or unsigned pieces: check [link] baud" in _opening([b"\x55\xaa" * 40] * 3)
    says = _opening([frame], system_id=7, autopilot="ardupilot")
    assert "is px4, [link] autopilot says 'ardupilot': valid are px4, ardupilot" in says


def test_a_port_that_is_lost_stops_the_robot_and_lands_it_once_it_is_back():
    flight = Flight(settings=RuleSettings(offboard_loss_s=5.0)).flying()
    heard = flight.state.counters["messages"]
    with flight.unplugged():
        state = flight.tick(AHEAD)
        assert (state.mode, state.stopped) == (Mode.BOOT, True)
        assert "port_lost" in state.faults
        flight.run(1.5, AHEAD)
    flight.run(1.5, AHEAD)
    assert (flight.state.mode, flight.state.faults[0]) == (Mode.PROTECTIVE_STOP, "port_lost")
    assert flight.state.counters["ports_lost"] >= 1
    assert flight.state.counters["messages"] > heard
    flight.run(10.0, AHEAD)
    assert (flight.state.mode, flight.vehicle.body.on_ground) == (Mode.DISARMED, True)


def test_an_e_stop_outlasts_a_lost_port_and_is_told_again():
    flight = Flight().flying()
    with flight.unplugged():
        flight.tick()
        flight.ask(Wish.ESTOP)
        assert flight.tick().mode is Mode.ESTOP
        flight.run(0.5)
        assert flight.vehicle.rules.armed
    flight.run(2.0)
    assert not flight.vehicle.rules.armed
    assert flight.state.mode is Mode.ESTOP


def test_the_answer_to_an_older_question_does_not_end_an_e_stop():
    flight = Flight().ready()
    flight.vehicle.faults.delay_s = 0.1
    flight.ask(Wish.ARM)
    flight.run(5.0, until=lambda state: bool(flight.commands(ARM_DISARM)))
    flight.ask(Wish.ESTOP)  # the answer to the arming is under way
    flight.port.to_vehicle.clear()  # and the first order to stop is lost
    flight.run(3.0)
    assert not flight.vehicle.rules.armed


def test_a_flight_controller_that_restarts_in_the_air_is_not_armed_again():
    flight = Flight().flying()
    flight.vehicle = EmulatedVehicle()
    took_s = flight.run(5.0, AHEAD, until=lambda state: state.stopped)
    assert took_s <= 1.1
    flight.run(20.0, AHEAD)
    assert (flight.state.mode, flight.state.faults[0]) == (Mode.DISARMED, "disarmed")
    assert not flight.vehicle.rules.armed


@both
def test_a_command_beyond_the_limits_is_flown_at_the_limit(autopilot):
    flight = Flight(autopilot).flying((1e300, 0.0, 1e300), seconds=15.0)
    np.testing.assert_array_equal(flight.state.values, (1.0, 0.0, 2.3))
    np.testing.assert_allclose(flight.state.measured, (1.0, 0.0, 2.3), atol=0.05)


def test_every_fault_word_is_explained():
    page = Path(__file__).parents[1].joinpath("docs/users/mavlink.md").read_text(encoding="utf-8")
    stops = ["command_timeout", "heartbeat_lost", "disarmed", "requested", "port_lost"]
    answers = ["no_answer", "not_echoed", "still_armed", "prearm_check", *RESULTS.values()]
    for word in (*stops, *answers, *ARMING_CHECKS, "wrong_mode", "non_finite", "no_heartbeat"):
        assert f"`{word}`" in page


def test_axes_that_no_flight_controller_knows_are_refused():
    limits = Limits((AxisLimit("gripper", "rad", 0.0, 1.0, 1.0),), 0.25)
    with pytest.raises(LimitsTableError, match=r"flies the axes forward_speed .* has gripper"):
        MavlinkDriver(limits, Config())
