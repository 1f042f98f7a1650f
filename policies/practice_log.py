"""What a practice run is judged by, counted while it runs.

Two protocols, because a method can win one and fail the other (EARL, Sharma et al., arXiv
2112.09605): the *deployed* policy is frozen now and then and evaluated from the initial states; the
*continuing* policy is what was reached while it practised. What persons had to do stands beside
both: resets that were asked for or due, and interventions where nothing else could help.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from typing import Any, NamedTuple

from policies.evaluate import Trial, by_goal, success_rate
from policies.verdicts import Verdicts


@dataclass
class Tally:
    """Counts since the start."""

    steps: int = 0
    updates: int = 0
    reached_steps: int = 0  # at which the goal that was tried was reached, in truth
    attempts: int = 0  # that ended
    successes: int = 0  # of these, by the verdict of the strategy
    false_successes: int = 0  # of these, not reached in truth
    resets: int = 0  # a person put things back; the first time, at the start, is not counted
    interventions: int = 0  # of these, where nothing else could have
    false_interventions: int = 0  # of these, where something else could have
    lost_steps: int = 0  # at which only a person could help and nobody was called
    returned: float = 0.0  # sum of the rewards that the learner was told
    abstained: dict[str, int] = field(default_factory=dict)  # steps nobody learned from, by reason

    def save(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what was saved; a count that was not made yet stays as it is."""
        for one in fields(self):
            setattr(self, one.name, state.get(one.name, getattr(self, one.name)))

    def doubted(self, reason: str) -> None:
        """Whoever judges abstained at a step."""
        self.abstained[reason] = self.abstained.get(reason, 0) + 1

    @property
    def lessons(self) -> int:
        """Steps that taught something."""
        return self.steps - sum(self.abstained.values())

    def per_1000_steps(self, count: int) -> float:
        """A count in relation to the length of the run."""
        return 1000 * count / max(self.steps, 1)


class Point(NamedTuple):
    """One evaluation of the deployed policy."""

    step: int
    success: float  # part of the attempts
    low: float  # of 95 %, Wilson's
    high: float
    by_goal: dict[int, float]
    mean_steps: float  # of an attempt
    attempts: int = 0  # of practice that had ended by then
    successes: int = 0  # of these, as in the tally


def point_of(tally: Tally, trials: Sequence[Trial]) -> Point:
    """What an evaluation found, and how practice had gone so far."""
    rate = success_rate(trials)
    goals = {goal: found.value for goal, found in by_goal(trials).items()}
    steps = sum(trial.steps for trial in trials) / len(trials)
    interval = (rate.value, rate.low, rate.high)
    return Point(tally.steps, *interval, goals, steps, tally.attempts, tally.successes)


def practised(curve: Sequence[Point]) -> list[float | None]:
    """Part of the attempts of practice that succeeded, between each two evaluations.

    None: no attempt ended there.
    """
    return [
        (after.successes - before.successes) / (after.attempts - before.attempts)
        if after.attempts > before.attempts
        else None
        for before, after in pairwise(curve)
    ]


@dataclass
class PracticeLog:
    """The counts, and the learning curve of the deployed policy."""

    tally: Tally = field(default_factory=Tally)
    curve: list[Point] = field(default_factory=list)
    verdicts: Verdicts = field(default_factory=Verdicts)

    def save(self) -> dict[str, Any]:
        """JSON values."""
        curve = [{**p._asdict(), "by_goal": [*p.by_goal.items()]} for p in self.curve]
        return {"tally": self.tally.save(), "curve": curve, "verdicts": self.verdicts.save()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what was saved."""
        self.tally.restore(state["tally"])
        self.verdicts.restore(state.get("verdicts"))
        self.curve = [
            Point(**{**row, "by_goal": {int(goal): rate for goal, rate in row["by_goal"]}})
            for row in state["curve"]
        ]

    def figures(self) -> dict[str, Any]:
        """What a table shows of a run: JSON values.

        `mean_success` is the mean over evaluations during training, `regret` what lacks of 1;
        the evaluation before the first step counts in neither.
        """
        tally = self.tally
        deployed = [point.success for point in self.curve if point.step > 0]
        mean = sum(deployed) / len(deployed) if deployed else None
        known = [rate for rate in practised(self.curve) if rate is not None]
        return {
            "steps": tally.steps,
            "updates": tally.updates,
            "first_success": self.curve[0].success if self.curve else None,
            "final_success": self.curve[-1].success if self.curve else None,
            "mean_success": mean,
            "regret": None if mean is None else 1 - mean,
            "continuing_reward": tally.reached_steps / max(tally.steps, 1),
            "attempts": tally.attempts,
            "successes": tally.successes,
            "practice_at_first": known[0] if known else None,
            "practice_at_last": known[-1] if known else None,
            "false_successes": tally.false_successes,
            "abstained": dict(tally.abstained),
            "resets_per_1000_steps": tally.per_1000_steps(tally.resets),
            "interventions_per_1000_steps": tally.per_1000_steps(tally.interventions),
            "false_interventions": tally.false_interventions,
            "lost_steps": tally.lost_steps,
            "curve": self.save()["curve"],
            **({"verdicts": self.verdicts.figures()} if self.verdicts.moments else {}),
        }
