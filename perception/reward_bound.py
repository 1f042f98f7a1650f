"""How sure a reward has to be, so that it seldom pays for nothing: a threshold with a promise.

The unit is the attempt, not the image: images of one attempt are alike, and one false "yes" ends
the attempt and teaches the policy something wrong. Of each held-out attempt counts the highest
score of all its moments at which the goal was not reached. A threshold at the (h+1)-th highest of
n such scores is passed by h attempts at most. The part of all attempts that passes it stays below
a limit with the confidence asked for, whatever the scores' distribution, if the exact upper bound
(Clopper and Pearson 1934) of h in n does: an order statistic bounds a distribution without a model
of it (Wilks 1941, doi 10.1214/aoms/1177731788). So the same attempts choose the threshold and prove
it, without a penalty for having chosen. It holds for attempts like those: the same policy, room and
cameras.
"""

import math
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from perception.approach_events import rate_bounds

LIMIT = 0.02  # of all attempts
CALLS = 0.05  # of all attempts, in which a person may be called in vain: that teaches nothing wrong
CONFIDENCE = 0.95


class Bound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is promised of false positives; without a threshold nothing is, and none is paid."""

    limit: float  # most attempts of all, 0..1, in which "yes" is said before the goal is reached
    confidence: float  # 0..1
    episodes: int  # held-out attempts that chose the threshold
    passed: int  # of those, in which "yes" is said in vain
    upper: float  # upper bound of that part of all attempts
    threshold: float | None  # log-odds; "yes" is said above it
    missing: int  # further attempts that would do; 0: enough
    recall: float | None = (
        None  # part of the attempts that reached their goal to which "yes" is said
    )
    recall_episodes: int = 0  # of so many

    def recalled(self, best: NDArray[np.float64]) -> "Bound":
        """With what the threshold leaves.

        Args:
            best: (r,) of each attempt that reached its goal the highest log-odds while it was.
        """
        if self.threshold is None or not len(best):
            return msgspec.structs.replace(self, recall_episodes=len(best))
        recall = float(np.mean(best > self.threshold))
        return msgspec.structs.replace(self, recall=recall, recall_episodes=len(best))

    def is_broken_by(self, in_vain: int, attempts: int) -> bool:
        """Whether so many errors show, with its confidence, that attempts are not as they were.

        Args:
            in_vain: attempts in which "yes" was said in vain.
            attempts: all, none of which had a part in the proof.
        """
        return lower_bound(in_vain, attempts, self.confidence) > self.limit

    def refusal(self) -> str | None:
        """Why no reward is paid; None: it is."""
        asked = f"at most {100 * self.limit:g} % of attempts falsely paid"
        if self.threshold is None:
            return (
                f"{asked} cannot be proved by {self.episodes} held-out attempts (without any error "
                f"the bound is {100 * self.upper:.1f} %); {self.missing} more would do"
            )
        if not self.recall:
            return (
                f"{asked} takes a threshold of {self.threshold:.2f}, above which no success of "
                f"{self.recall_episodes} is seen; teach it with more, also with failures like those"
            )
        return None


def bound_of(
    worst: NDArray[np.float64], limit: float = LIMIT, confidence: float = CONFIDENCE
) -> Bound:
    """The lowest threshold that keeps the promise.

    Args:
        worst: (n,) of each held-out attempt the highest log-odds while its goal was not reached.
        limit: most attempts with a false "yes", part of all.
        confidence: that it is kept.
    """
    episodes = len(worst)
    allowed = -1
    while allowed + 1 < episodes and upper_bound(allowed + 1, episodes, confidence) <= limit:
        allowed += 1
    if allowed < 0:
        missing = least_episodes(limit, confidence) - episodes
        upper = upper_bound(0, episodes, confidence)
        return Bound(
            limit=limit,
            confidence=confidence,
            episodes=episodes,
            passed=0,
            upper=upper,
            threshold=None,
            missing=missing,
        )
    threshold = float(np.sort(worst)[::-1][allowed])
    passed = int(np.sum(worst > threshold))  # fewer than allowed where scores tie
    return Bound(
        limit=limit,
        confidence=confidence,
        episodes=episodes,
        passed=passed,
        upper=upper_bound(allowed, episodes, confidence),
        threshold=threshold,
        missing=0,
    )


def lower_bound(hits: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """One-sided exact lower bound of a rate; 0 without trials."""
    if not trials:
        return 0.0
    return rate_bounds(hits, trials, 2 * confidence - 1)[0]


@lru_cache(maxsize=1024)
def upper_bound(hits: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """One-sided exact upper bound of a rate; 1 without trials."""
    if not trials:
        return 1.0
    return rate_bounds(hits, trials, 2 * confidence - 1)[1]  # its bounds are two-sided


def least_episodes(limit: float = LIMIT, confidence: float = CONFIDENCE) -> int:
    """Fewest attempts that can prove the limit: (1 - limit)^n is at most 1 - confidence."""
    return math.ceil(math.log(1 - confidence) / math.log(1 - limit))
