"""What hangs on a controller's second wire: actuators that lag, end stops, sensors.

It answers every `drive` with a `sense` and has no clock of its own: its time is that of the drives.
Faults stand between the wire and the actuators, and between the sensors and the wire.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from firmware_bridge.emulators.faults import Fault, FaultLine, Place
from firmware_bridge.framing import Decoder, Encoder
from firmware_bridge.protocol import BY_NAME, pack, unpack
from firmware_bridge.safety_words import AxisKind

LONGEST_STEP_S = 0.1  # of a drive after a pause; a controller that began anew comes from the past


class PlantAxis(NamedTuple):
    """One actuator with its sensor; first order from setpoint to reality."""

    kind: AxisKind
    minimum: float  # axis; end stop of a position, greatest speeds of a velocity
    maximum: float  # axis
    start: float  # axis
    lag_s: float = 0.05
    effort_per_unit: float = 1.0  # effort by the distance to the setpoint
    noise: float = 0.0  # axis; standard deviation of what is measured


class Drive(NamedTuple):
    """The packet `drive`."""

    time_us: int
    torque: int
    setpoint: tuple[float, ...]


class Sense(NamedTuple):
    """The packet `sense`."""

    time_us: int
    values: tuple[float, ...]
    efforts: tuple[float, ...]
    voltage_v: float
    temperature_c: float


class Plant:
    """The actuators and sensors of one robot. `values` is the truth, (n,) in the axes' units."""

    def __init__(
        self, axes: Sequence[PlantAxis], faults: Sequence[Fault] = (), seed: int = 0
    ) -> None:
        self._axes = tuple(axes)
        self._decoder = Decoder()
        self._encoder = Encoder()
        self._rng = np.random.default_rng(seed)
        self._actuators = FaultLine(Place.ACTUATOR, faults, seed)
        self._sensors = FaultLine(Place.SENSOR, faults, seed)
        self._time_us: int | None = None  # of the last drive
        self._efforts = [0.0] * len(self._axes)
        self.load = [0.0] * len(self._axes)  # effort that the world adds
        self.values = [axis.start for axis in self._axes]
        self.torque = False  # whether the actuators have any
        self.voltage_v = 12.0
        self.temperature_c = 30.0

    def inject(self, fault: Fault) -> None:
        """Adds a fault of actuators or sensors."""
        self._actuators.inject(fault)
        self._sensors.inject(fault)

    def receive(self, data: bytes) -> bytes:
        """Moves as drives say, and answers them."""
        answers = bytearray()
        for frame in self._decoder.feed(data):
            message = unpack(frame.type, frame.payload)
            if frame.type == BY_NAME["drive"].id and message is not None:
                answers += self._answer(Drive(*message))
        return bytes(answers)

    def _answer(self, drive: Drive) -> bytes:
        elapsed_s = self._elapsed_s(drive.time_us)
        for passed in self._actuators.passes(drive, drive.time_us):
            self._move(passed, elapsed_s)
        sensed = self._sensors.passes(self._sense(drive.time_us), drive.time_us)
        frame_type = BY_NAME["sense"].id
        payloads = [pack("sense", **one._asdict()) for one in sensed]
        return b"".join(self._encoder.encode(frame_type, payload) for payload in payloads)

    def _elapsed_s(self, time_us: int) -> float:
        before_us, self._time_us = self._time_us, time_us
        if before_us is None:
            return 0.0
        return min(max(0.0, (time_us - before_us) / 1e6), LONGEST_STEP_S)

    def _move(self, drive: Drive, elapsed_s: float) -> None:
        self.torque = bool(drive.torque)
        for i, axis in enumerate(self._axes):
            goal = self._goal(axis, drive.setpoint[i], self.values[i])
            share = 1 - math.exp(-elapsed_s / axis.lag_s)
            moved = self.values[i] + share * (goal - self.values[i])
            self.values[i] = min(max(moved, axis.minimum), axis.maximum)
            self._efforts[i] = axis.effort_per_unit * (goal - self.values[i]) + self.load[i]

    def _goal(self, axis: PlantAxis, setpoint: float, value: float) -> float:
        """Where an axis goes: without torque a position stays, and a velocity ends."""
        if self.torque:
            return setpoint
        return 0.0 if axis.kind is AxisKind.VELOCITY else value

    def _sense(self, time_us: int) -> Sense:
        noise = self._rng.standard_normal(len(self._axes))
        values = [
            value + axis.noise * float(one)
            for value, axis, one in zip(self.values, self._axes, noise, strict=True)
        ]
        return Sense(
            time_us, tuple(values), tuple(self._efforts), self.voltage_v, self.temperature_c
        )
