"""A flying robot behind a flight controller: velocities to PX4 or ArduPilot, by MAVLink.

The flight controller keeps the vehicle in the air; this driver tells it where to go, proves that
somebody is still there, and lets go when it is told to. It never arms by itself, and never fights a
pilot or a failsafe for the controls: `firmware_bridge/mavlink/engagement.py` draws the states.

An e-stop stops the motors wherever the vehicle is: IN THE AIR IT FALLS. A stop hovers, then lands.
"""

import math
import time
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from firmware_bridge.driver import DriverState, Features
from firmware_bridge.errors import PortLostError
from firmware_bridge.mavlink.asking import Asker
from firmware_bridge.mavlink.autopilots import AUTOPILOTS
from firmware_bridge.mavlink.axes import VELOCITY_AND_YAW_RATE, Setpoint, VelocityAxes
from firmware_bridge.mavlink.connection import Connection
from firmware_bridge.mavlink.engagement import DO_SET_MODE, Engagement, Rules, Stage
from firmware_bridge.mavlink.errors import not_found, wrong_autopilot
from firmware_bridge.mavlink.options import Config
from firmware_bridge.mavlink.stream import Stream
from firmware_bridge.mavlink.vehicle import TELEMETRY_HZ, Vehicle
from firmware_bridge.port import Port
from firmware_bridge.safety import Mode, Wish

SECOND_NS: Final = 1_000_000_000
SET_MESSAGE_INTERVAL: Final = 511  # MAV_CMD_SET_MESSAGE_INTERVAL
ONBOARD_CONTROLLER, NO_AUTOPILOT, ACTIVE_STATE = 18, 8, 4  # MAV_TYPE, MAV_AUTOPILOT, MAV_STATE
EXIT_COPIES: Final = 3  # of the last order, which nobody stays to see answered
OPEN_POLL_S: Final = 0.01


