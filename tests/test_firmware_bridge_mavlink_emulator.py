"""pymavlink's own client flies the emulated vehicle over UDP; the clock is the test's."""

import math
import os

import pytest

from firmware_bridge.emulators.flight_rules import RuleSettings
from firmware_bridge.emulators.mavlink import EmulatedVehicle
from firmware_bridge.emulators.mavlink_udp import exchange
from firmware_bridge.mavlink.autopilots import ARDUPILOT, BODY_NED, LOCAL_NED, PX4
from firmware_bridge.mavlink.axes import VELOCITY_AND_YAW_RATE
from firmware_bridge.mavlink.datagrams import DatagramPort

os.environ["MAVLINK20"] = "1"  # before mavutil is imported: it chooses its dialect then
mavutil = pytest.importorskip("pymavlink.mavutil")

FORCE = 21196


class Client:
    """mavutil's connection, and a vehicle that lives while the client waits."""

    def __init__(self, autopilot=PX4, settings=None):
        self.link = mavutil.mavlink_connection("udpin:127.0.0.1:0", source_system=245)
        own_port = self.link.port.getsockname()[1]
        self.vehicle = EmulatedVehicle(autopilot, settings)
        self.port = DatagramPort(f"udpout:127.0.0.1:{own_port}")
        self.now_us, self.velocity = 0, None
        self.got = []

    def close(self):
        self.link.close()
        self.port.close()

    def run(self, seconds, until=lambda message: False):
        """Lets time pass; returns the first message for which the condition holds."""
        end_us = self.now_us + round(seconds * 1e6)
        while self.now_us < end_us:
            self.now_us += 50_000
            if self.now_us % 1_000_000 == 0:
                self.link.mav.heartbeat_send(18, 8, 0, 0, 4)
            if self.velocity is not None:
                self.send_velocity(*self.velocity)
            exchange(self.vehicle, self.port, self.now_us)
            while (message := self.link.recv_match(blocking=False)) is not None:
                self.got.append(message)
                if until(message):
                    return message
        return None

    def send_velocity(self, frame, vx, vy, vz, yaw_rate=0.0):
        self.link.mav.set_position_target_local_ned_send(
            0, 1, 1, frame, VELOCITY_AND_YAW_RATE, 0, 0, 0, vx, vy, vz, 0, 0, 0, 0, yaw_rate
        )

    def command(self, number, *params):
        """Its COMMAND_ACK's result."""
        seven = (*params, *(0,) * (7 - len(params)))
        self.link.mav.command_long_send(1, 1, number, 0, *seven)
        answer = self.run(1.0, lambda m: m.get_type() == "COMMAND_ACK" and m.command == number)
        return answer.result

    def mode(self, name):
        """Asks for it as pymavlink's users do."""
        self.link.set_mode(name)
        return self.run(1.0, lambda m: m.get_type() == "COMMAND_ACK" and m.command == 176).result

    def texts(self):
        return [message.text for message in self.got if message.get_type() == "STATUSTEXT"]

    def arm(self):
        return self.command(400, 1)

    def fly(self, seconds=4.0):
        """PX4, from the ground to about a metre."""
        self.velocity = (LOCAL_NED, 0.0, 0.0, -0.5)
        self.run(1.5)
        assert self.mode("OFFBOARD") == 0
        assert self.arm() == 0
        self.run(seconds)
        return self


@pytest.fixture
def px4():
    client = Client()
    client.run(1.2)
    yield client
    client.close()


@pytest.fixture
def ardupilot():
    client = Client(ARDUPILOT)
    client.run(1.2)
    yield client
    client.close()


def test_pymavlink_hears_a_px4_quadrotor_once_a_second(px4):
    px4.run(10.0)
    heartbeats = [m for m in px4.got if m.get_type() == "HEARTBEAT"]
    assert 10 <= len(heartbeats) <= 12
    assert px4.link.flightmode == "LOITER"
    assert px4.link.mode_mapping() is mavutil.px4_map
    assert not px4.link.motors_armed()
    assert px4.link.mav.total_receive_errors == 0


