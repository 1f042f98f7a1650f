"""From a depth map to the few numbers a pilot flies on.

Nearness is measured by what is nearer than a small part of the pixels, never by the nearest pixel
(one wrong match would stop the robot) nor by the mean (a pillar before a far wall would vanish).
Each number comes with the part of its pixels that was seen: nothing near and nothing known differ.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from perception.geometry import RectifiedView
from perception.quantities import FloatArray, Proximity, StereoDepth

# A bin counts when more than 75 px exceed it in a frame with 2.54754 % of 128 x 96 pixels valid,
# and in proportion otherwise. Ref: van Hecke et al., arXiv 1603.08047, flight code.
QUARTER = 75 / (128 * 96 * 0.0254754)


@dataclass(frozen=True)
class ProximityConfig:
    """What counts as near, and where the robot is about to fly."""

    sectors: int = 8  # vertical stripes of the image
    nearest_part: float = 0.05  # 0..1, this part of the pixels may be nearer than the answer
    min_pixels: int = 5  # fewer are no surface
    largest_bin_px: int = 14  # px, of `proximity_px`; the paper's range
    corridor_half_width_m: float = 0.45  # m, half of an AR.Drone with hull (0.52 m) and some air
    corridor_half_height_m: float = 0.25  # m, half of its height and its bobbing
    footprint_at_m: float = 1.0  # m, where the corridor's cross-section must be seen


class SteadyCorridor:
    """The corridor of the newest readings: the mean of their nearness.

    A single frame counts for its share, and nothing waits for a majority. As the moving average of
    van Hecke et al., arXiv 1603.08047, over fewer frames.
    """

    def __init__(self, frames: int) -> None:
        """The mean goes over so many readings; 1 leaves them as they are."""
        self._per_m: deque[float] = deque(maxlen=frames)

    def step(self, corridor_m: float) -> float:
        """Takes one reading in m, inf for free; the mean's in m."""
        self._per_m.append(1 / corridor_m if corridor_m > 0 else math.inf)
        mean_per_m = sum(self._per_m) / len(self._per_m)
        return 1 / mean_per_m if mean_per_m > 0 else math.inf

    def forget(self) -> None:
        """Begins anew: the next reading stands alone."""
        self._per_m.clear()


def measure_proximity(
    depth: StereoDepth, view: RectifiedView, config: ProximityConfig
) -> Proximity:
    """All numbers for one frame; only pixels with a trusted depth count."""
    part, least = config.nearest_part, config.min_pixels
    trusted_px = np.where(np.isnan(depth.depth_m), np.float32(np.nan), depth.disparity_px)
    sectors = sector_proximity(depth.depth_m, config.sectors, part, least)
    corridor = corridor_ahead(depth.depth_m, view, config)
    return Proximity(proximity_px(trusted_px, config.largest_bin_px), *sectors, *corridor)


def corridor_ahead(
    depth_m: FloatArray, view: RectifiedView, config: ProximityConfig
) -> tuple[float, float]:
    """Length in m and seen part of the corridor of a configuration: see `corridor_distance_m`."""
    return corridor_distance_m(
        depth_m,
        view,
        config.corridor_half_width_m,
        config.corridor_half_height_m,
        fraction=config.nearest_part,
        min_pixels=config.min_pixels,
        footprint_at_m=config.footprint_at_m,
    )


def proximity_px(disparity_px: FloatArray, largest_bin_px: int = 14) -> float:
    """The largest whole disparity that about a quarter of the valid pixels reach or exceed.

    arXiv 1603.08047 in its flight code: max i in 14..1 with #(disparity >= i) > 0.24 #valid. It
    does not see narrow things.

    Args:
        disparity_px: (H, W) px, NaN for none.
        largest_bin_px: the largest answer.

    Returns:
        Proximity in px; 0 if nothing reaches 1 px, NaN if no pixel is valid.
    """
    valid_px = disparity_px[~np.isnan(disparity_px)]  # (n,)
    if valid_px.size == 0:
        return math.nan
    bins = np.clip(valid_px, 0, largest_bin_px).astype(np.intp)
    histogram = np.bincount(bins, minlength=largest_bin_px + 1)
    at_least = histogram[::-1].cumsum()[::-1]  # [i] = number of pixels with disparity >= i
    reached = np.flatnonzero(at_least > QUARTER * valid_px.size)
    return float(reached[-1])  # bin 0 is always reached


