"""The paper's sparse matcher: only at edges, a few hundred pixels of a frame, very fast.

Van Hecke et al., arXiv 1603.08047, as in the authors' flight code (`kevindehecker/paparazzi`,
`stereoalg.cpp`): sums of absolute differences in 5 x 5 windows, at pixels where the difference to
the next pixel is a peak along the row and above a threshold, kept when the second lowest cost is
at least 130 % of the lowest. Whole pixels, no left-right check. Here the window is really 5 x 5
(theirs leaves out the last row and column).

`match_reference` is the same in NumPy, to read and to check the kernel against.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perception.kernels import kernel
from perception.matcher import MatcherConfigError
from perception.quantities import Disparity, FloatArray, GreyImage, StereoImages, check_pair

HALF = 2  # px, half of the 5 x 5 window
NO_MATCH = -1

Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Config:
    """Options of the sparse matcher; the defaults are the paper's."""

    num_disparities: int = 16  # px, search range 0..15: from 0.46 m for 128 px, 58 deg, 6 cm
    min_gradient: int = 3  # grey levels, a pixel must differ more than this from the next
    min_uniqueness_percent: int = 130  # second lowest cost in percent of the lowest (PKRN)

    def __post_init__(self) -> None:
        if self.num_disparities < 2:
            raise MatcherConfigError(
                f"num_disparities is {self.num_disparities}; sad needs at least 2"
            )


class SparseMatch(NamedTuple):
    """What kernel and reference return."""

    disparity: npt.NDArray[np.int16]  # (H, W), px, -1 where there is no match
    uniqueness_percent: FloatArray  # (H, W), second lowest cost / lowest; 0 where there is no match


class SadMatcher:
    """Sparse block matching at the peaks of the gradient."""

    Config = Config

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()

    def match(self, images: StereoImages) -> Disparity:
        """Disparity and confidence of each pixel of the rectified left image, (H, W) float32."""
        check_pair(images)
        left, right = map(np.ascontiguousarray, images)
        config = self.config
        found = SparseMatch(
            *match_kernel(
                left,
                right,
                config.num_disparities,
                config.min_gradient,
                config.min_uniqueness_percent,
            )
        )
        matched = found.disparity != NO_MATCH
        with np.errstate(divide="ignore"):
            confidence = 1 - config.min_uniqueness_percent / (2 * found.uniqueness_percent)
        return Disparity(
            np.where(matched, found.disparity, np.nan).astype(np.float32),
            np.where(matched, confidence, 0).astype(np.float32),
        )


@kernel
def match_kernel(
    left: GreyImage,
    right: GreyImage,
    num_disparities: int,
    min_gradient: int,
    min_uniqueness_percent: int,
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
    """The matcher as loops over pixels; see `match_reference` for what it computes."""
    height, width = left.shape
    disparity = np.full((height, width), NO_MATCH, np.int16)
    uniqueness = np.zeros((height, width), np.float32)
    costs = np.empty(num_disparities, np.int32)
    for y in range(HALF, height - HALF):
        for x in range(num_disparities - 1 + HALF, width - HALF):
            if not _is_gradient_peak(left, y, x, min_gradient):
                continue
            _fill_window_costs(costs, left, right, y, x)
            lowest, second, best = _two_lowest(costs)
            percent = 100 * second / (lowest + 1)
            if percent > min_uniqueness_percent:
                disparity[y, x] = best
                uniqueness[y, x] = percent
    return disparity, uniqueness


@kernel
def _is_gradient_peak(left: GreyImage, y: int, x: int, min_gradient: int) -> np.bool_:
    before = abs(np.int32(left[y, x - 1]) - np.int32(left[y, x]))
    here = abs(np.int32(left[y, x]) - np.int32(left[y, x + 1]))
    after = abs(np.int32(left[y, x + 1]) - np.int32(left[y, x + 2]))
    return here > min_gradient and here > before and here > after


@kernel
def _fill_window_costs(
    costs: Int32Array, left: GreyImage, right: GreyImage, y: int, x: int
) -> None:
    """Costs of all disparities at (y, x), the largest disparity first, into `costs` (D,).

    The innermost loop runs over neighbouring pixels of the right image, so it becomes SIMD code:
    three times as fast as one disparity after the other.
    """
    costs[:] = 0
    for v in range(y - HALF, y + HALF + 1):
        for u in range(x - HALF, x + HALF + 1):
            here = np.int32(left[v, u])
            candidates = right[v, u - costs.size + 1 : u + 1]  # (D,)
            for k in range(costs.size):
                costs[k] += abs(here - np.int32(candidates[k]))


@kernel
def _two_lowest(costs: Int32Array) -> tuple[int, int, int]:
    """Lowest and second lowest cost, and the (smallest) disparity of the lowest."""
    lowest, second, best = 1 << 30, 1 << 30, 0
    for d in range(costs.size):
        cost = costs[costs.size - 1 - d]
        if cost < lowest:
            lowest, second, best = cost, lowest, d
        elif cost < second:
            second = cost
    return lowest, second, best


def match_reference(images: StereoImages, config: Config) -> SparseMatch:
    """The same in NumPy: cost volume, two lowest costs, three tests.

    uniqueness = 100 * second / (lowest + 1): the + 1 refuses windows that match perfectly twice.
    """
    left, right = (image.astype(np.int32) for image in images)
    costs = np.stack([_window_cost(left, right, d) for d in range(config.num_disparities)])
    lowest, second = np.partition(costs, 1, axis=0)[:2]  # (H, W) each
    uniqueness = 100 * second / (lowest + 1)
    matched = _gradient_peaks(left, config.min_gradient) & _whole_range(left.shape, config)
    matched &= uniqueness > config.min_uniqueness_percent
    return SparseMatch(
        np.where(matched, costs.argmin(axis=0), NO_MATCH).astype(np.int16),
        np.where(matched, uniqueness, 0).astype(np.float32),
    )


def _window_cost(left: Int32Array, right: Int32Array, disparity: int) -> Int32Array:
    """Sum of absolute differences of the 5 x 5 windows at x and x - disparity, (H, W)."""
    difference = np.abs(left - np.roll(right, disparity, axis=1))
    padded = np.pad(difference, HALF)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * HALF + 1, 2 * HALF + 1))
    return windows.sum(axis=(2, 3))


def _gradient_peaks(left: Int32Array, min_gradient: int) -> npt.NDArray[np.bool_]:
    """Where the difference to the next pixel exceeds its neighbours and the threshold, (H, W)."""
    gradient = np.abs(np.diff(left, axis=1, append=0))  # (H, W), I(x + 1) - I(x)
    peaks = (gradient > np.roll(gradient, 1, axis=1)) & (gradient > np.roll(gradient, -1, axis=1))
    return peaks & (gradient > min_gradient)


def _whole_range(shape: tuple[int, ...], config: Config) -> npt.NDArray[np.bool_]:
    """Where every window of the search lies inside the image, (H, W)."""
    inside = np.zeros(shape, np.bool_)
    inside[HALF:-HALF, config.num_disparities - 1 + HALF : -HALF] = True
    return inside
