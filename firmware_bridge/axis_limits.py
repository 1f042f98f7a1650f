"""What each axis of a robot's command may be: the `[limits]` table of a robot file, checked.

It describes; `firmware_bridge.limits` enforces on the host, the controller's firmware behind it.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from firmware_bridge.errors import LimitsTableError
from firmware_bridge.safety_words import AxisKind

_LARGEST = sys.float_info.max  # a whole number of a TOML file may be larger
GUARDS = (
    "acceleration_per_s2",
    "max_speed",
    "max_effort",
    "max_following",
    "max_jump",
    "ramp_per_s",
)
"""Limits that an axis need not have."""


@dataclass(frozen=True)
class AxisLimit:
    """What one axis of a robot's command vector may be.

    The host's limiter keeps all that concerns the command; what is measured is watched by the
    controller. A position whose first command is further than `max_jump` from where it stands goes
    there at `ramp_per_s`; without that, the command is refused.
    """

    name: str
    unit: str
    minimum: float  # unit
    maximum: float  # unit
    slew_per_s: float  # unit/s, the fastest change that is sent
    stop: float | None = None  # unit, commanded to stop; None = hold the last accepted value
    acceleration_per_s2: float | None = None  # unit/s², the fastest change of the change
    max_speed: float | None = None  # measured: unit/s of a position, unit of a velocity
    max_effort: float | None = None  # measured, in the actuator's unit
    max_following: float | None = None  # unit, between command and measurement
    max_jump: float | None = None  # unit, from where the robot stands to a first command
    ramp_per_s: float | None = None  # unit/s, towards a first command that is further away

    def __post_init__(self) -> None:
        """Refuses an axis that no command could satisfy.

        Raises:
            LimitsTableError: a value that is not a finite number, an empty range, no slew, a stop
                value out of range, a limit that is not positive, or a ramp for no jump.
        """
        for key in ("minimum", "maximum", "slew_per_s", "stop", *GUARDS):
            value = getattr(self, key)
            if value is None and key in ("stop", *GUARDS):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise LimitsTableError(f"axis {self.name!r}: {key} is {value!r}, not a number")
            if not abs(value) <= _LARGEST:  # not-a-number compares false
                raise LimitsTableError(f"axis {self.name!r}: {key} is {value}, must be finite")
            if key in GUARDS and value <= 0:
                raise LimitsTableError(f"axis {self.name!r}: {key} {value} must be > 0")
        if self.minimum >= self.maximum:
            raise LimitsTableError(
                f"axis {self.name!r}: minimum {self.minimum} is not below maximum {self.maximum}"
            )
        if self.slew_per_s <= 0:
            raise LimitsTableError(f"axis {self.name!r}: slew_per_s {self.slew_per_s} must be > 0")
        if self.stop is not None and not self.minimum <= self.stop <= self.maximum:
            raise LimitsTableError(
                f"axis {self.name!r}: stop {self.stop} is outside {self.minimum}..{self.maximum}"
            )
        if self.ramp_per_s is not None and self.max_jump is None:
            raise LimitsTableError(
                f"axis {self.name!r}: ramp_per_s without max_jump, from which on it holds"
            )

    @property
    def kind(self) -> AxisKind:
        """A unit per second is that of a velocity."""
        return AxisKind.VELOCITY if self.unit.endswith("/s") else AxisKind.POSITION


@dataclass(frozen=True)
class Limits:
    """The limits of a robot: one axis per value of its command vector, in that order."""

    axes: tuple[AxisLimit, ...]
    max_command_age_s: float  # s, since capture of the data behind a command; older means stop

    def __post_init__(self) -> None:
        """Refuses limits without axes, with twice the same axis, or without a finite age.

        Raises:
            LimitsTableError: see above.
        """
        names = [axis.name for axis in self.axes]
        if not names:
            raise LimitsTableError("[limits] has no axes: add at least one [[limits.axes]]")
        if len(set(names)) < len(names):
            raise LimitsTableError(f"[limits] names an axis twice: {', '.join(names)}")
        age = self.max_command_age_s
        if isinstance(age, bool) or not isinstance(age, int | float) or not 0 < age <= _LARGEST:
            raise LimitsTableError(
                f"[limits] max_command_age_s is {age!r}, must be a positive number of seconds"
            )

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "Limits":
        """Reads the `[limits]` table of a robot TOML.

        Raises:
            LimitsTableError: a key that is missing or unknown, or a value out of its domain.
        """
        _check_keys("[limits]", table, required={"axes", "max_command_age_s"}, optional=set())
        rows = table["axes"]
        if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
            raise LimitsTableError("[limits] axes must be a list of tables: write [[limits.axes]]")
        optional = {"stop", *GUARDS}
        required = {field.name for field in fields(AxisLimit)} - optional
        for index, row in enumerate(rows):
            _check_keys(f"[[limits.axes]] {index}", row, required, optional)
        return cls(tuple(AxisLimit(**row) for row in rows), table["max_command_age_s"])

    def as_table(self) -> dict[str, Any]:
        """The `[limits]` table; limits that an axis does not have are left out, but for `stop`."""
        axes = [asdict(axis) for axis in self.axes]
        for axis in axes:
            for guard in GUARDS:
                if axis[guard] is None:
                    del axis[guard]
        return {"axes": axes, "max_command_age_s": self.max_command_age_s}


def _check_keys(
    where: str, table: Mapping[str, Any], required: set[str], optional: set[str]
) -> None:
    valid = ", ".join(sorted(required | optional))
    for key in table:
        if key not in required | optional:
            raise LimitsTableError(f"{where} has the unknown key {key!r}: valid keys are {valid}")
    for key in sorted(required - set(table)):
        raise LimitsTableError(f"{where} lacks the key {key!r}: valid keys are {valid}")
