"""What few seeds allow to say: interquartile means, and intervals by resampling within tasks.

The method of rliable (Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical
Precipice", arXiv 2108.13264) in a few lines of NumPy. A mean is moved by one lucky run, a median of
five runs wastes three; the interquartile mean is the mean of the middle half of all runs. Its
interval is the percentile bootstrap in which the runs of each task are drawn anew among themselves.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perception.approach_events import rate_bounds
from perception.interval import NOTHING, Interval
from perception.quantities import InputError

CONFIDENCE = 0.95
RESAMPLES = 4000
NORMAL_QUANTILE = 1.959963984540054  # of 97.5 %, for CONFIDENCE

Figure = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Of the last axis: (..., N) -> (...)."""


class StatisticsError(InputError):
    """Scores that are no table of runs and tasks, or that do not pair."""


def interquartile_mean(scores: ArrayLike) -> NDArray[np.float64]:
    """(...) the mean of the middle half of (..., N); a quarter of N, rounded down, is cut off."""
    ordered = np.sort(np.asarray(scores, np.float64), axis=-1)
    cut = ordered.shape[-1] // 4
    return ordered[..., cut : ordered.shape[-1] - cut].mean(-1)


def mean(scores: ArrayLike) -> NDArray[np.float64]:
    """(...) of (..., N)."""
    return np.asarray(scores, np.float64).mean(-1)


def stratified_bootstrap(
    scores: ArrayLike, figure: Figure = interquartile_mean, seed: int = 0
) -> Interval:
    """A figure of all runs of all tasks, with its interval.

    Args:
        scores: (runs, tasks).
        figure: of the scores.
        seed: of the resampling.

    Raises:
        StatisticsError: no such table.
    """
    table = _table(scores)
    draws = _drawn(table, seed)
    return _interval(float(figure(table.ravel())), figure(draws.reshape(RESAMPLES, -1)))


def paired_bootstrap(
    one: ArrayLike, other: ArrayLike, figure: Figure = mean, seed: int = 0
) -> Interval:
    """The figure of `one` less that of `other`, which ran with the same seeds, row by row.

    Args:
        one: (runs, tasks).
        other: (runs, tasks).
        figure: of the scores of each.
        seed: of the resampling; both are drawn alike.

    Raises:
        StatisticsError: tables that do not pair.
    """
    first, second = _table(one), _table(other)
    if first.shape != second.shape:
        raise StatisticsError(f"scores of shape {first.shape} and {second.shape} do not pair")
    drawn = [figure(_drawn(t, seed).reshape(RESAMPLES, -1)) for t in (first, second)]
    value = float(figure(first.ravel()) - figure(second.ravel()))
    return _interval(value, drawn[0] - drawn[1])


def band(curves: ArrayLike, figure: Figure = interquartile_mean, seed: int = 0) -> list[Interval]:
    """The bootstrap at each point of learning curves (runs, tasks, points)."""
    return [
        stratified_bootstrap(scores, figure, seed)
        for scores in np.moveaxis(np.asarray(curves), -1, 0)
    ]


def regret(scores: ArrayLike) -> NDArray[np.float64]:
    """(...) mean of 1 - score over the points (..., N) of a curve: 0 never fails, 1 always does.

    Cumulative regret as Cal-QL reports it (Nakamoto et al., arXiv 2303.05479).
    """
    return 1 - mean(scores)


def wilson(hits: int, trials: int) -> Interval:
    """Part of trials with the score interval of Wilson (1927): right on average, and short."""
    if not trials:
        return NOTHING
    rate, z2 = hits / trials, NORMAL_QUANTILE**2
    middle = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2)) * NORMAL_QUANTILE
    half /= 1 + z2 / trials
    return Interval(rate, max(0.0, middle - half), min(1.0, middle + half))


def clopper_pearson(hits: int, trials: int) -> Interval:
    """Part of trials with the exact interval (1934): never too short, for bars to be passed."""
    if not trials:
        return NOTHING
    return Interval(hits / trials, *rate_bounds(hits, trials, CONFIDENCE))


def _table(scores: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(scores, np.float64)
    if table.ndim != 2 or not table.size:
        raise StatisticsError(f"scores have shape {table.shape}; give (runs, tasks), none empty")
    return table


def _drawn(table: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """(RESAMPLES, runs, tasks), the runs of each task drawn with replacement."""
    runs, tasks = table.shape
    rows = np.random.default_rng(seed).integers(runs, size=(RESAMPLES, runs, tasks))
    return table[rows, np.arange(tasks)]


def _interval(value: float, drawn: NDArray[Any]) -> Interval:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Interval(value, float(low), float(high))
