"""How well a student says "obstacle", with the teacher as judge.

Rates over frames choose a threshold, as van Hecke et al. (arXiv 1603.08047) do. They carry no
bound, as consecutive frames show the same obstacle; see `perception/approach_events.py`.

The authors' flight code (`kevindehecker/paparazzi`, branch IC, `textons.cpp`) swaps two counters:
what it calls TPR is TN / (TN + FN), the negative predictive value, and its "FPR" is FP / (TP + FP),
the false discovery rate. Both definitions are here; the true one is the default.
"""

import math
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perception.quantities import FloatArray

BoolArray = npt.NDArray[np.bool_]


class Judged(NamedTuple):
    """Estimates beside what the teacher measured at the same frames, oldest first."""

    estimate_px: FloatArray  # (n,); NaN where the student knew nothing
    teacher_px: FloatArray  # (n,)


class Counts(NamedTuple):
    """Frames by what the student and the teacher said; a rate of nothing is NaN."""

    true_positive: int  # both: obstacle
    false_positive: int  # only the student
    true_negative: int  # neither
    false_negative: int  # only the teacher

    @property
    def positive_rate(self) -> float:
        """TPR: the part of the teacher's obstacles that the student finds."""
        return _part(self.true_positive, self.false_negative)

    @property
    def false_alarm_rate(self) -> float:
        """FPR: the part of the free frames that the student takes for obstacles."""
        return _part(self.false_positive, self.true_negative)

    @property
    def flown_positive_rate(self) -> float:
        """What the flight code calls TPR: the negative predictive value."""
        return _part(self.true_negative, self.false_negative)

    @property
    def flown_false_alarm_rate(self) -> float:
        """What the flight code calls FPR: the false discovery rate."""
        return _part(self.false_positive, self.true_positive)


class Rates(NamedTuple):
    """The two rates of a threshold, by one definition; NaN where nothing was to be judged."""

    positive: float  # TPR, 0..1
    false_alarm: float  # FPR, 0..1


class Definition(StrEnum):
    """What TPR and FPR mean."""

    TRUE = "true"  # TP / (TP + FN) and FP / (FP + TN)
    FLOWN = "flown"  # as the flight code counts: TN / (TN + FN) and FP / (TP + FP)

    def rates(self, counts: Counts) -> Rates:
        """The rates by this definition."""
        if self is Definition.TRUE:
            return Rates(counts.positive_rate, counts.false_alarm_rate)
        return Rates(counts.flown_positive_rate, counts.flown_false_alarm_rate)


class Threshold(NamedTuple):
    """A threshold on the estimate, and how it does on the frames that it was chosen on."""

    estimate_px: float  # above it the student says obstacle
    rates: Rates


def count(judged: Judged, estimate_threshold_px: float, teacher_threshold_px: float) -> Counts:
    """Frames whose estimate and teacher are known, by what both said; above is obstacle."""
    known = ~np.isnan(judged.estimate_px) & ~np.isnan(judged.teacher_px)
    said = judged.estimate_px[known] > estimate_threshold_px
    true = judged.teacher_px[known] > teacher_threshold_px
    return Counts(
        int(np.sum(said & true)),
        int(np.sum(said & ~true)),
        int(np.sum(~said & ~true)),
        int(np.sum(~said & true)),
    )


def choose_threshold(
    judged: Judged,
    teacher_threshold_px: int,
    least_positive_rate: float = 0.95,
    definition: Definition = Definition.TRUE,
) -> Threshold | None:
    """The paper's: of the whole thresholds from the teacher's down to 1, with TPR above the least,
    the one with the lowest FPR; the higher of two equal ones.

    Returns:
        None if no threshold has a TPR above the least, or one of the rates is of nothing.
    """
    best = None
    for estimate_px in range(teacher_threshold_px, 0, -1):
        rates = definition.rates(count(judged, estimate_px, teacher_threshold_px))
        usable = rates.positive > least_positive_rate and not math.isnan(rates.false_alarm)
        if usable and (best is None or rates.false_alarm < best.rates.false_alarm):
            best = Threshold(float(estimate_px), rates)
    return best


def _part(of: int, others: int) -> float:
    return of / (of + others) if of + others else math.nan
