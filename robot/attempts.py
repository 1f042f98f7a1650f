"""Attempts at a table read back from the log of their run: what was asked, and what came of it."""

from collections.abc import Sequence
from pathlib import Path

from robot.messages import AttemptReport
from robot.record import LogReader


def read_attempts(log: Path) -> list[AttemptReport]:
    """The attempts that ended, in their order.

    Raises:
        LogError: the log cannot be read.
    """
    return [message for _, message, _ in LogReader(log).messages(AttemptReport)]


def told(attempts: Sequence[AttemptReport]) -> list[str]:
    """A line per goal that was tried."""
    lines = []
    for goal in sorted({attempt.goal for attempt in attempts}):
        tried = [attempt for attempt in attempts if attempt.goal == goal]
        done = [attempt.seconds for attempt in tried if attempt.success]
        line = f"{tried[0].text}: {len(done)} of {len(tried)} attempts"
        if done:
            line += f", {sum(done) / len(done):.1f} s on average"
        if lost := sum(attempt.irreversible for attempt in tried):
            line += f"; {lost} times only a person could put things back"
        lines.append(line)
    return lines
