"""What came of practice through a graph, read back from its log; truth counts here alone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from robot.messages import (
    AttemptOrder,
    AttemptReport,
    Experience,
    HelpNeeded,
    Message,
    StepJudgement,
    Verdict,
)
from robot.record import LogReader

TRUTH = "truth/"
KINDS = (AttemptOrder, AttemptReport, Experience, HelpNeeded, StepJudgement, Verdict)


class PracticeFigures(NamedTuple):
    """Counts of one run."""

    lessons: int  # steps that were paid
    attempts: int  # that ended
    reached: int  # of these, in which the goal was reached, in truth, at any time
    said: int  # moments at which success was said; each ends an attempt
    in_vain: int  # of these, at which the goal was not reached
    judged: int  # moments that were judged
    abstained: int  # of these, at which nothing was said
    reasons: Mapping[str, int]  # why, by camera and check
    resets: int  # after the first
    interventions: int  # attempts in which only a person could help

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**self._asdict(), "reasons": dict(self.reasons)}

    def told(self) -> str:
        """For a person."""
        text = (
            f"practice: {self.attempts} attempts ended, the goal was reached in {self.reached}; "
            f"{self.said} times success was said, {self.in_vain} of these in vain\n"
            f"judged: {self.judged} moments, {self.lessons} lessons, {self.resets} resets and "
            f"{self.interventions} interventions\n"
        )
        if self.abstained:
            listed = ", ".join(f"{reason} {count}" for reason, count in self.reasons.items())
            text += f"abstained at {self.abstained} of these: {listed}\n"
        return text


def read_figures(log: Path) -> PracticeFigures:
    """The figures of a log of practice.

    Raises:
        LogError: the log cannot be read.
    """
    return figures_of((topic, message) for topic, message, _ in LogReader(log).messages(*KINDS))


def figures_of(messages: Iterable[tuple[str, Message]]) -> PracticeFigures:
    """The figures of messages with their topics, in any order."""
    count: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    helped: set[int] = set()
    truth: dict[int, StepJudgement] = {}
    said: list[StepJudgement] = []
    for topic, message in messages:
        count[type(message).__name__] += 1
        if isinstance(message, StepJudgement):
            if topic.startswith(TRUTH):
                truth[message.captured_ns] = message
            else:
                said.append(message)
        elif isinstance(message, AttemptReport):
            count["reached"] += message.success
        elif isinstance(message, AttemptOrder):
            count["resets"] += message.reset
        elif isinstance(message, HelpNeeded):
            helped.add(message.attempt)
        elif isinstance(message, Verdict) and message.abstained:
            reasons[message.reason.partition(" (")[0]] += 1
    yes = [one for one in said if one.success]
    return PracticeFigures(
        lessons=count["Experience"],
        attempts=count["AttemptReport"],
        reached=count["reached"],
        said=len(yes),
        in_vain=sum(not truth[one.captured_ns].success for one in yes if one.captured_ns in truth),
        judged=len(said),
        abstained=sum(one.abstained for one in said),
        reasons=reasons,
        resets=max(count["resets"] - 1, 0),
        interventions=len(helped),
    )
