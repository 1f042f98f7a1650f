"""Log-odds that mean what they say: one temperature and one shift, fitted to held-out looks.

A network that learns from as many successes as failures is too ready to say "yes" where successes
are rare, and too sure of itself. Dividing its log-odds by a temperature (Guo et al. 2017, arXiv
1706.04599) mends the second, a shift the first (Platt 1999). The order of answers stays, so no
threshold gets better or worse by it.
"""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from perception.approach_events import rate_bounds
from perception.interval import Interval

RIDGE = 1e-2  # on the slope's distance from 1: looks without any error ask for infinite slope
STEPS = 100  # of Newton's method, far more than it needs
MOST = 30.0  # log-odds; beyond, a float32 probability is 0 or 1

Array = NDArray[np.float64]


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How raw log-odds become honest ones: (raw - shift) / temperature."""

    temperature: float = 1.0
    shift: float = 0.0

    def honest(self, raw: NDArray[np.floating]) -> Array:
        """Calibrated log-odds of raw ones, of any shape."""
        return (raw.astype(np.float64) - self.shift) / self.temperature


def fit_calibration(raw: Array, success: NDArray[np.bool_]) -> Calibration:
    """The likeliest temperature and shift.

    Args:
        raw: (n,) log-odds of looks that nobody learned from.
        success: (n,) what is true.

    Returns:
        A temperature above 0; `Calibration()` where only one answer is right.
    """
    if success.all() or not success.any():
        return Calibration()
    inputs = np.column_stack([np.clip(raw, -MOST, MOST), np.ones(len(raw))])  # (n, 2)
    pull, middle = np.diag([RIDGE, 0.0]), np.array([1.0, 0.0])
    weights = middle.copy()
    for _ in range(STEPS):
        said = probability(inputs @ weights)
        slope = inputs.T @ (said - success) + pull @ (weights - middle)
        curve = (inputs.T * (said * (1 - said) + 1e-9)) @ inputs + pull
        step = np.linalg.solve(curve, slope)
        weights = weights - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    scale = max(float(weights[0]), 1e-3)  # an answerer that is worse than chance stays unsure
    return Calibration(temperature=1 / scale, shift=-float(weights[1]) / scale)


def probability(log_odds: NDArray[np.floating]) -> Array:
    """Of "yes", for log-odds of any shape."""
    return 1 / (1 + np.exp(-np.clip(log_odds.astype(np.float64), -MOST, MOST)))


class Bin(NamedTuple):
    """One bar of a reliability diagram."""

    low: float  # probability that is said, from
    high: float  # to
    said: float  # mean
    found: Interval  # part of these looks that is a success, with its bounds over looks
    looks: int


def reliability(said: Array, success: NDArray[np.bool_], bins: int = 10) -> list[Bin]:
    """What is said against what is found, over equal bins; empty ones are left out.

    Args:
        said: (n,) probabilities.
        success: (n,) what is true.
        bins: of equal width.
    """
    chosen = np.minimum((said * bins).astype(np.intp), bins - 1)
    found: list[Bin] = []
    for number in np.unique(chosen):
        own = chosen == number
        hits, looks = int(success[own].sum()), int(own.sum())
        rate = Interval(hits / looks, *rate_bounds(hits, looks))
        found.append(Bin(number / bins, (number + 1) / bins, float(said[own].mean()), rate, looks))
    return found
