"""How a robot moved, told from its commands alone: needs no sensor, and drifts.

Good for seconds of metres, and for a minute of "more to the left".
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Lag:
    """How a vehicle follows its commands: first order."""

    speed_s: float = 0.3
    yaw_s: float = 0.1


class Motion(NamedTuple):
    """What a robot did in one step, in the body frame of its end."""

    ahead_m: float
    turned_rad: float  # left is positive

    def carry(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Points (N, 2) that stand still, x ahead and y left in m, as the robot sees them after."""
        x_m, y_m = points[:, 0] - self.ahead_m, points[:, 1]
        cos, sin = math.cos(self.turned_rad), math.sin(self.turned_rad)
        return np.stack([cos * x_m + sin * y_m, cos * y_m - sin * x_m], axis=1)


class DeadReckoning:
    """One motion per step of a fixed length."""

    def __init__(self, lag: Lag, step_s: float) -> None:
        """`step_s`: time between two calls of `step`."""
        self._speed_part = 1 - math.exp(-step_s / lag.speed_s)
        self._yaw_part = 1 - math.exp(-step_s / lag.yaw_s)
        self._step_s = step_s
        self.reset()

    def reset(self) -> None:
        """The robot is at rest."""
        self._commanded = (0.0, 0.0)
        self._speed_m_s = self._yaw_rad_s = 0.0

    def step(self, command: tuple[float, float]) -> Motion:
        """How it moved in the step that ends now.

        Args:
            command: forward speed m/s and yaw rate rad/s of the step before; it acts a step later.
        """
        speed_m_s, yaw_rad_s = self._commanded
        self._speed_m_s += self._speed_part * (speed_m_s - self._speed_m_s)
        self._yaw_rad_s += self._yaw_part * (yaw_rad_s - self._yaw_rad_s)
        self._commanded = command
        return Motion(self._speed_m_s * self._step_s, self._yaw_rad_s * self._step_s)