def test_pymavlink_flies_it_and_telemetry_tells_so(px4):
    for kind, hz in ((32, 20), (30, 20), (245, 5)):
        assert px4.command(511, kind, 1e6 / hz) == 0
    px4.fly()
    assert px4.link.motors_armed()
    assert px4.link.flightmode == "OFFBOARD"
    px4.velocity = (LOCAL_NED, 0.6, -0.3, 0.0, 0.4)
    px4.run(3.0)
    position, attitude = px4.link.messages["LOCAL_POSITION_NED"], px4.link.messages["ATTITUDE"]
    assert (position.vx, position.vy) == pytest.approx((0.6, -0.3), abs=0.01)
    assert attitude.yawspeed == pytest.approx(0.4, abs=0.01)
    assert attitude.yaw == pytest.approx(0.4 * 3.0, abs=0.1)
    assert position.z < -1.0
    assert px4.link.messages["EXTENDED_SYS_STATE"].landed_state == 2
    fresh = [m for m in px4.got if m.get_type() == "LOCAL_POSITION_NED"]
    assert fresh[-1].time_boot_ms - fresh[-21].time_boot_ms == 1000


def test_offboard_wants_a_second_of_more_than_two_set_points_a_second(px4):
    assert px4.mode("OFFBOARD") == 1  # temporarily rejected: none came
    for _ in range(6):  # two a second: too slow by a hair
        px4.send_velocity(LOCAL_NED, 0.0, 0.0, 0.0)
        px4.run(0.55)
    assert px4.mode("OFFBOARD") == 1
    px4.velocity = (LOCAL_NED, 0.0, 0.0, 0.0)
    px4.run(0.9)
    assert px4.mode("OFFBOARD") == 1
    px4.run(0.2)
    assert px4.mode("OFFBOARD") == 0
    assert px4.texts()[-1] == "Switching to Offboard is not available: no signal"


@pytest.mark.parametrize("loss_mode", ["land", "loiter"])
def test_set_points_that_end_are_a_failsafe_after_its_time(loss_mode):
    client = Client(settings=RuleSettings(offboard_loss_mode=loss_mode))
    client.fly().velocity = None
    client.run(0.9)
    assert client.vehicle.rules.mode == "offboard"
    client.run(0.3)
    assert client.vehicle.rules.mode == loss_mode
    client.run(15.0)
    assert client.vehicle.body.on_ground == (loss_mode == "land")
    assert client.vehicle.rules.armed == (loss_mode != "land")
    assert "Failsafe: offboard control lost" in client.texts()
    client.close()


def test_landing_ends_on_the_ground_disarmed(px4):
    px4.fly()
    assert px4.command(21) == 0
    height_m, began_us = px4.vehicle.body.altitude_m, px4.now_us
    px4.run(20.0, until=lambda m: m.get_type() == "HEARTBEAT" and not m.base_mode & 128)
    took_s = (px4.now_us - began_us) / 1e6
    assert px4.vehicle.body.on_ground
    assert height_m / 0.7 + 2.0 <= took_s <= height_m / 0.7 + 4.0


def test_arming_is_denied_for_a_reason_that_is_told(px4):
    px4.vehicle.faults.deny_arming = "Accel 0 inconsistent"
    assert px4.arm() == 1
    assert px4.texts()[-1] == "Arming denied: Accel 0 inconsistent"
    px4.run(1.0)
    assert not px4.link.messages["SYS_STATUS"].onboard_control_sensors_health & 0x10000000
    px4.vehicle.faults.deny_arming = ""
    px4.vehicle.faults.no_position = True
    assert px4.arm() == 1


def test_it_disarms_in_the_air_only_by_force_and_then_falls(px4):
    px4.fly()
    assert px4.command(400, 0) == 1
    assert px4.texts()[-1] == "Disarming denied: not landed"
    assert px4.command(400, 0, FORCE) == 0
    px4.run(1.5)
    assert px4.vehicle.body.on_ground
    assert not px4.link.motors_armed()


def test_armed_on_the_ground_for_long_it_disarms_itself(px4):
    assert px4.arm() == 0
    px4.run(9.5)
    assert px4.vehicle.rules.armed
    px4.run(1.0)
    assert not px4.vehicle.rules.armed


