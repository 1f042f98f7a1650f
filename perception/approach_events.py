"""Approaches to obstacles, and what is certain about a rate of them.

Consecutive frames show the same obstacle, so a hundred frames are not a hundred trials. A trial is
an approach: a run of frames in which the teacher or the student says obstacle.
"""

import math
from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple


class Approach(Enum):
    """What became of one run."""

    FOUND = "found"  # the teacher said obstacle, and the student did in time
    MISSED = "missed"  # the teacher said obstacle, and the student did not, or too late
    FALSE_ALARM = "false alarm"  # only the student did


class ApproachEvents(NamedTuple):
    """How many runs ended in which way."""

    found: int
    missed: int
    false_alarms: int


def approach_events(
    teacher: Iterable[bool], student: Iterable[bool], *, join_frames: int = 3, late_frames: int = 5
) -> ApproachEvents:
    """Counts runs of frames in which either says obstacle.

    Args:
        teacher: whether it says obstacle, frame by frame.
        student: the same.
        join_frames: runs with fewer free frames between them are one.
        late_frames: a student that begins this many frames after the teacher has missed it.
    """
    runs = ApproachRuns(join_frames, late_frames)
    ends = [runs.step(*frame) for frame in zip(teacher, student, strict=True)]
    return tally([*ends, runs.finish()])


def tally(approaches: Iterable[Approach | None]) -> ApproachEvents:
    """Counts approaches; None is none."""
    ends = list(approaches)
    return ApproachEvents(*(ends.count(kind) for kind in Approach))


class ApproachRuns:
    """Finds the runs frame by frame, for a robot in flight; see `approach_events`."""

    def __init__(self, join_frames: int = 3, late_frames: int = 5) -> None:
        self._join_frames, self._late_frames = join_frames, late_frames
        self._forget_run()

    def step(self, teacher: bool, student: bool) -> Approach | None:
        """One frame; what became of the run that it ends, if it ends one."""
        if teacher or student:
            self._free_frames = 0
        elif self._is_running:
            self._free_frames += 1
            if self._free_frames >= self._join_frames:
                return self.finish()
        if teacher and self._teacher_at is None:
            self._teacher_at = self._frame
        if student and self._student_at is None:
            self._student_at = self._frame
        self._frame += self._is_running
        return None

    def finish(self) -> Approach | None:
        """Ends the run that is going on, if any: nothing more is known of it."""
        teacher_at, student_at = self._teacher_at, self._student_at
        self._forget_run()
        if teacher_at is None:
            return None if student_at is None else Approach.FALSE_ALARM
        if student_at is None or student_at - teacher_at >= self._late_frames:
            return Approach.MISSED
        return Approach.FOUND

    @property
    def _is_running(self) -> bool:
        return self._teacher_at is not None or self._student_at is not None

    def _forget_run(self) -> None:
        self._frame = self._free_frames = 0  # of the run
        self._teacher_at: int | None = None
        self._student_at: int | None = None


def rate_bounds(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided bounds of a rate after Clopper and Pearson (1934).

    Returns:
        Lower and upper bound, 0..1; (0, 1) without trials.
    """
    tail = (1 - confidence) / 2
    lower = upper = 0.0
    if hits > 0:
        lower = _where_rising(lambda rate: _at_least(hits, trials, rate), tail)
    if hits < trials:
        upper = _where_rising(lambda rate: _at_least(hits + 1, trials, rate), 1 - tail)
    return lower, upper if hits < trials else 1.0


def poisson_upper(count: int) -> float:
    """Largest mean of a Poisson law that still gives so few events in one of twenty times."""
    low, high = float(count), count + 30.0
    for _ in range(60):
        middle = (low + high) / 2
        terms = (middle**k / math.factorial(k) for k in range(count + 1))
        low, high = (middle, high) if math.exp(-middle) * sum(terms) > 0.05 else (low, middle)
    return high


def _at_least(hits: int, trials: int, rate: float) -> float:
    """P(X >= hits) of a binomial X, for 0 < rate < 1."""
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    all_ways = math.lgamma(trials + 1)
    return math.fsum(
        math.exp(
            all_ways
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * log_rate
            + (trials - k) * log_rest
        )
        for k in range(hits, trials + 1)
    )


def _where_rising(function: Callable[[float], float], value: float) -> float:
    """The argument in 0..1 where a rising function reaches the value."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < value else (low, middle)
    return (low + high) / 2
