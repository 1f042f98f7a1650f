"""Numbers and keys of a robot file's tables, checked in one place for the sections of an arm."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import ArmTableError


def check_keys(where: str, table: Any, needed: Collection[str]) -> None:
    """Refuses a table that has not exactly these keys.

    Raises:
        ArmTableError: no table, or a key that is unknown or missing; lists the valid ones.
    """
    if not isinstance(table, Mapping):
        raise ArmTableError(f"{where} is {table!r}: it must be a table")
    valid = ", ".join(needed)
    for key in table:
        if key not in needed:
            raise ArmTableError(f"{where} has the unknown key {key!r}: valid keys are {valid}")
    for key in needed:
        if key not in table:
            raise ArmTableError(f"{where} lacks the key {key!r}: valid keys are {valid}")


def number(where: str, table: Mapping[str, Any], key: str) -> float:
    """A finite number of a table.

    Raises:
        ArmTableError: it is none.
    """
    value = table[key]
    if not _is_number(value):
        raise ArmTableError(f"{where} {key} is {value!r}: give a finite number")
    return float(value)


def vector3(where: str, table: Mapping[str, Any], key: str) -> NDArray[np.float64]:
    """Three finite numbers of a table, (3,).

    Raises:
        ArmTableError: they are not.
    """
    value = table[key]
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    if not is_list or len(value) != 3 or not all(map(_is_number, value)):
        raise ArmTableError(f"{where} {key} is {value!r}: give three finite numbers")
    return np.array(value, np.float64)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
