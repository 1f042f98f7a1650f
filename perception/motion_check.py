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
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from perception.ego_motion import Motion
from perception.geometry import RectifiedView
from perception.quantities import FloatArray, GreyImage

WIDTH = 64  # px, the images are compared at; half of the usual size, a quarter of the time
SMOOTH_PX = 3.0  # sd of the window that brightness and contrast are levelled over
FLOOR = 4.0  # grey levels added to the contrast, so that noise stays small
LEAST_CONTRAST = 3.0  # grey levels
LEAST_SHIFT_PX = 0.7  # between no depth and the predicted one; less tells no factor from another
WINDOW_PX = 5
MOST_DIFFERENCE = 1.5  # of levelled images; more is an occlusion, and counts as so much
FACTORS = np.geomspace(0.4, 2.5, 9).astype(np.float32)  # on the predicted inverse depth
SHARPEST = 0.7  # part of the places that is asked, those with the clearest answer
LEAST_PLACES = 20
# The body's x is forward, y left, z up; the camera's x right, y down, z forward.
CAMERA_FROM_BODY = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])

Map = npt.NDArray[np.floating]  # float32 throughout


@dataclass(frozen=True)
class MotionConfig:
    """Where the lens sits and how far to look back."""

    camera_b_m: tuple[float, float, float] = (0.20, 0.03, 0.0)  # of the left lens, body frame
    frames_back: tuple[int, ...] = (2, 4, 8)  # 0.2 to 0.8 s at 10 Hz


class _Levelled(NamedTuple):
    """An image without its local brightness and contrast."""

    values: Map  # (h, w)
    contrast: Map  # (h, w) grey levels


class MotionCheck:
    """Sees every frame of one camera, in order."""

    def __init__(self, view: RectifiedView, config: MotionConfig | None = None) -> None:
        self._config = config or MotionConfig()
        scale = WIDTH / view.width
        self._size = (WIDTH, round(view.height * scale))
        self._focal_px = view.focal_px * scale
        self._centre_px = ((view.cx_px + 0.5) * scale - 0.5, (view.cy_px + 0.5) * scale - 0.5)
        rows, columns = np.mgrid[0 : self._size[1], 0 : self._size[0]].astype(np.float32)
        x, y = (
            (pixels - centre) / self._focal_px
            for pixels, centre in zip((columns, rows), self._centre_px, strict=True)
        )
        self._rays = np.stack([x, y, np.ones_like(x)], -1).astype(np.float32)  # (h, w, 3), z = 1
        longest = max(self._config.frames_back)
        self._images: deque[_Levelled] = deque(maxlen=longest + 1)  # newest last
        self._steps: deque[Motion] = deque(maxlen=longest)  # of the body, newest last

    def see(self, image: GreyImage, moved: Motion | None) -> None:
        """The next frame of the camera.

        Args:
            image: (H, W) uint8 of the view.
            moved: of the body since the frame before; None: unknown, what was before is forgotten.
        """
        if moved is None:
            self._images.clear()
            self._steps.clear()
        else:
            self._steps.append(moved)
        self._images.append(_levelled(image, self._size))

    def error(self, inverse_per_m: FloatArray) -> float:
        """Median relative error of a prediction, as motion shows it; NaN where it shows nothing.

        Args:
            inverse_per_m: (h, w) 1/m, the network's of the frame that was seen last, of any size.
        """
        inverse = np.asarray(cv2.resize(inverse_per_m, self._size), np.float32)
        sums, seen = self._differences(inverse)
        known = seen > 0
        if np.count_nonzero(known) < LEAST_PLACES:
            return math.nan
        return _median_error(sums[:, known] / seen[known])

    def _differences(self, inverse: Map) -> tuple[Map, Map]:
        """Sum over the older frames, (factors, h/2, w/2), and in how many a place was seen."""
        newest = self._images[-1]
        sums, seen = np.zeros((len(FACTORS), 1, 1), np.float32), np.zeros((1, 1), np.float32)
        for back in self._config.frames_back:
            if back >= len(self._images):
                continue
            rotation, shift_m = self._camera_motion(back)
            turned = self._rays @ rotation.T  # (h, w, 3)
            places = turned + inverse[..., np.newaxis] * shift_m
            moved_px = np.hypot(
                *(a - b for a, b in zip(self._px(places), self._px(turned), strict=True))
            )
            tells = (moved_px > LEAST_SHIFT_PX) & (newest.contrast > LEAST_CONTRAST)
            older = self._images[-1 - back].values
            found = np.array(
                [
                    self._difference(newest.values, older, turned, f * inverse, shift_m)
                    for f in FACTORS
                ]
            )
            good = (tells & ~np.isnan(found).any(0))[1::2, 1::2]
            sums = sums + np.where(good, found[:, 1::2, 1::2], np.float32(0))
            seen = seen + good
        return sums, seen

    def _camera_motion(self, back: int) -> tuple[Map, Map]:
        """What takes a ray of the newest frame into that frame, and the way between, m."""
        motion = Motion(np.eye(3), np.zeros(3))
        for step in list(self._steps)[-back:]:
            motion = motion.then(step)
        lens = np.array(self._config.camera_b_m)
        shift = motion.translation_m + motion.rotation @ lens - lens
        rotation = CAMERA_FROM_BODY @ motion.rotation @ CAMERA_FROM_BODY.T
        return rotation.astype(np.float32), (CAMERA_FROM_BODY @ shift).astype(np.float32)

    def _difference(self, newest: Map, older: Map, turned: Map, inverse: Map, shift_m: Map) -> Map:
        """Mean difference in a window around each pixel, (h, w); NaN where it left the image."""
        columns, rows = self._px(turned + inverse[..., np.newaxis] * shift_m)
        outside = float("nan")
        there = cv2.remap(
            older,
            columns,
            rows,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=outside,
        )
        apart = np.minimum(np.abs(newest - there), np.float32(MOST_DIFFERENCE))
        inside = ~np.isnan(apart)
        share = cv2.blur(inside.astype(np.float32), (WINDOW_PX, WINDOW_PX))
        mean = cv2.blur(np.where(inside, apart, np.float32(0)), (WINDOW_PX, WINDOW_PX))
        return np.where(share >= 0.5, mean / np.maximum(share, 0.5), np.float32(np.nan))

    def _px(self, places: Map) -> tuple[Map, Map]:
        """Columns and rows of points (h, w, 3) in the camera frame."""
        z = np.maximum(places[..., 2], np.float32(1e-3))
        columns, rows = (
            (np.float32(self._focal_px) * places[..., axis] / z + np.float32(centre)).astype(
                np.float32
            )
            for axis, centre in enumerate(self._centre_px)
        )
        return columns, rows


def _levelled(image: GreyImage, size: tuple[int, int]) -> _Levelled:
    grey = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    mean = cv2.GaussianBlur(grey, (0, 0), SMOOTH_PX)
    square = cv2.GaussianBlur(grey * grey, (0, 0), SMOOTH_PX)
    contrast = np.sqrt(np.maximum(square - mean * mean, 0))
    return _Levelled((grey - mean) / (contrast + FLOOR), np.asarray(contrast, np.float32))


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
