"""Intervals of 95 %: over seeds by the bootstrap, for counts exactly.

Frames of one flight are no independent trials, so whatever is a rate over frames is resampled over
seeds, whole flights at a time. A bootstrap of five flights without an event is certain of nothing
happening ever, which is wrong; where events are counted, the exact interval stands beside it and
the bars are judged by the worse of the two.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from perception.approach_events import rate_bounds
from perception.interval import NOTHING, Interval

FloatArray = npt.NDArray[np.float64]
RESAMPLES = 4000
CONFIDENCE = 0.95


def over_seeds(sums: npt.ArrayLike, figure: Callable[[FloatArray], FloatArray]) -> Interval:
    """A figure of pooled sums, with the percentile bootstrap over seeds (Efron 1979).

    Args:
        sums: (seeds, k) what each seed adds to the pool.
        figure: of sums (..., k), one number each; NaN where there is nothing.
    """
    rows = np.asarray(sums, np.float64)
    if not rows.size:
        return NOTHING
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(figure(rows.sum(axis=0)))
        if len(rows) == 1:
            return Interval(value, math.nan, math.nan)
        draws = np.random.default_rng(0).integers(len(rows), size=(RESAMPLES, len(rows)))
        found = figure(rows[draws].sum(axis=1))  # (RESAMPLES,)
    known = found[~np.isnan(found)]
    if not known.size:
        return Interval(value, math.nan, math.nan)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(known, [tail, 100 - tail], method="inverted_cdf")
    return Interval(value, float(low), float(high))


def pooled(sums: npt.ArrayLike) -> Interval:
    """Sum of the first column over the sum of the second, (seeds, 2)."""
    return over_seeds(sums, lambda total: total[..., 0] / total[..., 1])


def mean(values: npt.ArrayLike) -> Interval:
    """Mean over seeds of (seeds,) values, such as paired differences."""
    column = np.asarray(values, np.float64).reshape(-1, 1)
    return pooled(np.hstack([column, np.ones_like(column)]))


def per_unit(events: int, units: float) -> Interval:
    """Events per unit, with the exact interval of a Poisson count (Garwood 1936)."""
    if not units > 0:
        return NOTHING
    tail = (1 - CONFIDENCE) / 2
    low = _poisson_mean(events - 1, 1 - tail) if events else 0.0
    return Interval(events / units, low / units, _poisson_mean(events, tail) / units)


def difference_of_rates(one: Interval, other: Interval) -> Interval:
    """`one` minus `other`, from their own intervals (Donner and Zou 2012)."""
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Interval(value, low, high)


def ratio_of_rates(events: tuple[int, int], units: tuple[float, float]) -> Interval:
    """Rate of the first over that of the second, exact given their sum (Clopper and Pearson)."""
    if min(units) <= 0 or sum(events) == 0:
        return NOTHING
    scale = units[1] / units[0]
    low, high = rate_bounds(events[0], sum(events), CONFIDENCE)
    value = events[0] / events[1] * scale if events[1] else math.inf
    return Interval(
        value, low / (1 - low) * scale, high / (1 - high) * scale if high < 1 else math.inf
    )


def share(hits: int, trials: int) -> Interval:
    """Part of trials, with the exact interval of Clopper and Pearson (1934)."""
    if not trials:
        return NOTHING
    return Interval(hits / trials, *rate_bounds(hits, trials, CONFIDENCE))


def worse_above(one: Interval, other: Interval) -> Interval:
    """The same figure with the larger upper and the smaller lower bound of two ways."""
    lows = [low for low in (one.low, other.low) if not math.isnan(low)]
    highs = [high for high in (one.high, other.high) if not math.isnan(high)]
    return Interval(one.value, min(lows) if lows else math.nan, max(highs) if highs else math.nan)


def _poisson_mean(events: int, probability: float) -> float:
    """The mean at which so many events or fewer have this probability."""
    low, high = 0.0, events + 10 * math.sqrt(events + 1) + 20.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(events, middle) > probability else (low, middle)
    return (low + high) / 2


def _at_most(events: int, mean: float) -> float:
    """P(X <= events) of a Poisson X."""
    if mean <= 0:
        return 1.0
    logs = [k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(events + 1)]
    return math.fsum(math.exp(value) for value in logs)
