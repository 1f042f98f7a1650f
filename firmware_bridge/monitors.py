"""Whether the sensors can be believed, and whether the robot does what its setpoint says.

A sample's age counts from the moment it was asked for, so a bus that delays its answers is lost,
as is one that gives none. Sensors lie in ways that can be seen: not a number, a leap faster than
the axis can move, the same bits while the setpoint has gone away. One that lies plausibly, by
an offset that grows slowly, is seen by nobody.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from firmware_bridge.axis_monitor import AxisMonitor
from firmware_bridge.configuration import AxisConfiguration, Configuration
from firmware_bridge.safety_words import Reason

SENSOR_FAULTS = frozenset(
    (Reason.SENSOR_LOST, Reason.SENSOR_RANGE, Reason.SENSOR_STUCK, Reason.SENSOR_GARBAGE)
)


class Sample(NamedTuple):
    """What the sensors say: the packet `sense`."""

    time_us: int  # controller's clock, when it was asked for
    values: tuple[float, ...]  # at least one per axis
    efforts: tuple[float, ...]
    voltage_v: float
    temperature_c: float


class Monitors:
    """Judges the newest sample at each tick. Where several things are wrong, the first counts."""

    def __init__(self, told: Configuration, axes: Sequence[AxisConfiguration]) -> None:
        self._told = told
        self._axes = [AxisMonitor(axis, told.sensor_ms, told.following_ms) for axis in axes]
        self._sample: Sample | None = None
        self._is_garbage = False  # since the last tick
        self._has_leapt = False  # the newest sample

    @property
    def measured(self) -> list[float]:
        """The newest values, one per axis; not-a-number before the first."""
        n = len(self._axes)
        return [math.nan] * n if self._sample is None else list(self._sample.values[:n])

    def sense(self, sample: Sample, now_us: int) -> None:
        """Takes a sample; one from the future is garbage, one not newer than the last is none."""
        last = self._sample
        if sample.time_us > now_us:
            self._is_garbage = True
        elif last is None:
            self._sample = sample
        elif sample.time_us > last.time_us:
            dt_s = (sample.time_us - last.time_us) / 1e6
            leaps = [
                axis.leaps(before, after, dt_s)
                for axis, before, after in zip(self._axes, last.values, sample.values, strict=False)
            ]
            self._has_leapt = any(leaps)
            self._is_garbage = self._is_garbage or self._has_leapt
            self._sample = sample

    def begin(self, setpoint: Sequence[float], now_us: int) -> None:
        """Starts the clocks anew: torque came on, or a stop began."""
        for axis, value in zip(self._axes, setpoint, strict=True):
            axis.begin(value, now_us)

    def judge(self, setpoint: Sequence[float], now_us: int) -> Reason:
        """What is wrong at this tick, NONE if nothing is."""
        found = [
            axis.judge(value, measured, effort, now_us)
            for axis, value, measured, effort in zip(
                self._axes, setpoint, self.measured, self._efforts(), strict=True
            )
        ]
        found += [self._sensors(now_us), self._supply()]
        if self._is_garbage:
            found.append(Reason.SENSOR_GARBAGE)
        self._is_garbage = False
        return _first(found)

    def health(self, now_us: int) -> Reason:
        """Why torque must not come on, NONE if it may."""
        found = [self._sensors(now_us), self._supply()]
        found += [
            axis.strain(effort) for axis, effort in zip(self._axes, self._efforts(), strict=True)
        ]
        if self._has_leapt:
            found.append(Reason.SENSOR_GARBAGE)
        if any(
            axis.is_outside(value) for axis, value in zip(self._axes, self.measured, strict=True)
        ):
            found.append(Reason.OUTSIDE)
        return _first(found)

    def _efforts(self) -> list[float]:
        n = len(self._axes)
        return [math.nan] * n if self._sample is None else list(self._sample.efforts[:n])

    def _sensors(self, now_us: int) -> Reason:
        sample = self._sample
        if sample is None or now_us - sample.time_us > self._told.sensor_ms * 1000:
            return Reason.SENSOR_LOST
        said = (*self.measured, *self._efforts(), sample.voltage_v, sample.temperature_c)
        return Reason.NONE if all(map(math.isfinite, said)) else Reason.SENSOR_RANGE

    def _supply(self) -> Reason:
        if self._sample is None:
            return Reason.NONE
        if self._sample.voltage_v < self._told.min_voltage_v:
            return Reason.VOLTAGE
        hot = self._sample.temperature_c > self._told.max_temperature_c
        return Reason.TEMPERATURE if hot else Reason.NONE


def _first(found: Sequence[Reason]) -> Reason:
    """The first reason of the table that was found."""
    return min((reason for reason in found if reason), default=Reason.NONE)
