"""How far the cameras have turned against each other since they were calibrated, from the images.

After rectification a point lies in the same row of both images. A camera that has turned about its
optical axis (roll) or nods (pitch) breaks that: dy(x) = a + b x, with pitch = atan(a / f) and
roll = b for small angles. Both follow from the differences that are left when the right image is
moved onto the left one by the disparity that stereo found (Lucas and Kanade, IJCAI 1981, with two
parameters for the whole image): left - moved = gy (a + b x). The sums of the normal equations fade
over seconds, which averages over scenes. Pixels with a steep change along the row tell less:
there the matcher has already explained part of dy by a wrong disparity.

A nod of more than a degree leaves too few true matches to follow; a coarse match of one other row
per pair finds those.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from perception.coarse_match import COARSE, ROWS_PX, CoarsePair, cost_at_rows
from perception.geometry import RectifiedView
from perception.quantities import FloatArray, StereoDepth, StereoImages

NS_PER_S = 1e9


@dataclass(frozen=True)
class DecalibrationConfig:
    """What is believed, and when."""

    limit_deg: float = 0.12  # degrees, of roll or pitch
    memory_s: float = 1.5  # s, time constant in which what was seen fades
    least_pixels: float = 1500.0  # fading sum of the weights of the pixels, to say anything
    outlier: float = 12.0  # grey levels; a pixel that differs by so much counts half
    largest_px: float = 3.0  # px; farther off, the linear model has no say
    least_texture: float = 3.0  # grey levels, rms of a coarse block that has a say
    better: float = 0.8  # a coarse match some rows off must cost at most this part
    looks: int = 2  # so often more than not, of at most twice as many


class DecalibrationDrift:
    """Estimates both angles from pair to pair."""

    def __init__(self, view: RectifiedView, config: DecalibrationConfig) -> None:
        self.config = config
        self._view = view
        columns = (np.arange(view.width, dtype=np.float32) - view.cx_px) / view.focal_px
        self._x = np.repeat(columns[np.newaxis], view.height, axis=0)  # (H, W), tan of the angle
        self._columns = np.arange(view.width, dtype=np.float32)
        self._rows = np.arange(view.height, dtype=np.float32)[:, np.newaxis]
        self._reset()

    @property
    def degrees(self) -> float:
        """The larger of both angles, a lower bound; NaN while too little was seen.

        The matcher hides a part of dy: of 0.5 degrees of pitch 0.4 are found after some seconds, of
        0.5 degrees of roll 0.2.
        """
        return max(map(abs, self.angles_deg))

    @property
    def angles_deg(self) -> tuple[float, float]:
        """Pitch and roll in degrees; NaN while too little was seen."""
        if self._seen < self.config.least_pixels:
            return math.nan, math.nan
        offset, slope = self._estimate
        focal_px = self._view.focal_px
        return math.degrees(offset / focal_px), math.degrees(slope / focal_px)

    def see(self, images: StereoImages, depth: StereoDepth, captured_ns: int) -> None:
        """Takes in one pair.

        Args:
            images: rectified pair.
            depth: of that pair; pixels without a trusted depth do not count.
            captured_ns: when it was taken.
        """
        self._fade(captured_ns)
        trusted = np.isfinite(depth.depth_m)
        if not trusted.any():
            return
        offset, slope = self._estimate
        shift_px = offset + slope * self._x  # (H, W), what is known of dy
        columns = self._columns - np.where(trusted, depth.disparity_px, np.float32(0))
        left, right = (_band(image) for image in images)
        moved = cv2.remap(right, columns, self._rows + shift_px, cv2.INTER_LINEAR)
        gradient_x, gradient_y = (
            np.asarray(cv2.Scharr(left + moved, cv2.CV_32F, *way, scale=1 / 64), np.float32)
            for way in ((1, 0), (0, 1))
        )
        rest = left - moved
        usual = 1 / (1 + (rest / self.config.outlier) ** 2)
        square = gradient_y * gradient_y
        weight = trusted * usual * square / (square + gradient_x * gradient_x + 1)
        target = np.asarray(rest + gradient_y * shift_px, np.float32)
        self._add(np.asarray(weight, np.float32), gradient_y, target)

    def _add(self, weight: FloatArray, gradient: FloatArray, target: FloatArray) -> None:
        """Adds sum w g^2 [1 x; x x^2] and sum w g t [1; x], and solves."""
        power = weight * gradient * gradient
        along = weight * gradient * target
        x = self._x
        self._seen += float(weight.sum())
        self._matrix += [
            [float(power.sum()), float((power * x).sum())],
            [float((power * x).sum()), float((power * x * x).sum())],
        ]
        self._vector += [float(along.sum()), float((along * x).sum())]
        solved = np.linalg.lstsq(self._matrix, self._vector, rcond=None)[0]
        limit_px = self.config.largest_px
        self._estimate = np.clip(solved, -limit_px, limit_px).astype(np.float32)

    def _fade(self, captured_ns: int) -> None:
        if self._last_ns is not None:
            kept = math.exp((self._last_ns - captured_ns) / NS_PER_S / self.config.memory_s)
            self._matrix *= kept
            self._vector *= kept
            self._seen *= kept
        self._last_ns = captured_ns

    def _reset(self) -> None:
        self._matrix = np.zeros((2, 2))
        self._vector = np.zeros(2)
        self._estimate = np.zeros(2, np.float32)
        self._seen = 0.0
        self._last_ns: int | None = None


class RowOffset:
    """Whether the pair would match better some whole coarse rows off; one row is tried per pair."""

    def __init__(self, view: RectifiedView, config: DecalibrationConfig) -> None:
        self.config = config
        self._focal_px = view.focal_px
        rows = range(1, ROWS_PX + 1)
        self._rows = tuple(sign * row for row in rows for sign in (1, -1))
        self._looks = dict.fromkeys(self._rows, 0)  # how often it was better, less how often not
        self._ratio = dict.fromkeys(self._rows, 1.0)  # its cost over that of row 0, newest
        self._next = 0

    @property
    def degrees(self) -> float:
        """The nod of the best row that was better often enough; 0 where none was."""
        sure = [row for row in self._rows if self._looks[row] >= self.config.looks]
        if not sure:
            return 0.0
        best = min(sure, key=self._ratio.__getitem__)
        return math.degrees(math.atan(COARSE * abs(best) / self._focal_px))

    def see(self, pair: CoarsePair) -> None:
        """Takes in one pair."""
        row = self._rows[self._next]
        straight = cost_at_rows(pair, 0, self.config.least_texture)
        moved = cost_at_rows(pair, row, self.config.least_texture)
        if math.isnan(straight):
            return
        self._next = (self._next + 1) % len(self._rows)
        self._ratio[row] = moved / max(straight, 1e-6)
        better = self._ratio[row] < self.config.better
        looks = self._looks[row] + (1 if better else -1)
        self._looks[row] = min(max(looks, 0), 2 * self.config.looks)


def _band(image: np.ndarray) -> FloatArray:
    """Grey levels without noise and without what varies slowly, (H, W)."""
    fine = cv2.GaussianBlur(image, (0, 0), 1.0).astype(np.float32)
    return np.asarray(fine - cv2.blur(fine, (15, 15)), np.float32)
