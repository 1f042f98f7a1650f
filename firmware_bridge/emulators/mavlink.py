"""A flight controller with its vehicle, at the other end of a MAVLink link, in virtual time.

It speaks through pymavlink's codec and knows nothing of the driver; pymavlink's own client talks to
it in a test, which proves the emulator, and the emulator then tests the driver. Bytes go in and
datagrams come out, so that it serves in memory, over UDP and over a serial line alike.

    vehicle.receive(data, now_us); vehicle.step(now_us); datagrams = vehicle.take()
"""

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from firmware_bridge.emulators.flight_rules import (
    ACCEPTED,
    MAGIC,
    UNSUPPORTED,
    FlightRules,
    RuleSettings,
    Verdict,
)
from firmware_bridge.emulators.quad_body import QuadBody
from firmware_bridge.mavlink.autopilots import PX4, Autopilot
from firmware_bridge.mavlink.wire import Sender, Wire

TICK_US: Final = 10_000
MOST_WAITING: Final = 2000  # datagrams that nobody takes; then the oldest go
_INTERVALS_US: Final = {"HEARTBEAT": 1_000_000, "SYS_STATUS": 500_000}  # without being asked
_VELOCITY_BITS: Final = 0x38  # of the type mask
_YAW_RATE_BIT: Final = 0x800


@dataclass
class VehicleFaults:
    """What goes wrong; may be changed at any time. The words in brackets are PX4's for the link."""

    silent: bool = False  # sends nothing (off)
    deaf: bool = False  # receives nothing
    delay_s: float = 0.0  # of all that it sends (delayed)
    corrupt_share: float = 0.0  # of its datagrams has a wrong byte (garbage), 0 to 1
    lose_share: float = 0.0  # of its datagrams is not sent (intermittent), 0 to 1
    deny_arming: str = ""  # its own checks fail, for this reason
    battery: float = 0.9  # charge, 0 to 1
    no_position: bool = False  # GPS or whatever it stands on is lost: position not a number
    refuse: int | None = None  # MAV_RESULT with which every command is answered


