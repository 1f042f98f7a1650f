"""The first command after a start may be far from where the robot stands: no leap there.

A position with a `max_jump` goes to such a command at its `ramp_per_s`, until it has reached what
is commanded once; if it has no ramp, the command is refused. A velocity begins at rest and has its
slew.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import AxisLimit
from firmware_bridge.safety_words import AxisKind

Vector = NDArray[np.float64]


class JumpGuard:
    """Watches the first commands of all axes; vectors are (n,) in the axes' units."""

    def __init__(self, axes: Sequence[AxisLimit]) -> None:
        slew_per_s = np.array([axis.slew_per_s for axis in axes], np.float64)  # (n,)
        ramp_per_s = np.array([axis.ramp_per_s or math.inf for axis in axes])  # (n,)
        self._ramp_per_s = np.minimum(slew_per_s, ramp_per_s)
        self._max_jump = np.array([_max_jump(axis) for axis in axes])  # (n,)
        self._refuses = np.array([axis.ramp_per_s is None for axis in axes])  # (n,)
        self._ramping = np.zeros(len(axes), np.bool_)  # (n,)

    @property
    def is_ramping(self) -> bool:
        """Whether an axis is on its slow way."""
        return bool(self._ramping.any())

    def passes(self, target: Vector, stands: Vector) -> bool:
        """Meets a first command; False: it is refused."""
        far = np.abs(target - stands) > self._max_jump
        if (far & self._refuses).any():
            return False
        self._ramping = far
        return True

    def slowed(self, slew_per_s: Vector) -> Vector:
        """How fast the axes may go now."""
        return np.where(self._ramping, self._ramp_per_s, slew_per_s)

    def watch(self, target: Vector, stands: Vector) -> None:
        """Lets axes that have arrived go at their own pace."""
        self._ramping = self._ramping & (target != stands)

    def forget(self) -> None:
        """The next command is a first one."""
        self._ramping = np.zeros_like(self._ramping)


def _max_jump(axis: AxisLimit) -> float:
    if axis.max_jump is None or axis.kind is AxisKind.VELOCITY:
        return math.inf
    return axis.max_jump
