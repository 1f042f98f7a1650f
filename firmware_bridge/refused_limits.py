"""Which limit a controller refuses: it says that one is beyond its hardware, and not which.

So it is asked again, with one limit at a time as in the robot's file and the others tame enough for
any hardware. It is not armed meanwhile, and told at last to forget it all.
"""

import math
from typing import Any, NamedTuple

from firmware_bridge.mcu_setup import Setup
from firmware_bridge.safety_words import Reason

_TAME = 1e-3  # in the unit of any axis
_TAME_MS = 1
_TIMES = ("watchdog_ms", "heartbeat_ms", "sensor_ms")  # that hardware bounds


class Question(NamedTuple):
    """A packet that asks whether one limit is kept."""

    key: str  # as in the robot's file; "": nothing is asked
    packet: str
    fields: dict[str, Any]


def questions(setup: Setup, packet: str, index: int) -> list[Question]:
    """What to ask about a packet that was refused, `index` being its axis, one after the other."""
    if packet == "configure":
        tame = setup.configure | dict.fromkeys(_TIMES, _TAME_MS)
        return [
            Question(key.replace("_ms", "_s"), packet, tame | {key: setup.configure[key]})
            for key in _TIMES
        ]
    axis = setup.axes[index]
    asked = [Question(key, packet, _tame(axis) | {key: axis[key]}) for key in _keys(axis)]
    return [*asked, Question("", "configure", setup.configure)]


def told(setup: Setup, packet: str, index: int, keys: list[str], where: str) -> str:
    """The line for the person, with the keys that were refused."""
    if packet == "configure":
        whose, values = "[link]", {key: setup.configure[f"{key[:-2]}_ms"] / 1000 for key in keys}
    else:
        whose, values = f"axis {setup.axis_names[index]!r}", setup.axes[index]
    which = ", ".join(f"{key} {values[key]}" for key in keys) or "limits"
    return (
        f"{whose}: {which} is beyond the hardware of the controller at {where}: lower it in the "
        "robot's TOML, or build the firmware for it (hardware_limits.h)"
    )


def not_understood(setup: Setup, packet: str, index: int, reason: Reason, where: str) -> str:
    """The line for the person, where the values themselves make no sense to the controller."""
    whose = "[link]" if packet == "configure" else f"axis {setup.axis_names[index]!r}"
    return (
        f"{whose}: the controller at {where} says {reason.name.lower()}; it calculates with seven "
        "digits: give a wider range, a larger slew_per_s"
    )


def _tame(axis: dict[str, Any]) -> dict[str, Any]:
    return axis | {
        "minimum": -_TAME,
        "maximum": _TAME,
        "stop": math.nan,
        "slew_per_s": _TAME,
        "acceleration_per_s2": math.inf,  # has no such limit, which every hardware keeps
    }


def _keys(axis: dict[str, Any]) -> list[str]:
    """The limits that can be asked about: a range is told from one end at a time."""
    keys = ["slew_per_s", "acceleration_per_s2"]
    if axis["maximum"] > _TAME:
        keys.insert(0, "maximum")
    if axis["minimum"] < -_TAME:
        keys.insert(0, "minimum")
    return keys
