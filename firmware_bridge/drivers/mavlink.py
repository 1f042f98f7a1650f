"""A flying robot behind a flight controller: velocities to PX4 or ArduPilot, by MAVLink.

The flight controller keeps the vehicle in the air; this driver tells it where to go, proves that
somebody is still there, and lets go when it is told to. It never arms by itself, and never fights a
pilot or a failsafe for the controls: `firmware_bridge/mavlink/engagement.py` draws the states.

An e-stop stops the motors wherever the vehicle is: IN THE AIR IT FALLS. A stop hovers, then lands.
"""

import contextlib
import math
import time
from collections import Counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from firmware_bridge.driver import DriverState, Features
from firmware_bridge.errors import PortError, PortLostError
from firmware_bridge.mavlink.asking import Asker
from firmware_bridge.mavlink.autopilots import AUTOPILOTS
from firmware_bridge.mavlink.axes import Setpoint, VelocityAxes
from firmware_bridge.mavlink.connection import Connection
from firmware_bridge.mavlink.engagement import Engagement, Rules, Stage
from firmware_bridge.mavlink.errors import not_found, wrong_autopilot
from firmware_bridge.mavlink.handover import DO_SET_MODE
from firmware_bridge.mavlink.options import Config
from firmware_bridge.mavlink.stream import Stream
from firmware_bridge.mavlink.vehicle import TELEMETRY_HZ, Vehicle
from firmware_bridge.port import Port
from firmware_bridge.safety import Mode, Wish

SECOND_NS: Final = 1_000_000_000
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
        self._config, self._given_port = config, port
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
        self._second_ns = 0  # when the next heartbeat is due
        self._faults: dict[str, None] = {}  # since the last read; each once
        self._reopen_ns: int | None = None  # when a lost port is tried next
        self._past: Counter[str] = Counter()  # of connections that were lost
        self._counts = dict.fromkeys(("received", "refused", "setpoints", "ports_lost"), 0)

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
        self._connection = Connection(self._config, self._given_port)
        try:
            self._wait_for_vehicle(self._connection, now_ns)
        except BaseException:
            self.close()
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
        command = self._axes.clip(values)
        if not np.isfinite(values).all():
            self._refuse("non_finite")
        elif not self._engagement.command_came(self._axes.altitude_m(command), now_ns):
            self._refuse("wrong_mode")
        else:
            self._command = command

    def request(self, wish: Wish, now_ns: int) -> None:
        """Asks for another mode; ESTOP stops the motors, in the air too: the vehicle falls."""
        nobody = self._connection is None or not self._vehicle.heard
        if nobody and wish is not Wish.ESTOP:  # which is kept, and told once there is somebody
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
        if self._engagement.has_controls and self._config.on_exit == "land":
            params = self._autopilot.mode_params(self._autopilot.land)
            with contextlib.suppress(PortLostError):  # then nobody can be told anything
                for copy in range(EXIT_COPIES):
                    self._send_command(DO_SET_MODE, copy, params)
        self._free()
        self._reopen_ns = None

    def _free(self) -> None:
        if self._connection is not None:
            self._past.update(self._connection.counters())
            self._connection.close()
        self._connection, self._command = None, None

    def _wait_for_vehicle(self, connection: Connection, now_ns: int) -> None:
        """Lets time pass until the vehicle is heard; the caller's clock goes on meanwhile."""
        config, began_ns = self._config, time.monotonic_ns()
        waited_ns, patience_ns = 0, round(config.open_timeout_s * SECOND_NS)
        while not self._vehicle.heard and waited_ns < patience_ns:
            self._tick(now_ns + waited_ns)
            time.sleep(OPEN_POLL_S)
            waited_ns = time.monotonic_ns() - began_ns
        if not patience_ns:
            return
        if not self._vehicle.heard:
            raise not_found(config, connection.wire)
        if self._vehicle.autopilot_id != self._autopilot.mav_autopilot:
            raise wrong_autopilot(config, self._vehicle.autopilot_id)

    def _tick(self, now_ns: int) -> None:
        if self._connection is None:
            self._reopen(now_ns)
        if self._connection is None:
            return
        try:
            self._hear(self._connection, now_ns)
            self._engagement.tick(now_ns)
            self._asker.tick(now_ns)
            self._speak(self._connection, now_ns)
        except PortLostError:
            self._lose(now_ns)

    def _hear(self, connection: Connection, now_ns: int) -> None:
        for message in connection.receive():
            self._vehicle.hear(message, now_ns)
            if message.get_type() == "COMMAND_ACK" and connection.answers_us(message):
                self._asker.hear(message)
        if (motion := self._vehicle.motion(now_ns, math.inf)) is not None:
            self._still = self._axes.still(motion)

    def _speak(self, connection: Connection, now_ns: int) -> None:
        if now_ns >= self._second_ns:
            self._second_ns = now_ns + SECOND_NS
            connection.heartbeat()
            self._ask_for_telemetry(connection, now_ns)
        due = self._engagement.may_stream and self._stream.is_due(now_ns)
        if self._vehicle.heard and due and connection.setpoint(self._setpoint(now_ns), now_ns):
            self._stream.sent(now_ns)
            self._counts["setpoints"] += 1

    def _ask_for_telemetry(self, connection: Connection, now_ns: int) -> None:
        for kind, rate_hz in TELEMETRY_HZ.items():
            if self._vehicle.heard and self._vehicle.age_s(kind, now_ns) > 3.0 / rate_hz:
                connection.ask_for(kind, rate_hz)

    def _setpoint(self, now_ns: int) -> Setpoint:
        motion = self._vehicle.motion(now_ns, self._config.estimate_s)
        following = self._engagement.mode(now_ns) is Mode.ACTIVE
        if not following or motion is None or self._command is None:
            return self._axes.hover()
        return self._axes.setpoint(self._command, motion)

    def _send_command(self, number: int, confirmation: int, params: tuple[float, ...]) -> None:
        if self._connection is not None:
            self._connection.command(number, confirmation, params)

    def _lose(self, now_ns: int) -> None:
        """The port is gone: what was asked for is off, and from now on it tries to have it back."""
        self._free()
        self._reopen_ns = now_ns + SECOND_NS
        self._counts["ports_lost"] += 1
        if self._engagement.stage in (Stage.ASKING, Stage.ENGAGED):
            self._engagement.stop("port_lost", now_ns)

    def _reopen(self, now_ns: int) -> None:
        """Tries once a second after a loss; then it hovers and lands, unless somebody resets it."""
        if self._reopen_ns is None or now_ns < self._reopen_ns:
            return
        self._reopen_ns = now_ns + SECOND_NS
        try:
            self._connection = Connection(self._config, self._given_port)
        except PortError:
            return
        self._reopen_ns = None

    def _mode(self, now_ns: int) -> Mode:
        if self._connection is None and self._engagement.stage is not Stage.ESTOPPED:
            return Mode.BOOT
        return self._engagement.mode(now_ns)

    def _why(self, mode: Mode) -> tuple[str, ...]:
        """Why it stands still."""
        if self._reopen_ns is not None:
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
        wire = self._past.copy()
        if self._connection is not None:
            wire.update(self._connection.counters())
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
