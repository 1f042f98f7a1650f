"""Actuators that lag, end stops and sensors, for controllers that are tried without a robot."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from firmware_bridge.emulators.faults import Fault
from firmware_bridge.emulators.plant_wire import Drive, PlantWire, Sense
from firmware_bridge.safety_words import AxisKind


class PlantAxis(NamedTuple):
    """One actuator with its sensor; first order from setpoint to reality."""

    kind: AxisKind
    minimum: float  # axis; end stop of a position, greatest speeds of a velocity
    maximum: float  # axis
    start: float  # axis
    lag_s: float = 0.05
    effort_per_unit: float = 1.0  # effort by the distance to the setpoint
    noise: float = 0.0  # axis; standard deviation of what is measured


class Plant:
    """The actuators and sensors of one robot. `values` is the truth, (n,) in the axes' units."""

    def __init__(
        self, axes: Sequence[PlantAxis], faults: Sequence[Fault] = (), seed: int = 0
    ) -> None:
        self._axes = tuple(axes)
        self._wire = PlantWire(self, faults, seed)
        self._rng = np.random.default_rng(seed)
        self._efforts = [0.0] * len(self._axes)
        self.load = [0.0] * len(self._axes)  # effort that the world adds
        self.values = [axis.start for axis in self._axes]
        self.torque = False  # whether the actuators have any
        self.voltage_v = 12.0
        self.temperature_c = 30.0

    def inject(self, fault: Fault) -> None:
        """Adds a fault of actuators or sensors."""
        self._wire.inject(fault)

    def receive(self, data: bytes) -> bytes:
        """Moves as drives say, and answers them."""
        return self._wire.receive(data)

    def move(self, drive: Drive, elapsed_s: float) -> None:
        """Every axis goes on towards its setpoint."""
        self.torque = bool(drive.torque)
        for i, axis in enumerate(self._axes):
            goal = self._goal(axis, drive.setpoint[i], self.values[i])
            share = 1 - math.exp(-elapsed_s / axis.lag_s)
            moved = self.values[i] + share * (goal - self.values[i])
            self.values[i] = min(max(moved, axis.minimum), axis.maximum)
            self._efforts[i] = axis.effort_per_unit * (goal - self.values[i]) + self.load[i]

    def sense(self, time_us: int) -> Sense:
        """What is, with noise."""
        noise = self._rng.standard_normal(len(self._axes))
        values = [
            value + axis.noise * float(one)
            for value, axis, one in zip(self.values, self._axes, noise, strict=True)
        ]
        return Sense(
            time_us, tuple(values), tuple(self._efforts), self.voltage_v, self.temperature_c
        )

    def _goal(self, axis: PlantAxis, setpoint: float, value: float) -> float:
        """Where an axis goes: without torque a position stays, and a velocity ends."""
        if self.torque:
            return setpoint
        return 0.0 if axis.kind is AxisKind.VELOCITY else value
