"""Random lives of a controller: what a host, a plant and a bad wire may do to it, in any order.

A walk is drawn while the Python twin lives it, so that it gets past the handshake and into motion;
what arrived, and what the twin said, is kept. Another board that lives the same must say the same.
"""

import math
from typing import NamedTuple

import numpy as np

from firmware_bridge.emulators.controller import PythonBoard
from firmware_bridge.framing import Decoder, Encoder
from firmware_bridge.protocol import BY_ID, BY_NAME, MAX_AXES, SCHEMA_HASH, Link, pack, unpack
from firmware_bridge.safety_words import Mode, Wish

inf, nan = math.inf, math.nan
PACES_US = (1_000, 2_000, 5_000, 10_000, 50_000, 1_200_000)
PACE_ODDS = (0.2, 0.22, 0.48, 0.09, 0.009, 0.001)


class Event(NamedTuple):
    """Bytes on both wires at a time, then a step to a later one, and what the twin then said."""

    received: tuple[tuple[Link, bytes, int], ...]
    step_us: int
    said: dict[Link, bytes]


class Walk:
    """Draws one life; `modes` counts the telemetry of each mode."""

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)
        self._board = PythonBoard()
        self._encoders = {link: Encoder() for link in Link}
        self._decoders = {link: Decoder() for link in Link}
        self._received = []
        self._now_us = 0
        self._believed = Mode.BOOT
        self._axes = self._one_of(1, 2, 3, MAX_AXES)
        self._target = [0.0] * MAX_AXES
        self._measured = np.zeros(MAX_AXES, np.float32)
        self._quiet = {"command": 0, "heartbeat": 0}  # steps without
        self._is_stuck = False
        self.modes = dict.fromkeys(Mode, 0)

    def events(self, steps):
        return [self._step(k) for k in range(steps)]

    def _step(self, k):
        if self._believed is Mode.BOOT and self._odds(0.1):
            self._connect()
        self._wish()
        self._disturb()
        self._beat(k)
        self._command(k)
        self._now_us += int(self._rng.choice(PACES_US, p=PACE_ODDS))
        self._board.step(self._now_us)
        said = {link: self._board.take(link) for link in Link}
        event = Event(tuple(self._received), self._now_us, said)
        self._received = []
        self._hear(said)
        return event

    def _odds(self, chance):
        return self._rng.random() < chance

    def _one_of(self, *values):
        return values[self._rng.integers(len(values))]

    def _receive(self, link, data):
        self._received.append((link, data, self._now_us))
        self._board.receive(link, data, self._now_us)

    def _send(self, link, name, **values):
        encoder = self._encoders[link]
        self._receive(link, encoder.encode(BY_NAME[name].id, pack(name, **values)))

    def _host(self, name, **values):
        self._send(Link.HOST, name, **values)

    def _connect(self):
        if self._odds(0.7):
            self._host("hello", schema_hash=SCHEMA_HASH if self._odds(0.95) else 5)
        self._host(
            "configure",
            axes=self._axes if self._odds(0.95) else int(self._rng.integers(0, 10)),
            reaction=int(self._rng.integers(0, 4)) if self._odds(0.97) else 4,
            first_command=int(self._rng.integers(0, 2)),
            land_axis=int(self._rng.integers(0, 2)),
            land_per_s=self._one_of(0.5, 2.0),
            watchdog_ms=self._one_of(50, 100, 300, 300, 0, 1001),
            heartbeat_ms=self._one_of(100, 500),
            sensor_ms=self._one_of(20, 50, 50),
            following_ms=self._one_of(50, 200),
            max_command_age_ms=100,
            min_voltage_v=self._one_of(-inf, 9.0),
            max_temperature_c=self._one_of(inf, 60.0),
        )
        for index in range(self._axes):
            self._configure_axis(index)

    def _configure_axis(self, index):
        self._host(
            "configure_axis",
            index=index,
            kind=int(self._odds(0.25)),
            minimum=self._one_of(-4.0, -1.5, -0.5),
            maximum=self._one_of(0.5, 2.0, 3.5) if self._odds(0.98) else 12.0,
            stop=self._one_of(nan, 0.0, 0.25),
            slew_per_s=self._one_of(0.5, 2.0, 8.0),
            acceleration_per_s2=self._one_of(inf, inf, 4.0, 32.0, 32.0, 1e-37),
            max_speed=3.0 if self._odds(0.2) else inf,
            max_effort=4.0 if self._odds(0.4) else inf,
            max_following=0.5 if self._odds(0.2) else inf,
            max_jump=0.25 if self._odds(0.2) else inf,
            ramp_per_s=self._one_of(inf, 0.25),
        )

    def _wish(self):
        likely = {
            Mode.DISARMED: (Wish.ARM, 0.3),
            Mode.PROTECTIVE_STOP: (Wish.RESET, 0.1),
            Mode.ESTOP: (Wish.RESET, 0.05),
        }
        wish, chance = likely.get(self._believed, (Wish.ARM, 0.002))
        if self._odds(chance):
            self._host("wish", wish=wish)
        if self._odds(0.015):
            self._host("wish", wish=int(self._rng.integers(0, 8)))

    def _disturb(self):
        """What no well-behaved host does."""
        if self._odds(0.004):
            self._host("hello", schema_hash=SCHEMA_HASH)
        if self._odds(0.004):
            self._connect()
        if self._odds(0.004):
            self._receive(self._one_of(*Link), self._rng.bytes(20))
        if self._odds(0.004):
            self._send(Link.PLANT, "wish", wish=Wish.ESTOP)
        if self._odds(0.004):
            self._host("verdict", about=0, index=0, reason=0, mode=0)
        if self._odds(0.01):
            self._host("time_request", host_us=int(self._rng.integers(0, 2**60)))

    def _is_quiet(self, name, chance, steps):
        if self._odds(chance):
            self._quiet[name] = int(self._rng.integers(1, steps))
        self._quiet[name] -= 1
        return self._quiet[name] > 0

    def _beat(self, k):
        if not self._is_quiet("heartbeat", 0.002, 400) and k % 8 == 0:
            mode = self._believed if self._odds(0.95) else int(self._rng.integers(0, 8))
            self._host("heartbeat", mode=mode)

    def _command(self, k):
        if k % 20 == 0:
            self._target = (self._rng.integers(-160, 160, MAX_AXES) / 32).tolist()
        if self._is_quiet("command", 0.004, 60) or self._odds(0.4):
            return
        values = list(self._target)
        if self._odds(0.02):
            values[0] = self._one_of(nan, inf, -inf, 1e30)
        age_us = self._one_of(*(0,) * 12, 50_000, 100_000, 200_000, -50_000, -200_000)
        self._host("command", stamped_us=max(0, self._now_us - age_us), values=values)
        if self._odds(0.01):
            self._receive(*self._received[-1][:2])  # replayed

    def _hear(self, said):
        """Believes the telemetry, and answers the drives at the beginning of the next step."""
        for frame in self._decoders[Link.HOST].feed(said[Link.HOST]):
            if BY_ID[frame.type].name == "telemetry":
                self._believed = Mode(unpack(frame.type, frame.payload).mode)
                self.modes[self._believed] += 1
        for frame in self._decoders[Link.PLANT].feed(said[Link.PLANT]):
            self._answer(unpack(frame.type, frame.payload))

    def _answer(self, drive):
        if self._odds(0.02 if self._is_stuck else 0.003):
            self._is_stuck = not self._is_stuck
        if not self._is_stuck:
            setpoint = np.array(drive.setpoint, np.float32)
            self._measured += np.float32(0.5) * (setpoint - self._measured)
        values = self._measured.tolist()
        if self._odds(0.004):
            values[0] = self._one_of(nan, inf, 3.0, 50.0)
        if self._odds(0.02):
            return
        self._send(
            Link.PLANT,
            "sense",
            time_us=drive.time_us + (10**6 if self._odds(0.002) else 0),
            values=values,
            efforts=[self._one_of(5.0, inf) if self._odds(0.003) else 0.0] * MAX_AXES,
            voltage_v=self._one_of(8.0, nan) if self._odds(0.003) else 12.0,
            temperature_c=self._one_of(70.0, -inf) if self._odds(0.003) else 30.0,
        )
