"""Whether the camera was carried away: what it sees is not what it saw, from anywhere near.

A robot that is switched off and on, or carried, or whose camera was covered meanwhile, may wake in
another room (the kidnapped robot: Engelson and McDermott, ICRA 1992). What it had shown before, it
had shown elsewhere. In flight consecutive frames look alike once turn and way are taken out, at
whatever depth; after a cut they do not. One frame alone, torn or lit by a flash, is no cut: the
next one must look like it and unlike the one before it.

While the camera turns quickly hardly a part of the view stays in it, and nothing is said.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from perception.ego_motion import Motion
from perception.frame_history import LEAST_CONTRAST, LENS_B_M, FrameHistory
from perception.geometry import RectifiedView
from perception.quantities import FloatArray, GreyImage

WIDTH = 32  # px, the images are compared at: coarse, so that small errors of depth and way are none
FACTORS = (0.0, 0.5, 1.0, 2.0)  # on the predicted inverse depth, which is wrong where it is new
LEAST_PLACES = 30  # with texture, of 32 x 24
LONGEST_UNREST = 4  # frames that are all unlike each other, before nothing is known any more


@dataclass(frozen=True)
class CutConfig:
    """When two frames are of different places."""

    most_unlike: float = 0.5  # median difference of levelled images: docs/results/mono_trust.md
    most_turn_deg: float = 8.0  # between two frames; after more nothing is said


class SceneCut:
    """Sees every frame of one camera, in order."""

    def __init__(
        self,
        view: RectifiedView,
        config: CutConfig | None = None,
        lens_b_m: tuple[float, float, float] = LENS_B_M,
    ) -> None:
        """Nothing seen yet; `lens_b_m` is where the lens sits, body frame."""
        self._config = config or CutConfig()
        self._history = FrameHistory(view, WIDTH, LONGEST_UNREST + 1, lens_b_m)
        self._unrest = 0  # newest frames since the last one that was like the one before it

    def step(self, image: GreyImage, moved: Motion | None, inverse_per_m: FloatArray) -> bool:
        """The next frame; whether it shows that the one before was the first after a cut.

        Args:
            image: (H, W) uint8 of the view.
            moved: of the body since the frame before; None: unknown, what was before is forgotten.
            inverse_per_m: (h, w) 1/m, the network's of this frame, of any size.
        """
        history = self._history
        history.see(image, moved)
        if len(history) < 2:
            self._unrest = 0
            return False
        unlike_last, was_unrest = self._unlike(1, inverse_per_m), self._unrest
        self._unrest = 0
        if math.isnan(unlike_last):
            return False
        most_unlike = self._config.most_unlike
        is_other = unlike_last > most_unlike
        if was_unrest and not self._unlike(was_unrest + 1, inverse_per_m) > most_unlike:
            return False  # it is where it was before the unrest, or nothing tells
        if is_other and was_unrest < LONGEST_UNREST:
            self._unrest = was_unrest + 1
        return was_unrest > 0 and not is_other

    def _unlike(self, back: int, inverse_per_m: FloatArray) -> float:
        """Median difference to an older frame at the best of a few depths; NaN: cannot be told."""
        history = self._history
        if back >= len(history):
            return math.nan
        way = history.way(back)
        if way.turn_rad > back * math.radians(self._config.most_turn_deg):
            return math.nan
        inverse = np.asarray(cv2.resize(inverse_per_m, history.size), np.float32)
        found = np.array([history.difference(back, way, f * inverse) for f in FACTORS])
        told = (history.newest.contrast > LEAST_CONTRAST) & ~np.isnan(found).all(0)
        if np.count_nonzero(told) < LEAST_PLACES:
            return math.nan
        return float(np.median(np.nanmin(found[:, told], axis=0)))
