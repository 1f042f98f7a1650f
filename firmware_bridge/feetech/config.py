"""Options of an arm of Feetech servos: the `[link]` table of its robot file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.errors import LinkTableError
from firmware_bridge.feetech.guards import GuardLimits

_CHOICES = {
    "reaction": ("hold", "limp"),
    "on_exit": ("hold", "limp"),
    "first_command": ("ramp", "abort"),
}


@dataclass(frozen=True)
class Config:
    """Options of `[link]` for an arm of Feetech servos.

    The limits of voltage are those of what the servo bears (STS3215: 4 to 14 V over its variants,
    below 4 V it cuts itself off); narrow them to the supply of the arm. It works up to 60 °C and
    cuts itself off at 70 °C, and when it gave 80 % of its drive for 2 s.
    """

    port: str  # address of the bus adapter, such as "/dev/ttyACM0"
    calibration: str  # file of the arm, see docs/users/feetech.md
    baud: int = 1_000_000  # as the servos come
    open_timeout_s: float = 1.0  # s for all servos to tell who they are
    watchdog_s: float = 0.1  # s without a good command until it stops
    answer_s: float = 0.015  # s after which an answer is late: less than a tick
    silent_s: float = 0.1  # s without an answer until a servo counts as lost
    reaction: str = "hold"  # what a stop does: "hold", or "limp" = torque off
    on_exit: str = "hold"  # what becomes of the torque: an arm that is let go of falls
    first_command: str = "ramp"  # beyond an axis' max_jump: approach slowly, or "abort" = stop
    min_voltage_v: float = 4.5  # V
    max_voltage_v: float = 14.0  # V
    max_temperature_c: float = 60.0  # °C
    max_load: float = 0.8  # share of full drive, of an axis without max_effort
    load_s: float = 1.0  # s that a load may be above that
    following_s: float = 0.3  # s that an axis may be off its goal by more than its max_following
    torque_limits: Mapping[str, float] = field(default_factory=dict)  # axis -> share of full drive

    def __post_init__(self) -> None:
        """Refuses values out of their domain.

        Raises:
            LinkTableError: see above; names the option.
        """
        for name, valid in _CHOICES.items():
            if getattr(self, name) not in valid:
                raise LinkTableError(
                    f"[link] {name} is {getattr(self, name)!r}: valid are {', '.join(valid)}"
                )
        for option in fields(self):
            value = getattr(self, option.name)
            if option.type in (float, int) and not _is_positive(value):
                raise LinkTableError(f"[link] {option.name} is {value!r}, must be a number > 0")
            if option.type is str and not isinstance(value, str):
                raise LinkTableError(f"[link] {option.name} is {value!r}, must be a text")
        if self.min_voltage_v >= self.max_voltage_v:
            raise LinkTableError("[link] min_voltage_v is not below max_voltage_v")
        shares = self.torque_limits
        if not isinstance(shares, Mapping) or any(
            not _is_positive(share) or share > 1 for share in shares.values()
        ):
            raise LinkTableError(
                f"[link] torque_limits is {shares!r}: write axes and shares, {{gripper = 0.5}}"
            )

    def guards(self, axis: AxisLimit, steps_per_unit: float) -> GuardLimits:
        """When the arm must stop for the servo of an axis."""
        steps = abs(steps_per_unit)
        return GuardLimits(
            silent_s=self.silent_s,
            min_voltage_v=self.min_voltage_v,
            max_voltage_v=self.max_voltage_v,
            max_temperature_c=self.max_temperature_c,
            max_load=self.max_load if axis.max_effort is None else axis.max_effort,
            load_s=self.load_s,
            max_speed_steps_s=math.inf if axis.max_speed is None else axis.max_speed * steps,
            max_following_steps=math.inf
            if axis.max_following is None
            else axis.max_following * steps,
            following_s=self.following_s,
        )

    def torque_shares(self, limits: Limits) -> NDArray[np.float64]:
        """Torque limits (n,) of the axes, shares of full drive.

        Raises:
            LinkTableError: one of an axis that there is not.
        """
        names = [axis.name for axis in limits.axes]
        for name in self.torque_limits:
            if name not in names:
                raise LinkTableError(
                    f"[link] torque_limits names {name!r}: the axes are {', '.join(names)}"
                )
        return np.array([self.torque_limits.get(name, 1.0) for name in names], np.float64)


def _is_positive(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < math.inf
