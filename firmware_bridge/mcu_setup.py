"""What a controller is told on connect: the packets `configure` and `configure_axis` of a robot."""

import math
from typing import Any, NamedTuple

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.configuration import ABORT, RAMP
from firmware_bridge.errors import LinkTableError
from firmware_bridge.mcu_options import McuOptions
from firmware_bridge.protocol import MAX_AXES
from firmware_bridge.safety_words import AxisKind, Reaction


class Setup(NamedTuple):
    """All that a controller must know."""

    axis_names: tuple[str, ...]
    configure: dict[str, Any]  # fields of the packet
    axes: tuple[dict[str, Any], ...]  # fields of `configure_axis`, one per axis


def setup_of(limits: Limits, options: McuOptions) -> Setup:
    """What the tables `[limits]` and `[link]` of a robot file mean for its controller.

    An axis without a limit on jumps has one nevertheless, since a controller never leaps: from a
    twentieth of its range on it goes to a first command at a quarter of its slew.

    Raises:
        LinkTableError: more axes than a controller has, or no way to land.
    """
    names = tuple(axis.name for axis in limits.axes)
    if len(names) > MAX_AXES:
        raise LinkTableError(f"[limits] has {len(names)} axes: a controller has at most {MAX_AXES}")
    axes = tuple(_axis(index, axis) for index, axis in enumerate(limits.axes))
    return Setup(names, _common(limits, options), axes)


def _common(limits: Limits, options: McuOptions) -> dict[str, Any]:
    return {
        "axes": len(limits.axes),
        "reaction": Reaction[options.reaction.upper()],
        "first_command": ABORT if any(map(_refuses_jumps, limits.axes)) else RAMP,
        "land_axis": _land_axis(limits, options),
        "land_per_s": options.land_per_s,
        "watchdog_ms": _ms(options.watchdog_s),
        "heartbeat_ms": _ms(options.heartbeat_s),
        "sensor_ms": _ms(options.sensor_s),
        "following_ms": _ms(options.following_s),
        "max_command_age_ms": _ms(options.max_delay_s),
        "min_voltage_v": options.min_voltage_v,
        "max_temperature_c": options.max_temperature_c,
    }


def _land_axis(limits: Limits, options: McuOptions) -> int:
    if options.reaction != "land":
        return 0
    down = [axis.name for axis in limits.axes if axis.kind is AxisKind.POSITION]
    if options.land_axis not in down:
        raise LinkTableError(
            f"[link] land_axis is {options.land_axis!r}: reaction 'land' needs a position axis, "
            f"one of {', '.join(down) or 'none here'}"
        )
    if not 0 < options.land_per_s < math.inf:
        raise LinkTableError(f"[link] land_per_s is {options.land_per_s}, must be > 0 to land")
    return [axis.name for axis in limits.axes].index(options.land_axis)


def _refuses_jumps(axis: AxisLimit) -> bool:
    return axis.max_jump is not None and axis.ramp_per_s is None


def _axis(index: int, axis: AxisLimit) -> dict[str, Any]:
    return {
        "index": index,
        "kind": axis.kind,
        "minimum": axis.minimum,
        "maximum": axis.maximum,
        "stop": math.nan if axis.stop is None else axis.stop,
        "slew_per_s": axis.slew_per_s,
        "acceleration_per_s2": axis.acceleration_per_s2 or math.inf,
        "max_speed": axis.max_speed or math.inf,
        "max_effort": axis.max_effort or math.inf,
        "max_following": axis.max_following or math.inf,
        "max_jump": axis.max_jump or (axis.maximum - axis.minimum) / 20,
        "ramp_per_s": axis.ramp_per_s or axis.slew_per_s / 4,
    }


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
