"""What a judge adds up: numbers only, so that a flight of any length fits into a small row.

All are sums, never means: rows of several seeds are pooled by adding them up. A rate is a method,
and a rate of nothing is NaN.
"""

import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from perception.approach_events import Approach
from perception.obstacle_rates import BoolArray, Counts
from perception.quantities import FloatArray

FACTOR = 1.25  # of delta_125; Eigen et al., arXiv 1406.2283
BAD_ABS_REL = 0.25  # median error above which a frame is bad
TRUST_BINS = 20  # of trust from 0 to 1
NEAREST_M = 0.3  # m, as near as the teacher searches; what is truly nearer is not judged
FARTHEST_M = 10.0  # m; a room's diagonal is shorter


class Said(msgspec.Struct):
    """How often one said "obstacle" where another did, in frames; the other is right."""

    true_positive: int = 0
    false_positive: int = 0
    true_negative: int = 0
    false_negative: int = 0

    def add(self, said: bool, right: bool) -> None:
        """One frame."""
        self.true_positive += said and right
        self.false_positive += said and not right
        self.true_negative += not said and not right
        self.false_negative += not said and right

    @property
    def counts(self) -> Counts:
        """With the rates of `perception.obstacle_rates`."""
        return Counts(
            self.true_positive, self.false_positive, self.true_negative, self.false_negative
        )


class Errors(msgspec.Struct):
    """Errors of depth over pixels."""

    pixels: int = 0
    abs_rel_sum: float = 0.0  # of |z - z*| / z*
    within: int = 0  # max(z / z*, z* / z) < 1.25

    def add(self, true_per_m: FloatArray, found_per_m: FloatArray) -> FloatArray:
        """Pixels (n,) of inverse depth, cut to what can be judged; returns z / z* of each."""
        relative = np.asarray(_cut(true_per_m) / _cut(found_per_m), np.float32)
        self.pixels += relative.size
        self.abs_rel_sum += float(np.abs(relative - 1).sum(dtype=np.float64))
        self.within += int(((relative < FACTOR) & (relative > 1 / FACTOR)).sum())
        return relative

    @property
    def abs_rel(self) -> float:
        """0 is perfect."""
        return self.abs_rel_sum / self.pixels if self.pixels else math.nan

    @property
    def delta_125(self) -> float:
        """0..1, 1 is perfect."""
        return self.within / self.pixels if self.pixels else math.nan


class Tally(msgspec.Struct):
    """All that is added up over the frames and metres of one kind."""

    frames: int = 0
    silent: int = 0  # of them without a valid reading of the student
    obeyed: int = 0  # of them with somebody who may fly
    seconds: float = 0.0
    distance_m: float = 0.0
    turns: int = 0
    collisions: int = 0
    put_backs: int = 0
    overrides: int = 0
    found: int = 0  # approaches that the student found, the teacher being right
    missed: int = 0
    false_alarms: int = 0
    student_by_teacher: Said = msgspec.field(default_factory=Said)
    student_by_truth: Said = msgspec.field(default_factory=Said)
    teacher_by_truth: Said = msgspec.field(default_factory=Said)
    student_error: Errors = msgspec.field(default_factory=Errors)  # against truth
    teacher_error: Errors = msgspec.field(default_factory=Errors)  # likewise, on the same pixels
    student_to_teacher: Errors = msgspec.field(default_factory=Errors)
    trust_good: list[int] = msgspec.field(default_factory=lambda: [0] * TRUST_BINS)
    trust_bad: list[int] = msgspec.field(default_factory=lambda: [0] * TRUST_BINS)

    def count_approach(self, end: Approach) -> None:
        """One run that has ended."""
        self.found += end is Approach.FOUND
        self.missed += end is Approach.MISSED
        self.false_alarms += end is Approach.FALSE_ALARM

    def count_trust(self, trust: float, error: float) -> None:
        """One frame by its trust, 0..1, and its median abs_rel."""
        bins = self.trust_bad if error > BAD_ABS_REL else self.trust_good
        bins[min(int(trust * TRUST_BINS), TRUST_BINS - 1)] += 1

    @property
    def minutes(self) -> float:
        """Of flight."""
        return self.seconds / 60


def is_judged(true_per_m: FloatArray) -> BoolArray:
    """Which pixels have a true depth that stereo could find."""
    return (true_per_m > 0) & (true_per_m <= 1 / NEAREST_M)


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of several."""
    summed = Tally()
    for tally in tallies:
        summed = _added(summed, tally)
    return summed


def auroc_of_bins(good: Sequence[float], bad: Sequence[float]) -> float:
    """How well trust tells good frames from bad ones, 0.5 is chance; frames of a bin are ties."""
    pairs = sum(good) * sum(bad)
    if not pairs:
        return math.nan
    below = np.cumsum(bad) - np.asarray(bad)  # (bins,) bad frames that are trusted less
    won = (np.asarray(good) * (below + np.asarray(bad) / 2)).sum()
    return float(won / pairs)


def _cut(per_m: FloatArray) -> FloatArray:
    return np.clip(per_m, np.float32(1 / FARTHEST_M), np.float32(1 / NEAREST_M))


def _added(one: Tally, other: Tally) -> Tally:
    return msgspec.convert(
        _sum(msgspec.to_builtins(one), msgspec.to_builtins(other)), Tally, strict=False
    )


def _sum(one: object, other: object) -> object:
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _sum(value, other[key]) for key, value in one.items()}
    if isinstance(one, list) and isinstance(other, list):
        return [_sum(*pair) for pair in zip(one, other, strict=True)]
    assert isinstance(one, int | float) and isinstance(other, int | float)  # noqa: S101, PT018
    return one + other
