"""The controller's setpoint: where each axis shall be at this tick, in single precision.

What it shall do is decided elsewhere (`firmware_bridge.safety`) and said by a `Motion`.
"""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.configuration import TICK_US, AxisConfiguration, Configuration
from firmware_bridge.motion import Moved, Rates, to_rest, towards
from firmware_bridge.safety_words import AxisKind, Reaction

_DT_S = TICK_US / 1e6


class Motion(IntEnum):
    """What the setpoint does."""

    FREE = 0
    """It goes along with what is measured: there is no torque."""
    FOLLOW = 1
    HOLD = 2
    """Positions stay where they are at once; velocities go to their stop, as fast as they may."""
    DECELERATE = 3
    LAND = 4


class Setpoints:
    """The setpoint of all axes; `values` are (n,) float32 in the axes' units."""

    def __init__(self, told: Configuration, axes: Sequence[AxisConfiguration]) -> None:
        def column(name: str) -> NDArray[np.float32]:
            return np.array([getattr(axis, name) for axis in axes], np.float32)

        self._rates = Rates(
            *map(column, ("minimum", "maximum", "slew_per_s", "acceleration_per_s2"))
        )
        self._ramp_per_s = column("ramp_per_s")  # (n,)
        self._is_velocity = column("kind") == AxisKind.VELOCITY  # (n,)
        self._stop = self.clipped(np.nan_to_num(column("stop")))  # (n,)
        self._ramping = np.zeros(len(axes), np.bool_)  # (n,) towards a first command
        self._landing = np.zeros(len(axes), np.bool_)  # (n,)
        self._land_per_s = np.float32(told.land_per_s)
        if told.reaction == Reaction.LAND:
            self._landing[told.land_axis] = True
        self._target = self._stop  # (n,)
        self._moved = Moved(self._stop, np.zeros(len(axes), np.float32))

    @property
    def values(self) -> NDArray[np.float32]:
        """Where the axes shall be, (n,)."""
        return self._moved.setpoint

    @property
    def has_landed(self) -> bool:
        """Whether the axis that lands is at its minimum."""
        return bool((self.values == self._rates.minimum)[self._landing].all())

    def clipped(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values brought into the range, (n,)."""
        return np.clip(values, self._rates.minimum, self._rates.maximum)

    def rebase(self, measured: NDArray[np.float32]) -> None:
        """Begins anew where the robot is, at rest; what is not finite leaves an axis as it was.

        Args:
            measured: (n,) in the axes' units.
        """
        known = np.where(np.isfinite(measured), measured, self.values)
        base = np.where(self._is_velocity, self._stop, self.clipped(known))
        self._moved = Moved(base, np.zeros_like(base))
        self._target = base
        self._ramping[:] = False

    def follow(self, target: NDArray[np.float32], *, ramping: NDArray[np.bool_]) -> None:
        """Takes a target in range, (n,); `ramping` axes go slowly until they reach it once."""
        self._target = target
        self._ramping |= ramping

    def advance(self, motion: Motion, measured: NDArray[np.float32]) -> None:
        """One tick."""
        if motion is Motion.FREE:
            self.rebase(measured)
        elif motion is Motion.FOLLOW:
            self._follow()
        else:
            self._stop_moving(motion)

    def _follow(self) -> None:
        slew_per_s = self._rates.slew_per_s
        slew_per_s = np.where(self._ramping, np.minimum(slew_per_s, self._ramp_per_s), slew_per_s)
        rates = self._rates._replace(slew_per_s=slew_per_s)
        self._moved = towards(self._target, self._moved, rates, _DT_S)
        self._ramping &= self.values != self._target

    def _stop_moving(self, motion: Motion) -> None:
        if motion is Motion.HOLD:  # positions have no rate to come down from
            self._moved = Moved(
                self.values, np.where(self._is_velocity, self._moved.rate, np.float32(0))
            )
        landing = self._landing & (motion is Motion.LAND)
        slew_per_s = np.where(
            landing, np.minimum(self._rates.slew_per_s, self._land_per_s), self._rates.slew_per_s
        )
        rates = self._rates._replace(slew_per_s=slew_per_s)
        goal = np.where(landing, rates.minimum, self._stop)
        going = towards(goal, self._moved, rates, _DT_S)
        resting = to_rest(self._moved, rates, _DT_S)
        goes = landing | self._is_velocity
        self._moved = Moved(
            np.where(goes, going.setpoint, resting.setpoint),
            np.where(goes, going.rate, resting.rate),
        )
