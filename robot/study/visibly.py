"""A study that a person watches: a line per cell, a bar, and Ctrl-C that loses nothing finished."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perception.quantities import InputError
from robot.commands.run import interruptible
from robot.console import Console
from robot.study.conduct import Plan, Watcher, Workers, conduct
from robot.study.processes import Processes
from robot.study.rows import Named, Row

MOST_JOBS = 64


def conduct_visibly(
    plan: Plan,
    extent: Callable[[Any], float],
    says: Callable[[Row], str],
    console: Console,
    workers: Workers | None = None,
) -> bool:
    """Measures all cells of a plan; False if it was stopped before, or a cell failed.

    Args:
        plan: what is to be measured.
        extent: of a cell: how far it will come, in the units that its process tells.
        says: of a row, what the line of its cell says.
        console: where to; nothing is said if it is quiet.
        workers: where processes run; None: on this machine.
    """
    bar = Console(quiet=console.quiet or not sys.stderr.isatty())  # in a file, lines are enough
    total = sum(extent(cell) for cell in plan.cells)
    with interruptible() as interrupted, bar.progress("study", total) as progress:
        lines = _Lines(console, len(plan.cells), progress, extent, says)
        watcher = Watcher(lines.began, lines.seconds, lines.finished, lines.failed)
        complete = conduct(plan, watcher, interrupted, workers or Processes())
        if interrupted():
            console.say("stopped; finished cells are kept, the same command goes on")
    return complete


def check_jobs(jobs: int) -> None:
    """Refuses a number of processes that cannot be.

    Raises:
        InputError: not 1 to 64.
    """
    if not 1 <= jobs <= MOST_JOBS:
        raise InputError(f"--jobs {jobs}: must be 1 to {MOST_JOBS}")


def duration(seconds: float) -> str:
    """For a person: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@dataclass
class _Lines:
    """A line per cell that begins, ends or fails; the bar shows how far all are."""

    console: Console
    cells: int
    progress: Callable[[float], None]
    extent: Callable[[Any], float]
    says: Callable[[Row], str]
    done: int = 0
    seconds_of: dict[Any, float] = field(default_factory=dict)

    def began(self, cell: Named) -> None:
        """A process was started."""
        self.console.say(f"begins  {cell.name}")

    def seconds(self, cell: Named, seconds: float) -> None:
        """So far has a cell come."""
        self.seconds_of[cell] = seconds
        self.progress(sum(self.seconds_of.values()))

    def finished(self, cell: Named, row: Row) -> None:
        """Its row is written."""
        self.done += 1
        self.seconds(cell, self.extent(cell))
        self.console.say(
            f"{self.done}/{self.cells} {cell.name}: {self.says(row)} "
            f"({duration(row['wall_seconds'])})"
        )

    def failed(self, cell: Named, reason: str) -> None:
        """It has no row."""
        self.done += 1
        sys.stderr.write(f"reflexarc: study: {cell.name}: {reason}\n")
