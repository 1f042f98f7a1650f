"""What was near a moment ago and has left the view: a few seconds of points around the robot.

A camera that looks ahead does not see beside the nose, and that is where a robot that turns on the
spot flies next. So near things are remembered as points on the floor plan, and moved by dead
reckoning. That drifts, which is why the memory is short and small: long enough to turn around in,
wide enough for the hull.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policies.dead_reckoning import Motion


@dataclass(frozen=True)
class NearMemoryConfig:
    """What is kept, and how the camera looks."""

    seconds: float = 8.0  # a turn on the spot with some looking around takes as long
    radius_m: float = 1.2  # what is farther off will be seen again before it matters
    nearest_per_m: float = 1.0  # 1/m, nearness from which a sector is worth a point
    half_view_rad: float = math.radians(29.0)  # of the camera
    camera_ahead_m: float = 0.2  # from the axis that the robot turns about


class NearMemory:
    """Points (N, 2) in the body frame, x ahead m, y left m, with their ages."""

    def __init__(self, config: NearMemoryConfig, step_s: float) -> None:
        """`step_s`: time between two calls of `update`."""
        self._config = config
        self._step_s = step_s
        self.reset()

    def reset(self) -> None:
        """Forgets everything; the robot is at rest."""
        self._points = np.zeros((0, 2))
        self._age_s = np.zeros(0)

    def update(
        self, motion: Motion, sectors_per_m: NDArray[np.floating], seen: NDArray[np.bool_]
    ) -> None:
        """Moves what is known by one step, then adds what is near now.

        Args:
            motion: of the step that ends now.
            sectors_per_m: (S,) nearness by sector of the view, from left to right, 1/m.
            seen: (S,) whether enough of a sector is seen; what is not seen counts as near as what
                stands beside it, for a thing's bare or hidden side belongs to the thing.
        """
        config = self._config
        points, age_s = motion.carry(self._points), self._age_s + self._step_s
        kept = (age_s <= config.seconds) & (np.hypot(*points.T) < config.radius_m)
        near_per_m = _filled(np.where(seen, sectors_per_m, 0.0))
        count = len(near_per_m)
        left = math.tan(config.half_view_rad) * (1 - (2 * np.arange(count) + 1) / count)
        near = near_per_m > config.nearest_per_m
        depth_m = 1 / near_per_m[near]
        new = np.stack([config.camera_ahead_m + depth_m, depth_m * left[near]], axis=1)
        self._points = np.concatenate([points[kept], new])
        self._age_s = np.concatenate([age_s[kept], np.zeros(len(new))])

    def beside(self, half_width_m: float, reach_m: float) -> bool:
        """Whether something out of view stands in the way of flying `reach_m` straight ahead."""
        x_m, y_m = self._points.T
        edge_m = math.tan(self._config.half_view_rad) * (x_m - self._config.camera_ahead_m)
        in_the_way = (x_m > 0) & (x_m < reach_m) & (np.abs(y_m) < half_width_m)
        return bool(np.any(in_the_way & (np.abs(y_m) > 0.9 * edge_m)))

    def crowded_side(self, within_m: float, half_width_m: float) -> float:
        """The side on which nearly all near points are: 1 left, -1 right, 0 neither."""
        x_m, y_m = self._points.T
        near = np.hypot(x_m, y_m) < within_m
        left, right = (int(np.sum(near & (sign * y_m > half_width_m))) for sign in (1, -1))
        if left > 3 * right + 2:
            return 1.0
        return -1.0 if right > 3 * left + 2 else 0.0


def _filled(near_per_m: NDArray[np.floating]) -> NDArray[np.floating]:
    """Sectors without a value, 0, take that of the nearer neighbour, up to two sectors away."""
    filled = near_per_m
    for _ in range(2):
        beside = np.maximum(np.append(filled[1:], 0.0), np.append(0.0, filled[:-1]))
        filled = np.where(filled > 0, filled, beside)
    return filled
