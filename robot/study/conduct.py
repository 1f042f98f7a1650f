"""Measures cells side by side, one process each, and writes each row the moment it is there.

A process per cell, because a robot's life leaves OpenGL contexts, compiled kernels and torch
behind; one thread each, because many threads on few cores wait for each other, and because on one
thread equal seeds give equal lives. Interrupted, it ends the processes; what was finished is kept.
"""

import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from robot.study.rows import Named, Row, write_row

WAIT_S = 0.5  # between two looks at who wants to stop
END_S = 20.0  # that an interrupted cell may take to end
LAST_WORDS = 20  # lines kept of what a cell said
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


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


@dataclass
class _Job:
    """A cell that is being measured."""

    cell: Cell
    process: "subprocess.Popen[str]"
    row: Row | None = None
    words: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_WORDS))


def conduct(plan: Plan, watcher: Watcher, should_stop: Callable[[], bool]) -> bool:
    """Measures all cells; False if it was stopped before, or a cell failed.

    A cell waits for the one it builds on; it fails with it.
    """
    waiting, failed = list(plan.cells), set[Cell]()
    news: queue.Queue[tuple[_Job, str | None]] = queue.Queue()
    with _jobs() as jobs:
        while waiting or jobs:
            while len(jobs) < plan.jobs and (cell := _next(waiting, jobs, failed)) is not None:
                waiting.remove(cell)
                jobs[cell] = _start(cell, plan, news)
                watcher.began(cell)
            for cell in [c for c in waiting if c.parent in failed]:
                waiting.remove(cell)
                failed.add(cell)
                watcher.failed(cell, f"{cell.parent.name if cell.parent else ''} failed")
            if should_stop():
                return False
            try:
                job, line = news.get(timeout=WAIT_S)
            except queue.Empty:
                continue
            if line is not None:
                _hear(job, line, plan.rows, watcher)
                continue
            del jobs[job.cell]
            code = job.process.wait()
            if job.row is None:
                failed.add(job.cell)
                last = job.words[-1] if job.words else "without a word"
                watcher.failed(job.cell, f"ended with {code}: {last}")
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
            job.process.send_signal(signal.SIGINT)
        for job in jobs.values():
            try:
                job.process.wait(END_S)
            except subprocess.TimeoutExpired:
                job.process.kill()
                job.process.wait()


def _start(cell: Cell, plan: Plan, news: "queue.Queue[Any]") -> _Job:
    """A process of its own session: Ctrl-C at the terminal reaches us, and we tell it."""
    process = subprocess.Popen(
        [*plan.worker, plan.order(cell)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **ONE_THREAD},
        start_new_session=True,
    )
    job = _Job(cell, process)
    threading.Thread(target=_listen, args=(job, news), daemon=True).start()
    return job


def _listen(job: _Job, news: "queue.Queue[Any]") -> None:
    """Hands on each line, then None."""
    assert job.process.stdout is not None  # noqa: S101 - it is a pipe
    with job.process.stdout as lines:
        for line in lines:
            news.put((job, line))
    news.put((job, None))


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