def sector_proximity(
    depth_m: FloatArray, sectors: int, fraction: float = 0.05, min_pixels: int = 5
) -> tuple[FloatArray, FloatArray]:
    """How near the nearest `fraction` of the pixels is, per vertical stripe of the image.

    Args:
        depth_m: (H, W) m, NaN where unknown.
        sectors: number of stripes, left to right.
        fraction: part of a stripe's valid pixels that may be nearer than the answer.
        min_pixels: with fewer valid pixels a stripe counts as unseen.

    Returns:
        Inverse depth in 1/m (S,), 0 where nothing is seen, and the valid part 0..1 (S,).
    """
    inverse, valid = np.zeros(sectors, np.float32), np.zeros(sectors, np.float32)
    for index, stripe in enumerate(np.array_split(depth_m, sectors, axis=1)):
        known_m = stripe[~np.isnan(stripe)]  # (n,)
        if known_m.size >= min_pixels:
            inverse[index] = 1 / _nearest_part(known_m, fraction, min_pixels)
            valid[index] = known_m.size / stripe.size
    return inverse, valid


def corridor_distance_m(
    depth_m: FloatArray,
    view: RectifiedView,
    half_width_m: float,
    half_height_m: float,
    *,
    fraction: float = 0.05,
    min_pixels: int = 5,
    footprint_at_m: float = 1.0,
) -> tuple[float, float]:
    """How far the robot can fly straight on: the nearest thing in a box-shaped corridor ahead.

    The corridor runs along the optical axes, centred between the two cameras. A pixel counts when
    its point lies inside, |x| <= half_width_m and |y| <= half_height_m, at whatever depth.

    Args:
        depth_m: (H, W) m, NaN where unknown.
        view: the rectified view that the depth belongs to.
        half_width_m: half of the corridor's width.
        half_height_m: half of its height.
        fraction: part of the points inside that may be nearer than the answer.
        min_pixels: fewer points inside are no obstacle.
        footprint_at_m: the seen part is counted over the pixels that look through the corridor's
            cross-section at this distance.

    Returns:
        Distance in m (inf: nothing inside was seen) and the seen part 0..1. A distance of inf
        means "free" only as far as the seen part is large.
    """
    right_of_centre = (np.arange(view.width, dtype=np.float32) - view.cx_px) / view.focal_px  # (W,)
    below_centre = (np.arange(view.height, dtype=np.float32) - view.cy_px) / view.focal_px  # (H,)
    finite_m = np.where(np.isfinite(depth_m), depth_m, np.float32(np.nan))
    x_m = right_of_centre * finite_m - view.baseline_m / 2  # (H, W)
    y_m = below_centre[:, np.newaxis] * finite_m  # (H, W)
    inside = (np.abs(x_m) <= half_width_m) & (np.abs(y_m) <= half_height_m)  # False for NaN

    columns = np.abs(right_of_centre * footprint_at_m - view.baseline_m / 2) <= half_width_m
    rows = np.abs(below_centre * footprint_at_m) <= half_height_m
    footprint_m = depth_m[np.ix_(rows, columns)]
    seen = float(np.mean(~np.isnan(footprint_m))) if footprint_m.size else 0.0

    inside_m = depth_m[inside]  # (n,)
    if inside_m.size < min_pixels:
        return math.inf, seen
    return float(_nearest_part(inside_m, fraction, min_pixels)), seen


def _nearest_part(depth_m: FloatArray, fraction: float, min_pixels: int) -> np.float32:
    """The depth that `fraction` of the (n,) depths, but at least `min_pixels`, do not exceed."""
    rank = max(min_pixels, math.ceil(fraction * depth_m.size)) - 1
    return np.partition(depth_m, rank)[rank]
