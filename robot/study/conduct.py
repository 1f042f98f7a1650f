"""Measures cells side by side, one process each, and writes each row the moment it is there.

A process per cell, because a robot's life leaves OpenGL contexts, compiled kernels and torch
behind. Where it runs is the workers' affair (`robot.study.processes`, `robot.study.ray_workers`).
Interrupted, it ends the processes; what was finished is kept, and a cell whose process died has no
row, so that the next time it is measured again.
"""

import queue
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from robot.study.rows import Named, Row, write_row

WAIT_S = 0.5  # between two looks at who wants to stop
LAST_WORDS = 20  # lines kept of what a cell said


class Cell(Named, Hashable, Protocol):
    """One measurement; equal cells are the same one."""

    @property
    def parent(self) -> "Cell | None":
        """The one that must be measured before, as this builds on it."""
        ...


class Plan(NamedTuple):
    """What is to be measured, and where to."""

    cells: Sequence[Any]  # `Cell`s, all of one study
    order: Callable[[Any], str]
    """Of a cell: what its process is told to measure, the last of its arguments."""
    rows: Path
    jobs: int
    worker: tuple[str, ...]
    """The program of one cell, before its order; it speaks as `robot.study.worker` does."""


class Watcher(NamedTuple):
    """Told how it goes."""

    began: Callable[[Any], None]
    seconds: Callable[[Any, float], None]
    finished: Callable[[Any, Row], None]
    failed: Callable[[Any, str], None]


class Running(Protocol):
    """A process under way."""

    def interrupt(self) -> None:
        """Asks it to end; what it measured so far may be gone on with."""
        ...

    def wait(self) -> None:
        """Returns when it has ended, killed if it took too long after an interrupt."""
        ...


class Workers(Protocol):
    """Where processes run."""

    def start(
        self, command: Sequence[str], hear: Callable[[str], None], ended: Callable[[int], None]
    ) -> Running:
        """Starts a process.

        Args:
            command: the program and its arguments.
            hear: called with each line that it says, from any thread.
            ended: called once after the last, with its exit code; not 0 if it was lost.
        """
        ...


@dataclass
class _Job:
    """A cell that is being measured."""

    cell: Cell
    row: Row | None = None
    words: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_WORDS))
    running: Running = field(init=False)


def conduct(
    plan: Plan, watcher: Watcher, should_stop: Callable[[], bool], workers: Workers
) -> bool:
    """Measures all cells; False if it was stopped before, or a cell failed.

    A cell waits for the one it builds on; it fails with it.
    """
    waiting, failed = list(plan.cells), set[Cell]()
    news: queue.Queue[tuple[_Job, str | int]] = queue.Queue()
    with _jobs() as jobs:
        while waiting or jobs:
            while len(jobs) < plan.jobs and (cell := _next(waiting, jobs, failed)) is not None:
                waiting.remove(cell)
                jobs[cell] = _start(cell, plan, workers, news)
                watcher.began(cell)
            for cell in [c for c in waiting if c.parent in failed]:
                waiting.remove(cell)
                failed.add(cell)
                watcher.failed(cell, f"{cell.parent.name if cell.parent else ''} failed")
            if should_stop():
                return False
            try:
                job, told = news.get(timeout=WAIT_S)
            except queue.Empty:
                continue
            if isinstance(told, str):
                _hear(job, told, plan.rows, watcher)
                continue
            del jobs[job.cell]
            if job.row is None:
                failed.add(job.cell)
                last = job.words[-1] if job.words else "without a word"
                watcher.failed(job.cell, f"ended with {told}: {last}")
    return not failed


def _next(waiting: list[Cell], jobs: dict[Cell, _Job], failed: set[Cell]) -> Cell | None:
    """The first cell whose parent is neither waiting, measured right now, nor failed."""
    for cell in waiting:
        if cell.parent not in waiting and cell.parent not in jobs and cell.parent not in failed:
            return cell
    return None


@contextmanager
def _jobs() -> Iterator[dict[Cell, _Job]]:
    """The running jobs; none outlives this."""
    jobs: dict[Cell, _Job] = {}
    try:
        yield jobs
    finally:
        for job in jobs.values():
            job.running.interrupt()
        for job in jobs.values():
            job.running.wait()


def _start(cell: Cell, plan: Plan, workers: Workers, news: "queue.Queue[Any]") -> _Job:
    job = _Job(cell)
    job.running = workers.start(
        [*plan.worker, plan.order(cell)],
        lambda line: news.put((job, line)),
        lambda code: news.put((job, code)),
    )
    return job


def _hear(job: _Job, line: str, rows: Path, watcher: Watcher) -> None:
    """One line of a worker: progress, the row, or words."""
    try:
        told = msgspec.json.decode(line)
    except msgspec.DecodeError:
        told = None
    match told:
        case {"row": dict() as row}:
            job.row = row
            write_row(rows, job.cell, row)
            watcher.finished(job.cell, row)
        case {"seconds": int() | float() as seconds}:
            watcher.seconds(job.cell, seconds)
        case _:
            job.words.append(line.strip())