class EmulatedVehicle:
    """One vehicle and its flight controller."""

    def __init__(
        self,
        autopilot: Autopilot = PX4,
        settings: RuleSettings | None = None,
        sender: Sender = Sender(1, 1),  # noqa: B008  an immutable pair
        ground_z_m: float = 0.0,
        key: bytes | None = None,
        seed: int = 0,
    ) -> None:
        """Stands on the ground, disarmed.

        Args:
            autopilot: whose rules it follows.
            settings: its parameters.
            sender: its system and component.
            ground_z_m: local NED z of the ground: rarely 0, as estimates start anywhere.
            key: of MAVLink 2 signing.
            seed: of the faults that strike by chance.
        """
        self.faults = VehicleFaults()
        self.body = QuadBody(ground_z_m)
        self.rules = FlightRules(autopilot, settings or RuleSettings(), self.body)
        self.heard: deque[Any] = deque(maxlen=10_000)  # messages that it received
        self.wire = Wire(sender, None, key)
        self._autopilot, self._sender = autopilot, sender
        self._intervals_us = dict(_INTERVALS_US)
        self._due_us: dict[str, int] = {}
        self._outgoing: deque[tuple[int, bytes]] = deque(maxlen=MOST_WAITING)  # due us, frame
        self._tick_us: int | None = None  # the newest that ran
        self._chance = random.Random(seed)  # noqa: S311  faults, not secrets
        self._handlers: dict[str, Callable[[Any, int], None]] = {
            "HEARTBEAT": self._hear_heartbeat,
            "SET_POSITION_TARGET_LOCAL_NED": self._hear_setpoint,
            "COMMAND_LONG": self._hear_command,
        }
        self._commands: dict[int, Callable[[Any, int], Verdict]] = {
            21: self._land,  # MAV_CMD_NAV_LAND
            22: self._take_off,  # MAV_CMD_NAV_TAKEOFF
            176: self._set_mode,  # MAV_CMD_DO_SET_MODE
            400: self._arm_disarm,  # MAV_CMD_COMPONENT_ARM_DISARM
            511: self._set_interval,  # MAV_CMD_SET_MESSAGE_INTERVAL
        }
        self._telemetry: dict[str, Callable[[int], Any]] = {
            "HEARTBEAT": self._heartbeat,
            "SYS_STATUS": self._sys_status,
            "EXTENDED_SYS_STATE": self._extended_sys_state,
            "LOCAL_POSITION_NED": self._local_position,
            "ATTITUDE": self._attitude,
            "HOME_POSITION": self._home,
        }

    def receive(self, data: bytes, now_us: int) -> None:
        """Bytes came."""
        if self.faults.deaf:
            return
        self._apply_faults()
        for message in self.wire.feed(data):
            self.heard.append(message)
            handle = self._handlers.get(message.get_type())
            if handle is not None:
                handle(message, now_us)

    def step(self, now_us: int) -> None:
        """Runs every tick of 10 ms that is due up to now."""
        if self._tick_us is None:
            self._tick_us = now_us - TICK_US
        while self._tick_us + TICK_US <= now_us:
            self._tick_us += TICK_US
            self._tick(self._tick_us)

    def take(self) -> list[bytes]:
        """Datagrams that it has sent since the last call."""
        now_us = self._tick_us or 0
        taken = []
        while self._outgoing and self._outgoing[0][0] <= now_us:
            taken.append(self._outgoing.popleft()[1])
        return taken

    def pilot(self, mode: str) -> None:
        """The pilot moves the mode switch of his transmitter."""
        self.rules.pilot(mode)

    def _tick(self, now_us: int) -> None:
        self._apply_faults()
        self._say(self.rules.tick(now_us / 1e6, TICK_US / 1e6), now_us)
        for kind, interval_us in self._intervals_us.items():
            if now_us >= self._due_us.get(kind, now_us):
                self._due_us[kind] = now_us + interval_us
                self._send(self._telemetry[kind](now_us // 1000), now_us)

    def _apply_faults(self) -> None:
        self.rules.deny_arming = self.faults.deny_arming
        self.rules.has_position = not self.faults.no_position

    def _send(self, message: Any, now_us: int) -> None:
        faults = self.faults
        frame = self.wire.pack(message)
        if faults.silent or self._chance.random() < faults.lose_share:
            return
        if self._chance.random() < faults.corrupt_share:
            place = self._chance.randrange(len(frame))
            frame = frame[:place] + bytes([frame[place] ^ 0x55]) + frame[place + 1 :]
        self._outgoing.append((now_us + round(faults.delay_s * 1e6), frame))

    def _say(self, text: str, now_us: int) -> None:
        if text:
            self._send(self.wire.encoder.statustext_encode(2, text.encode()[:50]), now_us)

    def _is_for_me(self, message: Any) -> bool:
        return message.target_system in (0, self._sender.system)

    def _hear_heartbeat(self, message: Any, now_us: int) -> None:
        self.rules.hear_gcs(message.get_srcSystem(), now_us / 1e6)

    def _hear_setpoint(self, message: Any, now_us: int) -> None:
        if not self._is_for_me(message) or message.type_mask & _VELOCITY_BITS:
            return
        yaw_rate = 0.0 if message.type_mask & _YAW_RATE_BIT else message.yaw_rate
        velocity = (message.vx, message.vy, message.vz)
        self._say(
            self.rules.setpoint(message.coordinate_frame, velocity, yaw_rate, now_us / 1e6), now_us
        )

    def _hear_command(self, message: Any, now_us: int) -> None:
        if not self._is_for_me(message):
            return
        verdict = Verdict(UNSUPPORTED)
        if self.faults.refuse is not None:
            verdict = Verdict(self.faults.refuse)
        elif message.command in self._commands:
            verdict = self._commands[message.command](message, now_us)
        self._say(verdict.text, now_us)
        asker = (message.get_srcSystem(), message.get_srcComponent())
        answer = self.wire.encoder.command_ack_encode(message.command, verdict.result, 0, 0, *asker)
        self._send(answer, now_us)

    def _set_mode(self, message: Any, now_us: int) -> Verdict:
        main, sub = round(message.param2), round(message.param3)
        number = main << 16 | sub << 24 if self._autopilot is PX4 else main
        return self.rules.set_mode(self._autopilot.mode_name(number), now_us / 1e6)

    def _arm_disarm(self, message: Any, now_us: int) -> Verdict:
        if round(message.param1) == 1:
            return self.rules.arm(now_us / 1e6)
        return self.rules.disarm(forced=round(message.param2) == MAGIC)

    def _land(self, message: Any, now_us: int) -> Verdict:
        del message
        return self.rules.set_mode(self._autopilot.land, now_us / 1e6)

    def _take_off(self, message: Any, now_us: int) -> Verdict:
        del now_us
        return self.rules.take_off(message.param7)

    def _set_interval(self, message: Any, now_us: int) -> Verdict:
        del now_us
        names = {
            getattr(self.wire.dialect, f"MAVLINK_MSG_ID_{kind}"): kind for kind in self._telemetry
        }
        kind = names.get(round(message.param1))
        if kind is None:
            return Verdict(UNSUPPORTED)
        self._intervals_us[kind] = max(round(message.param2), TICK_US)
        self._due_us.pop(kind, None)
        return Verdict(ACCEPTED)

    def _heartbeat(self, now_ms: int) -> Any:
        del now_ms
        rules = self.rules
        state = 5 if rules.failing and rules.armed else 4 if rules.armed else 3  # MAV_STATE
        number = self._autopilot.modes[rules.mode]
        base_mode = 1 | (128 if rules.armed else 0)  # custom mode, armed
        quadrotor, family = 2, self._autopilot.mav_autopilot
        return self.wire.encoder.heartbeat_encode(quadrotor, family, base_mode, number, state)

    def _sys_status(self, now_ms: int) -> Any:
        del now_ms
        checks = 0x10000000  # MAV_SYS_STATUS_PREARM_CHECK
        healthy = 0 if self.faults.deny_arming or self.faults.no_position else checks
        charge = round(100 * self.faults.battery)
        volts_mv = round(3 * (3300 + 900 * self.faults.battery))  # three cells
        return self.wire.encoder.sys_status_encode(
            checks, checks, healthy, 200, volts_mv, -1, charge, 0, 0, 0, 0, 0, 0
        )

    def _extended_sys_state(self, now_ms: int) -> Any:
        del now_ms
        rules, on_ground = self.rules, self.body.on_ground
        flying = 3 if rules.is_taking_off else 4 if rules.is_landing else 2
        return self.wire.encoder.extended_sys_state_encode(0, 1 if on_ground else flying)

    def _local_position(self, now_ms: int) -> Any:
        body = self.body
        values = (body.x_m, body.y_m, body.z_m, body.vx_m_s, body.vy_m_s, body.vz_m_s)
        if self.faults.no_position:
            values = (math.nan,) * 6
        return self.wire.encoder.local_position_ned_encode(now_ms, *values)

    def _attitude(self, now_ms: int) -> Any:
        body = self.body
        angles = (0.0, body.pitch_rad, body.heading_rad)
        rates = (0.0, 0.0, body.yaw_rate_rad_s)
        return self.wire.encoder.attitude_encode(now_ms, *angles, *rates)

    def _home(self, now_ms: int) -> Any:
        del now_ms
        upright = (1.0, 0.0, 0.0, 0.0)
        zeros = (0.0, 0.0, 0.0)
        home = (0.0, 0.0, self.body.ground_z_m)
        return self.wire.encoder.home_position_encode(0, 0, 0, *home, upright, *zeros)
