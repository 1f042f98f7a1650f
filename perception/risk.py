"""How well a doubt tells bad frames from good ones: ranking, risk against coverage, honesty."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def auroc(doubt: Array, bad: npt.NDArray[np.bool_]) -> float:
    """Probability that a bad frame is doubted more than a good one, ties half; NaN without both.

    Mann and Whitney 1947. doubt, bad: (n,).
    """
    bads, goods = int(bad.sum()), int((~bad).sum())
    if not bads or not goods:
        return math.nan
    values, inverse, counts = np.unique(doubt, return_inverse=True, return_counts=True)
    del values
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # (n,), from 1, ties share
    return float((ranks[bad].sum() - bads * (bads + 1) / 2) / (bads * goods))


class RiskCoverage(NamedTuple):
    """What is left of the error when the most doubted frames are left out."""

    coverage: Array  # (n,) 1/n .. 1, part of the frames that is kept
    risk: Array  # (n,) mean error of those


def risk_coverage(error: Array, doubt: Array) -> RiskCoverage:
    """The curve of Geifman and El-Yaniv, arXiv 1705.08500; error, doubt: (n,)."""
    ordered = error[np.argsort(doubt, kind="stable")]
    count = np.arange(1, len(error) + 1)
    return RiskCoverage(count / len(error), np.cumsum(ordered) / count)


def calibration_error(probability: Array, bad: npt.NDArray[np.bool_], bins: int = 10) -> float:
    """Mean distance of said and true share over equal bins, weighted (Naeini et al., AAAI 2015)."""
    chosen = np.minimum((probability * bins).astype(np.intp), bins - 1)
    gaps = [
        abs(float(probability[chosen == b].mean() - bad[chosen == b].mean())) * (chosen == b).mean()
        for b in range(bins)
        if (chosen == b).any()
    ]
    return float(sum(gaps))
