"""Which servo turns which joint, and which steps mean which angle: the calibration file of one arm.

    [[joints]]
    name = "elbow_flex"         # an axis of [limits] in the robot file
    id = 3                      # of the servo on the bus
    homing_offset_steps = -412  # in the servo's own memory, so that the joint's middle reads 2048
    direction = 1               # -1: the servo counts down where the axis goes up
    range_steps = [960, 3100]   # from end to end, as the servo counts with that offset

The offset lies in the servo too, and both are compared when the driver opens: a servo that was
replaced, or an arm with another's file, is then told apart before anything moves.

An axis in rad is zero at step 2048. An axis in m or 1 (a gripper) is at its minimum at the one end
of the range and at its maximum at the other.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.errors import CalibrationError
from firmware_bridge.feetech.registers import MIDDLE_STEPS, RAD_PER_STEP, STEPS_PER_TURN

LARGEST_ID = 252  # as the vendor's client allows
LARGEST_OFFSET_STEPS = 2047  # the sign is bit 11
UNITS = ("rad", "m", "1")
_KEYS = ("name", "id", "homing_offset_steps", "direction", "range_steps")
_LARGEST_FILE_BYTES = 100_000


@dataclass(frozen=True)
class JointCalibration:
    """One servo and the joint it turns."""

    name: str
    id: int
    homing_offset_steps: int
    direction: int  # 1 or -1
    range_steps: tuple[int, int]

    def __post_init__(self) -> None:
        """Refuses what no servo can be.

        Raises:
            CalibrationError: an id, offset, direction or range out of its domain.
        """
        low, high = self.range_steps
        checks = (
            (self.name.isprintable() and self.name != "", "a name has printable letters"),
            (0 <= self.id <= LARGEST_ID, f"id is {self.id}, must be 0 to {LARGEST_ID}"),
            (
                abs(self.homing_offset_steps) <= LARGEST_OFFSET_STEPS,
                f"homing_offset_steps {self.homing_offset_steps} is beyond ±{LARGEST_OFFSET_STEPS}",
            ),
            (self.direction in (1, -1), f"direction is {self.direction}, must be 1 or -1"),
            (
                0 <= low < high < STEPS_PER_TURN,
                f"range_steps is [{low}, {high}], must rise within 0..{STEPS_PER_TURN - 1}",
            ),
        )
        for holds, fault in checks:
            if not holds:
                raise CalibrationError(f"joint {self.name!r}: {fault}")

    @classmethod
    def from_table(cls, table: Any, where: str) -> "JointCalibration":
        """One row of `[[joints]]`.

        Raises:
            CalibrationError: a key that is unknown or missing, or a value of another type.
        """
        valid = ", ".join(_KEYS)
        if not isinstance(table, Mapping) or set(table) != set(_KEYS):
            raise CalibrationError(f"{where} must have exactly the keys {valid}")
        steps = table["range_steps"]
        numbers = (table["id"], table["homing_offset_steps"], table["direction"])
        is_pair = isinstance(steps, list) and len(steps) == 2
        if not is_pair or any(type(number) is not int for number in (*numbers, *steps)):
            raise CalibrationError(f"{where}: all values but the name are whole numbers")
        if not isinstance(table["name"], str):
            raise CalibrationError(f"{where} name is {table['name']!r}, must be a text")
        return cls(table["name"], *numbers, (steps[0], steps[1]))

    def to_toml(self) -> str:
        """Its row of the file."""
        low, high = self.range_steps
        return (
            f"[[joints]]\nname = {json.dumps(self.name, ensure_ascii=False)}\nid = {self.id}\n"
            f"homing_offset_steps = {self.homing_offset_steps}\n"
            f"direction = {self.direction}\nrange_steps = [{low}, {high}]\n"
        )


class Scale(NamedTuple):
    """Steps to the axes' units and back; all arrays (n,) in the order of the axes."""

    zero_steps: NDArray[np.float64]
    steps_per_unit: NDArray[np.float64]  # signed
    low_steps: NDArray[np.float64]
    high_steps: NDArray[np.float64]

    def to_values(self, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Steps (n,), not-a-number where unknown, in the axes' units."""
        return (steps - self.zero_steps) / self.steps_per_unit

    def to_steps(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Values (n,) as whole steps within the ranges."""
        steps = np.rint(self.zero_steps + values * self.steps_per_unit)
        return np.clip(steps, self.low_steps, self.high_steps).astype(np.int64)


class Calibration(NamedTuple):
    """All servos of an arm, in the order of the axes they belong to."""

    joints: tuple[JointCalibration, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """Of the servos."""
        return tuple(joint.id for joint in self.joints)

    def to_toml(self) -> str:
        """The file."""
        return "\n".join(joint.to_toml() for joint in self.joints)

    def scale(self, limits: Limits) -> Scale:
        """How steps and values of these axes belong together."""
        rows = [_scale(*pair) for pair in zip(self.joints, limits.axes, strict=True)]
        return Scale(*np.array(rows, np.float64).T)


def read_calibration(path: Path, limits: Limits) -> Calibration:
    """The calibration of the arm that these limits are for.

    Raises:
        CalibrationError: no such file, or it does not fit; the line begins with the path.
    """
    try:
        with path.open("rb") as file:
            tables = tomllib.loads(file.read(_LARGEST_FILE_BYTES).decode())
    except FileNotFoundError as error:
        raise CalibrationError(
            f"calibration {path} is missing: make it with reflexarc calibrate ROBOT"
        ) from error
    except OSError as error:
        raise CalibrationError(f"calibration {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # also no UTF-8
        raise CalibrationError(f"calibration {path} is no valid TOML: {error}") from error
    try:
        return fitted(_joints(tables), limits)
    except CalibrationError as error:
        raise CalibrationError(f"calibration {path}: {error}") from error


def fitted(joints: tuple[JointCalibration, ...], limits: Limits) -> Calibration:
    """These joints in the order of the axes of a robot.

    Raises:
        CalibrationError: axes and joints are not the same, two share a servo, an axis has a unit
            that no servo can follow, or may go farther than its joint.
    """
    by_name = {joint.name: joint for joint in joints}
    axes = [axis.name for axis in limits.axes]
    for name in by_name:
        if name not in axes:
            raise CalibrationError(f"no axis is named {name!r}: the axes are {', '.join(axes)}")
    for name in axes:
        if name not in by_name:
            raise CalibrationError(f"it lacks the axis {name!r}: calibrate anew")
    for what, given in (("name", by_name), ("id", {joint.id for joint in joints})):
        if len(given) < len(joints):
            raise CalibrationError(f"two joints have the same {what}: each needs its own servo")
    calibration = Calibration(tuple(by_name[name] for name in axes))
    for joint, axis in zip(calibration.joints, limits.axes, strict=True):
        _check_range(joint, axis)
    return calibration


def _joints(tables: Mapping[str, Any]) -> tuple[JointCalibration, ...]:
    rows = tables.get("joints")
    if set(tables) != {"joints"} or not isinstance(rows, list) or not rows:
        raise CalibrationError("it must consist of tables [[joints]] alone")
    return tuple(
        JointCalibration.from_table(row, f"[[joints]] {index}") for index, row in enumerate(rows)
    )


def _check_range(joint: JointCalibration, axis: AxisLimit) -> None:
    if axis.unit not in UNITS:
        raise CalibrationError(
            f"axis {axis.name!r} is in {axis.unit!r}: a servo takes positions in {', '.join(UNITS)}"
        )
    if axis.unit != "rad":
        return
    ends = [joint.direction * (end - MIDDLE_STEPS) * RAD_PER_STEP for end in joint.range_steps]
    low, high = min(ends), max(ends)
    if axis.minimum < low - RAD_PER_STEP or axis.maximum > high + RAD_PER_STEP:
        raise CalibrationError(
            f"the limits of axis {axis.name!r}, {axis.minimum:g}..{axis.maximum:g} rad, exceed its "
            f"range, {low:.3f}..{high:.3f} rad: narrow them in the robot file, or calibrate anew"
        )


def _scale(joint: JointCalibration, axis: AxisLimit) -> tuple[float, float, float, float]:
    """A column of `Scale`."""
    low, high = joint.range_steps
    if axis.unit == "rad":
        return MIDDLE_STEPS, joint.direction / RAD_PER_STEP, low, high
    per_unit = joint.direction * (high - low) / (axis.maximum - axis.minimum)
    at_minimum = low if joint.direction > 0 else high
    return at_minimum - axis.minimum * per_unit, per_unit, low, high
