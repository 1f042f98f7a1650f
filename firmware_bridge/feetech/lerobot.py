"""Takes over what LeRobot has calibrated: most SO-100 and SO-101 arms were calibrated by it.

Its file (`MotorCalibration` in `lerobot/motors/motors_bus.py`) names per joint the id, the homing
offset in the servo and the ends of the range, all in the servo's own steps, as ours does. Its
middle reads 2047, ours 2048: a step is 0.09 degrees. Drive mode 1 counts down.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firmware_bridge.errors import CalibrationError
from firmware_bridge.feetech.calibration import JointCalibration

_KEYS = ("id", "drive_mode", "homing_offset", "range_min", "range_max")
_LARGEST_FILE_CHARACTERS = 100_000


def read_lerobot(path: Path) -> tuple[JointCalibration, ...]:
    """The joints of a calibration file of LeRobot.

    Raises:
        CalibrationError: it is none; the line begins with the path.
    """
    try:
        with path.open(encoding="utf-8") as file:
            tables = json.loads(file.read(_LARGEST_FILE_CHARACTERS))
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # also no UTF-8
        raise CalibrationError(f"{path} is no valid JSON: {error}") from error
    if not isinstance(tables, Mapping) or not tables:
        raise CalibrationError(f"{path} has no joints: it is no calibration of LeRobot")
    try:
        return tuple(_joint(name, table) for name, table in tables.items())
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error}") from error


def _joint(name: str, table: Any) -> JointCalibration:
    """One joint.

    Raises:
        CalibrationError: a key that is missing, or a value out of its domain.
    """
    for key in _KEYS:
        if not isinstance(table, Mapping) or key not in table:
            raise CalibrationError(f"joint {name!r} lacks {key}")
        if type(table[key]) is not int:
            raise CalibrationError(f"joint {name!r}: {key} is {table[key]!r}, no whole number")
    direction = -1 if table["drive_mode"] else 1
    ends = table["range_min"], table["range_max"]
    return JointCalibration(name, table["id"], table["homing_offset"], direction, ends)
