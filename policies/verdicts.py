"""How right a reward that looks was while a robot practised, moment by moment, beside the truth.

RoboFuME's table II (Yang et al., arXiv 2310.15145) counts images; so does this. Memory is bounded:
ten bins of probability stand for all looks. Nothing that is learned hangs on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perception.reward_calibration import probability
from policies.rewards import Judgement

BINS = 10  # as `perception.risk.calibration_error` has


@dataclass
class Verdicts:
    """Counts of moments that somebody looked at."""

    said: list[list[int]] = field(default_factory=lambda: [[0, 0], [0, 0]])
    """Moments by [goal reached in truth][yes was said]."""
    bins: list[list[float]] = field(default_factory=lambda: [[0, 0.0, 0] for _ in range(BINS)])
    """Single looks by their probability of yes: how many, its sum, at how many it was true."""

    @property
    def moments(self) -> int:
        """That were judged by looking."""
        return sum(map(sum, self.said))

    def count(self, judged: Judgement, cameras: int, *, reached: bool) -> None:
        """One moment; nothing is counted where nobody looked or who looks abstained.

        Args:
            judged: what was said.
            cameras: how many of its looks answer the instruction itself, the first ones.
            reached: the truth.
        """
        if judged.score is None or judged.abstained:
            return
        self.said[reached][judged.success] += 1
        for yes in probability(np.array(judged.looks[:cameras])).tolist():
            one = self.bins[min(int(yes * BINS), BINS - 1)]
            one[0] += 1
            one[1] += yes
            one[2] += reached

    def figures(self) -> dict[str, Any]:
        """Rates as JSON values; None where there is nothing to divide by."""
        (quiet, in_vain), (missed, seen) = self.said
        return {
            "moments": self.moments,
            "false_positive_rate": _part(in_vain, in_vain + quiet),
            "false_negative_rate": _part(missed, missed + seen),
            "precision": _part(seen, seen + in_vain),
            "accuracy": _part(seen + quiet, self.moments),
            "ece": self._calibration_error(),
            "said": self.said,
        }

    def save(self) -> dict[str, Any]:
        """JSON values."""
        return {"said": self.said, "bins": self.bins}

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Goes on from what was saved; None: of a run that counted nothing until now."""
        if state is not None:
            self.said, self.bins = _lists(state["said"]), _lists(state["bins"])

    def _calibration_error(self) -> float | None:
        """Mean distance of said and true share over the bins (Naeini et al., AAAI 2015)."""
        gaps = [abs(said - true) for _, said, true in self.bins]
        return _part(sum(gaps), sum(count for count, _, _ in self.bins))


def _lists(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [[*row] for row in rows]


def _part(some: float, of: float) -> float | None:
    return some / of if of else None
