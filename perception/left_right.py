"""How far a dense match can be believed: left-right check, correlation, speckles.

A dense matcher always answers. It invents surfaces where it cannot know: behind an edge that only
one camera sees past, on bare walls, in noise. Three tests find these places:

* matching the right image against the left must give the same disparity (occlusions fail);
* the row-wise gradients around both ends of the match must correlate. Camera noise differs between
  two cameras, so what is only noise fails, at any noise level; a threshold on texture alone cannot
  tell the faint grain of a real wall from it, and refuses half of a clean image;
* a surface has a size: small islands of disparity are noise.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from perception.quantities import Disparity, FloatArray, GreyImage, StereoImages

FIXED_POINT = 16  # OpenCV's matchers answer in 1/16 px as int16
NO_MATCH = -FIXED_POINT  # their value for "none" when the range begins at 0


class OpenCvMatcher(Protocol):
    """`cv2.StereoSGBM` and `cv2.StereoBM`."""

    def compute(self, left: Any, right: Any, /) -> Any:
        """Disparity in 1/16 px, (H, W) int16."""
        ...


@dataclass(frozen=True)
class TrustConfig:
    """Where to believe a dense match. A pixel that just passes a test has confidence 0.5."""

    max_left_right_px: float = 1.0  # allowed difference of both directions; 1 px is OpenCV's habit
    min_correlation: float = (
        0.5  # 0..1, of both gradients; pure noise exceeds it in 0.3 % of pixels
    )
    correlation_window_px: int = 9  # px, side of the square it is taken over
    min_texture: float = 0.45  # grey levels per px, rms; fainter is rounding, not texture
    min_region_px: float = 0.16  # px per px of image width; smaller islands are speckles
    region_step_px: float = 1.0  # px, neighbours differing by more belong to different regions


def match_both_ways(
    matcher: OpenCvMatcher, images: StereoImages, margin_px: int
) -> tuple[FloatArray, FloatArray]:
    """Disparity of the left and of the right image in px, (H, W) float32 each, NaN for none.

    Args:
        matcher: set up with a range that begins at 0.
        images: rectified pair.
        margin_px: columns added on the left, at least the search range: OpenCV leaves out the
            first `range` columns, which here fall on the margin.
    """
    left, right = images
    mirrored_left, mirrored_right = left[:, ::-1], right[:, ::-1]
    disparity_l = _compute_padded(matcher, left, right, margin_px)
    disparity_r = _compute_padded(matcher, mirrored_right, mirrored_left, margin_px)[:, ::-1]
    return disparity_l, disparity_r


def trusted_disparity(
    images: StereoImages, disparity_l: FloatArray, disparity_r: FloatArray, config: TrustConfig
) -> Disparity:
    """The left disparity with its confidence; NaN where both directions disagree or in speckles.

    Args:
        images: rectified pair, (H, W) each.
        disparity_l: of the left image, (H, W) px, NaN for none.
        disparity_r: of the right image, likewise.
        config: the thresholds.
    """
    difference_px = left_right_difference_px(disparity_l, disparity_r)  # (H, W)
    correlation = gradient_correlation(images, disparity_l, config)  # (H, W)
    agreement = 1 - difference_px / (2 * config.max_left_right_px)
    likeness = correlation / (2 * config.min_correlation)
    confidence = np.clip(np.minimum(agreement, likeness), 0, 1)
    matched = (agreement >= 0.5) & ~_speckles(disparity_l, confidence >= 0.5, config)
    return Disparity(
        np.where(matched, disparity_l, np.float32(np.nan)),
        np.where(matched, confidence, np.float32(0)),
    )


def left_right_difference_px(disparity_l: FloatArray, disparity_r: FloatArray) -> FloatArray:
    """|d_l(x) - d_r(x - d_l(x))| in px, (H, W); inf where either is missing or out of the image."""
    width = disparity_l.shape[1]
    columns = np.arange(width, dtype=np.float32) - np.rint(disparity_l)  # (H, W)
    inside = columns >= 0  # False for NaN
    columns = np.where(inside, columns, 0).astype(np.intp)
    difference_px = np.abs(np.take_along_axis(disparity_r, columns, axis=1) - disparity_l)
    return np.where(inside & ~np.isnan(difference_px), difference_px, np.float32(np.inf))


def gradient_correlation(
    images: StereoImages, disparity_px: FloatArray, config: TrustConfig
) -> FloatArray:
    """Correlation of dI/dx around both ends of each match, (H, W) float32, -1..1.

    Each pixel of the window is taken at its own disparity, so edges of depth do no harm. Only
    changes along the row count: a horizontal stripe looks the same at any disparity.
    """
    height, width = disparity_px.shape
    matched = ~np.isnan(disparity_px)
    columns = np.arange(width, dtype=np.float32) - np.where(matched, disparity_px, np.float32(0))
    rows = np.repeat(np.arange(height, dtype=np.float32)[:, np.newaxis], width, axis=1)
    gradient_l, gradient_r = map(_gradient_along_row, images)
    gradient_l = np.where(matched, gradient_l, np.float32(0))
    warped = cv2.remap(gradient_r, columns, rows, cv2.INTER_LINEAR)  # 0 outside the image
    gradient_r = np.where(matched, warped, np.float32(0)).astype(np.float32)

    def mean(values: FloatArray) -> FloatArray:
        return np.asarray(cv2.blur(values, (config.correlation_window_px,) * 2), np.float32)

    floor = np.float32(config.min_texture**2)
    power_l = mean(gradient_l * gradient_l) + floor
    power_r = mean(gradient_r * gradient_r) + floor
    correlation = mean(gradient_l * gradient_r) / np.sqrt(power_l * power_r)
    return np.asarray(correlation, np.float32)


def _gradient_along_row(image: GreyImage) -> FloatArray:
    """Grey levels per px, (H, W): central difference, smoothed along the column (Scharr)."""
    return np.asarray(cv2.Scharr(image, cv2.CV_32F, 1, 0, scale=1 / 32), np.float32)


def _compute_padded(
    matcher: OpenCvMatcher,
    base: GreyImage,
    other: GreyImage,
    margin_px: int,
) -> FloatArray:
    pad = (0, 0, margin_px, 0)
    padded = [cv2.copyMakeBorder(image, *pad, cv2.BORDER_REPLICATE) for image in (base, other)]
    fixed = matcher.compute(*padded)[:, margin_px:]  # (H, W)
    return np.where(fixed < 0, np.float32(np.nan), fixed.astype(np.float32) / FIXED_POINT)


def _speckles(
    disparity_l: FloatArray, trusted: npt.NDArray[np.bool_], config: TrustConfig
) -> npt.NDArray[np.bool_]:
    """Trusted pixels in regions smaller than `min_region_px`, (H, W) bool."""
    fixed = np.where(trusted, disparity_l * FIXED_POINT, NO_MATCH).astype(np.int16)
    step = config.region_step_px * FIXED_POINT
    smallest_px = round(config.min_region_px * fixed.shape[1])
    cv2.filterSpeckles(fixed, NO_MATCH, smallest_px - 1, step)
    return trusted & (fixed == NO_MATCH)
