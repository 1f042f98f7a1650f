"""How often a reward errs: per image, and per attempt, which is what a policy learns from.

Of answers alone: who gave them does not matter, a network or a vision-language model.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.reward_bound import CONFIDENCE, Bound, bound_of, upper_bound
from perception.reward_calibration import Calibration
from perception.reward_look import NEVER, LookRule, helplessness, scores

SURPASS = 0.9  # of the successes
EARLY = 3  # moments; a yes that comes so much too soon errs less than one for nothing

Array = NDArray[np.float64]


class Answered(NamedTuple):
    """What was answered in one attempt of T moments, through V cameras, raw log-odds."""

    own: Array  # (T, V) to the instruction
    opposite: Array  # (T, V, o) to each of its opposites
    reached: NDArray[np.bool_]  # (T,) whether the goal is reached, in truth

    def honest(self, calibration: Calibration) -> "Answered":
        """The same, calibrated."""
        own, opposite = calibration.honest(self.own), calibration.honest(self.opposite)
        return Answered(own, opposite, self.reached)


class RewardScores(NamedTuple):
    """Errors of one rule at one threshold."""

    moments: int
    successes: int  # moments at which the goal is reached
    false_positives: int  # moments
    false_negatives: int  # moments
    attempts: int
    false_attempts: int  # in which "yes" is said while the goal is not reached
    early_attempts: int  # of those, in which it is said just before the goal is reached, no sooner
    false_upper: float  # 95 % upper bound of that part of all attempts
    reached_attempts: int
    found_attempts: int  # of those, in which "yes" is said while it is

    def rates(self) -> dict[str, float | None]:
        """As RoboFuME's table II names them; None where there is nothing to count."""
        failures = self.moments - self.successes
        found = self.successes - self.false_negatives
        right = self.moments - self.false_positives - self.false_negatives
        return {
            "false_positive_rate": _part(self.false_positives, failures),
            "false_negative_rate": _part(self.false_negatives, self.successes),
            "precision": _part(found, found + self.false_positives),
            "accuracy": _part(right, self.moments),
            "false_attempt_rate": _part(self.false_attempts, self.attempts),
            "recall_of_attempts": _part(self.found_attempts, self.reached_attempts),
        }


def judged(
    attempts: Sequence[Answered], rule: LookRule, threshold: float, views: Sequence[str]
) -> RewardScores:
    """Counts of calibrated answers, where "yes" is a score above the threshold."""
    said = [scores(one.own, one.opposite, rule, views) > threshold for one in attempts]
    truth = [one.reached for one in attempts]
    pairs = list(zip(said, truth, strict=True))
    wrong = [yes & ~is_so for yes, is_so in pairs]
    false = sum(bool(one.any()) for one in wrong)
    sooner = sum(bool((one & ~_soon(is_so)).any()) for one, is_so in zip(wrong, truth, strict=True))
    every, true = np.concatenate(said), np.concatenate(truth)
    return RewardScores(
        moments=len(every),
        successes=int(true.sum()),
        false_positives=int((every & ~true).sum()),
        false_negatives=int((~every & true).sum()),
        attempts=len(attempts),
        false_attempts=false,
        early_attempts=false - sooner,
        false_upper=upper_bound(false, len(attempts)),
        reached_attempts=sum(bool(is_so.any()) for is_so in truth),
        found_attempts=sum(bool(np.any(yes & is_so)) for yes, is_so in pairs),
    )


def false_at_recall(
    attempts: Sequence[Answered], rule: LookRule, views: Sequence[str], recall: float = 0.5
) -> int | None:
    """Attempts with a false "yes" at the highest threshold that still sees enough successes.

    So rules are compared at equal use, whatever their log-odds are about. None: no success.
    """
    worst, best = _extremes(attempts, rule, views)
    if not len(best):
        return None
    at_least = np.sort(best)[::-1][math.ceil(recall * len(best)) - 1]
    return int((worst >= at_least).sum())


def proved(
    attempts: Sequence[Answered],
    rule: LookRule,
    views: Sequence[str],
    limit: float,
    confidence: float,
) -> Bound:
    """The bound that held-out attempts prove, with what "yes" is still said to; calibrated."""
    worst, best = _extremes(attempts, rule, views)
    return bound_of(worst, limit, confidence).recalled(best)


def doubtful(attempts: Sequence[Answered], rule: LookRule, views: Sequence[str]) -> float | None:
    """Log-odds that most successes of held-out attempts, calibrated, surpass; None: no success.

    Below the threshold of a promise but above this, a "no" is no sign of failure.
    """
    _, best = _extremes(attempts, rule, views)
    return float(np.quantile(best, 1 - SURPASS)) if len(best) else None


class Calls(NamedTuple):
    """How often a person is called, by attempts."""

    attempts: int
    in_vain: int  # attempts in which it is called where nobody is needed
    in_vain_upper: float  # 95 % upper bound of that part of all attempts
    helpless: int  # attempts that end where only a person can put things right
    found: int  # of those, in which it is called there


def calls(asked: Sequence[Answered], threshold: float) -> Calls:
    """Counts of calls above a threshold, log-odds; `asked` as `proved_helpless` takes it."""
    worst, best = _helpless_extremes(asked)
    in_vain = int((worst > threshold).sum())
    return Calls(
        attempts=len(asked),
        in_vain=in_vain,
        in_vain_upper=upper_bound(in_vain, len(asked)),
        helpless=len(best),
        found=int((best > threshold).sum()),
    )


def proved_helpless(
    asked: Sequence[Answered], limit: float, confidence: float = CONFIDENCE
) -> Bound:
    """The bound on calls for a person in vain that held-out attempts prove, with what is seen.

    Args:
        asked: whether only a person can put things right, calibrated; `reached` says where.
        limit: part of the attempts in which a person may be called in vain.
        confidence: that it is kept.
    """
    worst, best = _helpless_extremes(asked)
    return bound_of(worst, limit, confidence).recalled(best)


def calibrating(attempts: Sequence[Answered]) -> tuple[Array, NDArray[np.bool_]]:
    """(n,) all answers to the instructions themselves, and whether they should be "yes"."""
    raw = np.concatenate([one.own.ravel() for one in attempts])
    truth = np.concatenate([np.repeat(one.reached, one.own.shape[1]) for one in attempts])
    return raw, truth


def _extremes(
    attempts: Sequence[Answered], rule: LookRule, views: Sequence[str]
) -> tuple[Array, Array]:
    """Highest scores while the goal is not reached, (n,), and while it is, (r,) where it is."""
    return _highest((scores(one.own, one.opposite, rule, views), one.reached) for one in attempts)


def _helpless_extremes(asked: Sequence[Answered]) -> tuple[Array, Array]:
    """As `_extremes`, of whether only a person can put things right."""
    return _highest((helplessness(one.own), one.reached) for one in asked)


def _highest(said: Iterable[tuple[Array, NDArray[np.bool_]]]) -> tuple[Array, Array]:
    """Highest scores of each attempt where something is not so, (n,), and where it is, (r,)."""
    pairs = [*said]
    worst = np.array([score[~is_so].max(initial=NEVER) for score, is_so in pairs])
    best = np.array([score[is_so].max() for score, is_so in pairs if is_so.any()])
    return worst, best


def _soon(reached: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(T,) whether the goal is reached within the next EARLY moments."""
    later = np.concatenate([reached, np.zeros(EARLY, np.bool_)])
    return np.array([later[at + 1 : at + 1 + EARLY].any() for at in range(len(reached))])


def _part(hits: int, trials: int) -> float | None:
    return round(hits / trials, 4) if trials else None