class MavlinkDriver:
    """The `Driver` interface over a MAVLink connection."""

    Config = Config

    def __init__(self, limits: Limits, config: Config, port: Port | None = None) -> None:
        """Connects to nothing.

        Args:
            limits: with the axes forward_speed, yaw_rate and altitude.
            config: the options of `[link]`.
            port: to use in place of the one that `config.port` names.

        Raises:
            LimitsTableError: other axes.
        """
        self._config, self._port = config, port
        self._autopilot = AUTOPILOTS[config.autopilot]
        self._axes = VelocityAxes(limits, self._autopilot.frame, config.altitude_gain_per_s)
        self._vehicle = Vehicle(self._autopilot)
        self._stream = Stream(config.stream_hz)
        self._asker = Asker(self._send_command)
        self._engagement = Engagement(
            self._autopilot, self._vehicle, self._asker, self._stream, _rules(config)
        )
        self._connection: Connection | None = None
        self._command: NDArray[np.float64] | None = None  # (3,) being followed
        self._still = np.zeros(3)  # (3,) the command that means: stay where it was seen last
        self._second_ns: int | None = None  # when the next heartbeat is due
        self._faults: dict[str, None] = {}  # since the last read; each once
        self._lost = False  # the port
        self._counts = {"received": 0, "refused": 0, "setpoints": 0}

    @property
    def features(self) -> Features:
        """It is hardware: it waits for a person to arm it."""
        return Features(False, ("values",), ("hold", "land"))

    @property
    def texts(self) -> tuple[str, ...]:
        """What the vehicle said in words (STATUSTEXT), newest last: why it did not arm, mostly."""
        return tuple(self._vehicle.texts)

    def open(self, now_ns: int) -> None:
        """Opens the port and waits for the vehicle's heartbeat.

        Raises:
            BridgeInputError: the port, the key, or whoever answers is not as it should be.
        """
        self._connection = Connection(self._config, self._port)
        try:
            self._wait_for_vehicle(now_ns)
        except BaseException:
            self._free()
            raise

    def read(self, now_ns: int) -> DriverState:
        """What the vehicle says of itself; also keeps the stream and the heartbeat going.

        Faults: why it is stopped, as long as it is, and once each what was refused.
        """
        self._tick(now_ns)
        mode = self._mode(now_ns)
        stopped = not mode.is_engaged
        why = self._why(mode) if stopped else ()
        faults = (*why, *self._faults, *self._engagement.refusals)
        self._faults.clear()
        self._engagement.refusals.clear()
        applied = (
            self._command if mode is Mode.ACTIVE and self._command is not None else self._still
        )
        motion = self._vehicle.motion(now_ns, self._config.estimate_s)
        measured = None if motion is None else self._axes.measured(motion)
        return DriverState(applied.copy(), stopped, faults, mode, measured, self._counters())

    def send(self, values: NDArray[np.float64], now_ns: int) -> None:
        """Follows (3,) `values` from now on, if they are finite and it has the controls."""
        self._tick(now_ns)  # first: a gap that ends here was a gap
        self._counts["received"] += 1
        if not np.isfinite(values).all():
            self._refuse("non_finite")
        elif not self._engagement.command_came(self._axes.altitude_m(values), now_ns):
            self._refuse("wrong_mode")
        else:
            self._command = np.array(values, np.float64)

    def request(self, wish: Wish, now_ns: int) -> None:
        """Asks for another mode; ESTOP stops the motors, in the air too: the vehicle falls."""
        if self._connection is None or not (self._vehicle.heard or wish is Wish.ESTOP):
            self._faults[f"{wish.name.lower()}_refused_no_heartbeat"] = None
            return
        self._engagement.request(wish, now_ns)
        self._tick(now_ns)

    def stop(self, now_ns: int) -> None:
        """Hovers, then lands if `reaction` says so; lasts until it is reset."""
        self.request(Wish.STOP, now_ns)

    def close(self) -> None:
        """Orders it to land if it still has the controls and `on_exit` says so; frees the port.

        It does not wait for an answer. If the order is lost, the vehicle's own failsafe is what is
        left, as it is after a crash of this process: docs/users/mavlink.md says how to set it.
        """
        has_controls = self._engagement.stage in (Stage.ENGAGED, Stage.STOPPED)
        if has_controls and self._vehicle.follows and self._config.on_exit == "land":
            for copy in range(EXIT_COPIES):
                self._send_command(
                    DO_SET_MODE, copy, self._autopilot.mode_params(self._autopilot.land)
                )
        self._free()

    def _free(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._command = None, None

    def _wait_for_vehicle(self, now_ns: int) -> None:
        """Lets time pass until the vehicle is heard; the caller's clock goes on meanwhile."""
        config, began_ns = self._config, time.monotonic_ns()
        waited_ns, patience_ns = 0, round(config.open_timeout_s * SECOND_NS)
        while not self._vehicle.heard and waited_ns < patience_ns:
            self._tick(now_ns + waited_ns)
            time.sleep(OPEN_POLL_S)
            waited_ns = time.monotonic_ns() - began_ns
        if not patience_ns:
            return
        wire = cast("Connection", self._connection).wire
        if not self._vehicle.heard:
            raise not_found(
                config, wire.others, wire.counters["corrupt"] + wire.counters["unsigned"]
            )
        if self._vehicle.autopilot_id != self._autopilot.mav_autopilot:
            raise wrong_autopilot(config, self._vehicle.autopilot_id)

    def _tick(self, now_ns: int) -> None:
        if self._connection is None or self._lost:
            return
        try:
            self._hear(now_ns)
            self._engagement.tick(now_ns)
            self._asker.tick(now_ns)
            self._speak(now_ns)
        except PortLostError:
            self._lost = True

    def _hear(self, now_ns: int) -> None:
        for message in cast("Connection", self._connection).receive():
            self._vehicle.hear(message, now_ns)
            if message.get_type() == "COMMAND_ACK" and self._is_mine(message):
                self._asker.hear(message)
        if (motion := self._vehicle.motion(now_ns, math.inf)) is not None:
            self._still = self._axes.still(motion)

    def _is_mine(self, acknowledgement: object) -> bool:
        """Whether it answers this driver: 0 and MAVLink 1 name nobody."""
        return getattr(acknowledgement, "target_system", 0) in (0, self._config.own_system_id)

    def _speak(self, now_ns: int) -> None:
        connection = cast("Connection", self._connection)
        if self._second_ns is None or now_ns >= self._second_ns:
            self._second_ns = now_ns + SECOND_NS
            connection.send("heartbeat", ONBOARD_CONTROLLER, NO_AUTOPILOT, 0, 0, ACTIVE_STATE)
            self._ask_for_telemetry(now_ns)
        if self._vehicle.heard and self._engagement.may_stream and self._stream.is_due(now_ns):
            self._send_setpoint(self._setpoint(now_ns), now_ns)

    def _ask_for_telemetry(self, now_ns: int) -> None:
        if not self._vehicle.heard:
            return
        for kind, rate_hz in TELEMETRY_HZ.items():
            if self._vehicle.age_s(kind, now_ns) > 3.0 / rate_hz:
                number = cast("Connection", self._connection).message_id(kind)
                self._send_command(SET_MESSAGE_INTERVAL, 0, (float(number), 1e6 / rate_hz))

    def _setpoint(self, now_ns: int) -> Setpoint:
        motion = self._vehicle.motion(now_ns, self._config.estimate_s)
        following = self._engagement.mode(now_ns) is Mode.ACTIVE
        if not following or motion is None or self._command is None:
            return self._axes.hover()
        return self._axes.setpoint(self._command, motion)

    def _send_setpoint(self, setpoint: Setpoint, now_ns: int) -> None:
        frame, vx, vy, vz, yaw_rate = setpoint
        sent = cast("Connection", self._connection).send(
            "set_position_target_local_ned",
            now_ns // 1_000_000 % 2**32,
            self._config.system_id,
            self._config.component_id,
            frame,
            VELOCITY_AND_YAW_RATE,
            *(0.0, 0.0, 0.0),
            *(vx, vy, vz),
            *(0.0, 0.0, 0.0),
            *(0.0, yaw_rate),
        )
        if sent:
            self._stream.sent(now_ns)
            self._counts["setpoints"] += 1

    def _send_command(self, command: int, confirmation: int, params: tuple[float, ...]) -> None:
        if self._connection is None:
            return
        seven = (*params, *(0.0,) * (7 - len(params)))
        self._connection.send(
            "command_long",
            self._config.system_id,
            self._config.component_id,
            command,
            confirmation,
            *seven,
        )

    def _mode(self, now_ns: int) -> Mode:
        if self._connection is None or self._lost:
            return Mode.BOOT
        return self._engagement.mode(now_ns)

    def _why(self, mode: Mode) -> tuple[str, ...]:
        """Why it stands still."""
        if self._lost:
            return ("port_lost",)
        if self._engagement.why:
            return (self._engagement.why,)
        if mode is Mode.BOOT:
            return ("no_heartbeat",)
        return (f"mode_{self._vehicle.mode}",) if mode is Mode.PROTECTIVE_STOP else ()

    def _refuse(self, why: str) -> None:
        self._counts["refused"] += 1
        self._faults[why] = None

    def _counters(self) -> dict[str, int]:
        wire = {} if self._connection is None else self._connection.counters()
        return {**self._counts, **self._engagement.counters, **wire}


def _rules(config: Config) -> Rules:
    lands = config.reaction == "land"
    return Rules(
        watchdog_ns=round(config.watchdog_s * SECOND_NS),
        heartbeat_s=config.heartbeat_s,
        estimate_s=config.estimate_s,
        min_battery=config.min_battery,
        land_after_ns=round(config.land_after_s * SECOND_NS) if lands else None,
    )
