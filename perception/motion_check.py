"""Whether predicted depth agrees with what the camera's own motion shows: a second opinion.

A network's doubt and the strangeness of an image do not tell how wrong it is in a room that it
never saw. Parallax does: as the vehicle moves by a known way, a point at a depth moves by a known
number of pixels (Longuet-Higgins 1981, doi 10.1038/293133a0). Older frames are moved onto the new
one by the predicted inverse depth times a few factors; where the image has texture and the way was
long enough, the factor under which they match best (plane sweep: Collins, CVPR 1996) says how wrong
the prediction is, in its own unit. No ground truth and no second eye take part.

Nothing is said while the vehicle hovers or turns on the spot, and of plain surfaces never.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from perception.ego_motion import Motion
from perception.frame_history import LEAST_CONTRAST, LENS_B_M, FrameHistory, Map
from perception.geometry import RectifiedView
from perception.quantities import FloatArray, GreyImage

WIDTH = 64  # px, the images are compared at; half of the usual size, a quarter of the time
LEAST_SHIFT_PX = 0.7  # between no depth and the predicted one; less tells no factor from another
FACTORS = np.geomspace(0.4, 2.5, 9).astype(np.float32)  # on the predicted inverse depth
SHARPEST = 0.7  # part of the places that is asked, those with the clearest answer
LEAST_PLACES = 20


@dataclass(frozen=True)
class MotionConfig:
    """Where the lens sits and how far to look back."""

    camera_b_m: tuple[float, float, float] = LENS_B_M  # of the left lens, body frame
    frames_back: tuple[int, ...] = (2, 4, 8)  # 0.2 to 0.8 s at 10 Hz


class MotionCheck:
    """Sees every frame of one camera, in order."""

    def __init__(self, view: RectifiedView, config: MotionConfig | None = None) -> None:
        self._config = config or MotionConfig()
        longest = max(self._config.frames_back)
        self._history = FrameHistory(view, WIDTH, longest, self._config.camera_b_m)

    def see(self, image: GreyImage, moved: Motion | None) -> None:
        """The next frame of the camera.

        Args:
            image: (H, W) uint8 of the view.
            moved: of the body since the frame before; None: unknown, what was before is forgotten.
        """
        self._history.see(image, moved)

    def error(self, inverse_per_m: FloatArray) -> float:
        """Median relative error of a prediction, as motion shows it; NaN where it shows nothing.

        Args:
            inverse_per_m: (h, w) 1/m, the network's of the frame that was seen last, of any size.
        """
        inverse = np.asarray(cv2.resize(inverse_per_m, self._history.size), np.float32)
        sums, seen = self._differences(inverse)
        known = seen > 0
        if np.count_nonzero(known) < LEAST_PLACES:
            return math.nan
        return _median_error(sums[:, known] / seen[known])

    def _differences(self, inverse: Map) -> tuple[Map, Map]:
        """Sum over the older frames, (factors, h/2, w/2), and in how many a place was seen."""
        history = self._history
        sums, seen = np.zeros((len(FACTORS), 1, 1), np.float32), np.zeros((1, 1), np.float32)
        for back in self._config.frames_back:
            if back >= len(history):
                continue
            way = history.way(back)
            tells = (history.moved_px(way, inverse) > LEAST_SHIFT_PX) & (
                history.newest.contrast > LEAST_CONTRAST
            )
            found = np.array([history.difference(back, way, f * inverse) for f in FACTORS])
            good = (tells & ~np.isnan(found).any(0))[1::2, 1::2]
            sums = sums + np.where(good, found[:, 1::2, 1::2], np.float32(0))
            seen = seen + good
        return sums, seen


def _median_error(differences: Map) -> float:
    """Median of |factor - 1| over the places whose answer is clear; differences: (factors, n)."""
    best = differences.argmin(0)
    clear = np.median(differences, 0) - differences.min(0)
    asked = clear >= np.quantile(clear, 1 - SHARPEST)
    position = best + _between(differences, best)
    step = math.log(FACTORS[1] / FACTORS[0])
    factors = np.exp((position[asked] - (len(FACTORS) - 1) / 2) * step)
    return float(np.median(np.abs(factors - 1)))


def _between(differences: Map, best: npt.NDArray[np.intp]) -> Map:
    """Where between the factors a parabola through the best three has its least, -0.5..0.5."""
    inner = np.clip(best, 1, len(differences) - 2)
    low, middle, high = (
        np.take_along_axis(differences, (inner + side)[np.newaxis], 0)[0] for side in (-1, 0, 1)
    )
    bend = low - 2 * middle + high
    found = (best == inner) & (bend > 1e-6)
    offset = np.where(found, (low - high) / 2 / np.maximum(bend, np.float32(1e-6)), 0)
    return np.clip(offset, -0.5, 0.5).astype(np.float32)