def test_the_pilot_is_always_obeyed(px4):
    px4.fly()
    px4.velocity = (LOCAL_NED, 0.5, 0.0, 0.0)
    px4.run(1.0)
    px4.vehicle.pilot("posctl")
    px4.run(3.0)
    assert px4.link.flightmode == "POSCTL"
    assert math.hypot(px4.vehicle.body.vx_m_s, px4.vehicle.body.vy_m_s) < 0.01


def test_a_body_frame_sinks_a_px4_that_leans_and_the_local_frame_does_not(px4):
    px4.fly(seconds=8.0)
    for frame, sinks in ((LOCAL_NED, False), (BODY_NED, True)):
        before_m = px4.vehicle.body.altitude_m
        px4.velocity = (frame, 1.0, 0.0, 0.0)
        px4.run(5.0)
        assert (before_m - px4.vehicle.body.altitude_m > 0.1) == sinks


def test_px4_takes_no_offset_frame(px4):
    px4.send_velocity(9, 1.0, 0.0, 0.0)
    px4.run(0.2)
    assert px4.texts() == ["Set-point: coordinate frame 9 unsupported"]


def test_ardupilot_leaves_the_ground_by_a_take_off_alone_and_a_set_point_ends_it(ardupilot):
    assert ardupilot.mode("GUIDED") == 0
    assert ardupilot.link.flightmode in ("GUIDED", "LOITER")
    assert ardupilot.arm() == 0
    ardupilot.velocity = (9, 0.0, 0.0, -0.5)
    ardupilot.run(2.0)
    assert ardupilot.vehicle.body.on_ground
    ardupilot.velocity = None
    assert ardupilot.command(22, 0, 0, 0, 0, 0, 0, 2.0) == 0
    ardupilot.run(1.0)
    reached_m = ardupilot.vehicle.body.altitude_m
    assert 0.3 < reached_m < 1.5
    ardupilot.velocity = (9, 0.0, 0.0, 0.0)
    ardupilot.run(4.0)
    assert ardupilot.vehicle.body.altitude_m < reached_m + 0.4


def test_ardupilot_stops_without_set_points_and_lands_without_heartbeats(ardupilot):
    ardupilot.mode("GUIDED")
    ardupilot.arm()
    ardupilot.command(22, 0, 0, 0, 0, 0, 0, 2.0)
    ardupilot.run(5.0)
    ardupilot.velocity = (9, 0.5, 0.0, 0.0)
    ardupilot.run(2.0)
    ardupilot.velocity = None
    ardupilot.run(2.5)
    assert ardupilot.vehicle.body.vx_m_s == pytest.approx(0.5, abs=0.01)
    ardupilot.run(3.0)
    assert ardupilot.vehicle.body.vx_m_s < 0.01
    assert ardupilot.vehicle.rules.mode == "guided"
    ardupilot.link.mav.heartbeat_send = lambda *_: None
    ardupilot.run(6.5)
    assert ardupilot.vehicle.rules.mode == "land"


def test_it_answers_what_it_does_not_know(px4):
    assert px4.command(241) == 3  # unsupported: a calibration
    assert px4.command(511, 24, 1e5) == 3  # GPS_RAW_INT, of which it has none


def test_commands_to_another_vehicle_are_not_its_own(px4):
    px4.link.mav.command_long_send(2, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0)
    px4.run(1.0)
    assert not px4.vehicle.rules.armed
    assert not [m for m in px4.got if m.get_type() == "COMMAND_ACK"]


def test_mode_numbers_are_those_of_pymavlink():
    for name, number in PX4.modes.items():
        assert mavutil.interpret_px4_mode(0, number) == name.upper()
    for name, number in ARDUPILOT.modes.items():
        assert mavutil.mode_mapping_acm[number] == name.upper()
    assert mavutil.px4_map["OFFBOARD"][1:] == (6, 0)
    for name, params in (("loiter", "LOITER"), ("land", "LAND"), ("rtl", "RTL")):
        assert PX4.mode_params(name)[1:] == mavutil.px4_map[params][1:]
