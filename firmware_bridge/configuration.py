"""What a controller is told before it may be armed, and what it refuses of that.

The fields are those of the packets `configure` and `configure_axis`. A controller knows the limits
of its hardware better than any file on a host, and has the last word.
"""

import math
from dataclasses import dataclass

from firmware_bridge.safety_words import AxisKind, Reaction, Reason

MAX_AXES = 8
TICK_US = 5_000  # the controller's control period
RAMP, ABORT = 0, 1  # of `first_command`


@dataclass(frozen=True)
class Configuration:
    """What holds for all axes: the packet `configure`."""

    axes: int
    reaction: int
    first_command: int  # RAMP or ABORT, when it is too far away
    land_axis: int
    land_per_s: float  # axis/s
    watchdog_ms: int
    heartbeat_ms: int
    sensor_ms: int
    following_ms: int
    max_command_age_ms: int
    min_voltage_v: float
    max_temperature_c: float


@dataclass(frozen=True)
class AxisConfiguration:
    """The limits of one axis: the packet `configure_axis`. Infinite: no limit."""

    index: int
    kind: int
    minimum: float  # axis
    maximum: float  # axis
    stop: float  # axis; not-a-number: it holds
    slew_per_s: float  # axis/s
    acceleration_per_s2: float  # axis/s²
    max_speed: float  # axis/s of a position, axis of a velocity; measured
    max_effort: float  # effort; measured
    max_following: float  # axis
    max_jump: float  # axis
    ramp_per_s: float  # axis/s

    @property
    def bounds(self) -> tuple[float, ...]:
        """All that is infinite where there is no limit."""
        return (
            self.acceleration_per_s2,
            self.max_speed,
            self.max_effort,
            self.max_following,
            self.max_jump,
            self.ramp_per_s,
        )


@dataclass(frozen=True)
class HardwareLimits:
    """What the hardware keeps, whatever a host asks for; `firmware/hardware_limits.h` in C."""

    minimum: float = -10.0  # axis
    maximum: float = 10.0  # axis
    slew_per_s: float = 50.0  # axis/s
    acceleration_per_s2: float = 1000.0  # axis/s², of an axis that has such a limit at all
    watchdog_ms: int = 1_000
    heartbeat_ms: int = 5_000
    sensor_ms: int = 1_000


def refused(told: Configuration, hardware: HardwareLimits) -> Reason:
    """Why a configuration is refused; NONE: it is not."""
    times = (told.watchdog_ms, told.heartbeat_ms, told.sensor_ms, told.following_ms)
    is_good = (
        1 <= told.axes <= MAX_AXES
        and told.reaction <= max(Reaction)
        and told.first_command in (RAMP, ABORT)
        and min(*times, told.max_command_age_ms) > 0
        and not math.isnan(told.min_voltage_v)
        and not math.isnan(told.max_temperature_c)
    )
    if not is_good or (told.reaction == Reaction.LAND and not _can_land(told)):
        return Reason.BAD_VALUE
    is_kept = (
        told.watchdog_ms <= hardware.watchdog_ms
        and told.heartbeat_ms <= hardware.heartbeat_ms
        and told.sensor_ms <= hardware.sensor_ms
    )
    return Reason.NONE if is_kept else Reason.BEYOND_HARDWARE


def refused_axis(axis: AxisConfiguration, told: Configuration, hardware: HardwareLimits) -> Reason:
    """Why an axis of a configuration is refused; NONE: it is not."""
    lands = told.reaction == Reaction.LAND and axis.index == told.land_axis
    is_good = (
        axis.index < told.axes
        and axis.kind <= max(AxisKind)
        and not (lands and axis.kind == AxisKind.VELOCITY)
        and _has_a_range(axis)
        and 0 < axis.slew_per_s < math.inf
        and all(bound > 0 for bound in axis.bounds)  # not-a-number compares false
    )
    if not is_good:
        return Reason.BAD_VALUE
    is_kept = (
        axis.minimum >= hardware.minimum
        and axis.maximum <= hardware.maximum
        and axis.slew_per_s <= hardware.slew_per_s
        and not hardware.acceleration_per_s2 < axis.acceleration_per_s2 < math.inf
    )
    return Reason.NONE if is_kept else Reason.BEYOND_HARDWARE


def _can_land(told: Configuration) -> bool:
    return told.land_axis < told.axes and 0 < told.land_per_s < math.inf


def _has_a_range(axis: AxisConfiguration) -> bool:
    is_range = -math.inf < axis.minimum < axis.maximum < math.inf
    return is_range and (math.isnan(axis.stop) or axis.minimum <= axis.stop <= axis.maximum)


class Setup:
    """What a controller was told so far."""

    def __init__(self, hardware: HardwareLimits) -> None:
        self._hardware = hardware
        self._axes: list[AxisConfiguration | None] = []
        self.told: Configuration | None = None

    @property
    def axes(self) -> list[AxisConfiguration]:
        """The axes it knows."""
        return [axis for axis in self._axes if axis is not None]

    @property
    def is_complete(self) -> bool:
        """Whether it knows all axes."""
        return self.told is not None and len(self.axes) == self.told.axes

    def configure(self, told: Configuration) -> Reason:
        """Begins anew, unless it is refused; then nothing changes."""
        reason = refused(told, self._hardware)
        if not reason:
            self.told = told
            self._axes = [None] * told.axes
        return reason

    def configure_axis(self, axis: AxisConfiguration) -> Reason:
        """Adds or replaces an axis, unless it is refused; then nothing changes."""
        if self.told is None:
            return Reason.NOT_CONFIGURED
        reason = refused_axis(axis, self.told, self._hardware)
        if not reason:
            self._axes[axis.index] = axis
        return reason
