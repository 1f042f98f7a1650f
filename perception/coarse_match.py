"""Matching by blocks at half of the size: too coarse for depth, good for a question to the pair.

Two questions that a matcher never asks, because it only looks where a calibrated pair must match:
do things match behind infinity (then the eyes are exchanged), and do they match better some rows
off (then a camera has turned by more than a fine estimate can follow)?
"""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

from perception.quantities import FloatArray, GreyImage, StereoImages

COARSE = 2  # px of the image per coarse px
BLOCK_PX = 8  # coarse px, side of a block
REACH_PX = 12  # coarse px, disparities looked for
CLEAR_PX = 2  # coarse px; less than this is neither before nor behind infinity
ROWS_PX = 7  # coarse px, most rows that are looked for up and down
CONTRAST, MIDDLE = 2.0, 128.0  # grey levels of the band-passed images
BEATEN_BY = 1.25  # a match is sure if the best of the other kind costs so many times more


class CoarsePair(NamedTuple):
    """Both images at half of the size, without what varies slowly, the right one with a margin."""

    left: GreyImage  # (h, w), 128 for the mean
    right: GreyImage  # (h + 2 ROWS_PX, w + 2 REACH_PX)
    power: FloatArray  # (h/8, w/8), mean square of the left one around 128 in each block


def coarse_pair(images: StereoImages) -> CoarsePair:
    """The rectified pair made ready for both questions."""
    left, right = (_coarse(image) for image in images)
    margins = (ROWS_PX, ROWS_PX, REACH_PX, REACH_PX)
    padded = cv2.copyMakeBorder(right, *margins, cv2.BORDER_REPLICATE)
    power = (left.astype(np.float32) - MIDDLE) ** 2
    size = (left.shape[1] // BLOCK_PX, left.shape[0] // BLOCK_PX)
    mean = cv2.resize(power, size, interpolation=cv2.INTER_AREA)
    return CoarsePair(left, np.asarray(padded, np.uint8), np.asarray(mean, np.float32))


def behind_infinity(pair: CoarsePair, least_texture: float) -> tuple[float, int]:
    """Which part of the sure matches has a negative disparity, which nothing real has.

    Args:
        pair: of the rectified images.
        least_texture: grey levels, rms; blocks with less have no say.

    Returns:
        That part, 0..1 (0 where nothing is sure), and the number of sure blocks.
    """
    behind = _best(pair, 0, range(-REACH_PX, -CLEAR_PX + 1))
    before = _best(pair, 0, range(CLEAR_PX, REACH_PX + 1))
    at_infinity = _best(pair, 0, range(-CLEAR_PX + 1, CLEAR_PX))
    clear = (pair.power > (CONTRAST * least_texture) ** 2) & (
        np.minimum(behind, before) < at_infinity
    )
    is_behind = clear & (behind * BEATEN_BY < before)
    is_before = clear & (before * BEATEN_BY < behind)
    sure = int(is_behind.sum() + is_before.sum())
    return (float(is_behind.sum()) / sure if sure else 0.0), sure


def cost_at_rows(pair: CoarsePair, rows: int, least_texture: float) -> float:
    """Mean difference of the best matches, the right image taken `rows` coarse px lower.

    Args:
        pair: of the rectified images.
        rows: -ROWS_PX to ROWS_PX.
        least_texture: grey levels, rms; blocks with less do not count.

    Returns:
        Grey levels of the band-passed images; NaN where no block has texture.
    """
    textured = pair.power > (CONTRAST * least_texture) ** 2
    if not textured.any():
        return float("nan")
    return float(_best(pair, rows, range(REACH_PX + 1))[textured].mean())


def _best(pair: CoarsePair, rows: int, disparities: Iterable[int]) -> FloatArray:
    """Least mean difference of each block over the disparities, (h/8, w/8) grey levels."""
    height, width = pair.left.shape
    band = pair.right[ROWS_PX + rows :][:height]
    firsts = [REACH_PX - disparity for disparity in disparities]  # right(x - d) like left(x)
    shifted = np.vstack([band[:, first : first + width] for first in firsts])  # (n h, w)
    difference = cv2.absdiff(np.tile(pair.left, (len(firsts), 1)), shifted)
    size = (width // BLOCK_PX, len(firsts) * height // BLOCK_PX)
    costs = np.asarray(cv2.resize(difference, size, interpolation=cv2.INTER_AREA), np.float32)
    return costs.reshape(len(firsts), -1, size[0]).min(axis=0)


def _coarse(image: GreyImage) -> GreyImage:
    """Twice the contrast, so that whole grey levels are fine enough."""
    width, height = (side // (COARSE * BLOCK_PX) * BLOCK_PX for side in image.shape[::-1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    band = CONTRAST * (small - cv2.blur(small, (9, 9))) + MIDDLE
    return np.clip(band, 0, 255).astype(np.uint8)
