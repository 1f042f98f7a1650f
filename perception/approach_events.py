"""Approaches to obstacles, and what is certain about a rate of them.

Consecutive frames show the same obstacle, so a hundred frames are not a hundred trials. A trial is
an approach: a run of frames in which the teacher or the student says obstacle.
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple


class ApproachEvents(NamedTuple):
    """Approaches by who noticed them."""

    found: int  # the teacher said obstacle, and the student did in time
    missed: int  # the teacher said obstacle, and the student did not, or too late
    false_alarms: int  # only the student did


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
    counter = EventCounter(join_frames, late_frames)
    for by_teacher, by_student in zip(teacher, student, strict=True):
        counter.step(by_teacher, by_student)
    return counter.finish()


class EventCounter:
    """The same frame by frame, for a robot in flight."""

    def __init__(self, join_frames: int = 3, late_frames: int = 5) -> None:
        self._join_frames, self._late_frames = join_frames, late_frames
        self._found = self._missed = self._false_alarms = 0
        self._free_frames = join_frames  # since anyone last said obstacle
        self._forget_run()

    @property
    def events(self) -> ApproachEvents:
        """The runs that have ended."""
        return ApproachEvents(self._found, self._missed, self._false_alarms)

    def step(self, teacher: bool, student: bool) -> None:
        """One frame."""
        if teacher or student:
            self._free_frames = 0
            self._frame += 1
            if teacher and self._teacher_at is None:
                self._teacher_at = self._frame
            if student and self._student_at is None:
                self._student_at = self._frame
            return
        if self._frame:
            self._frame += 1
            self._free_frames += 1
            if self._free_frames >= self._join_frames:
                self.finish()

    def finish(self) -> ApproachEvents:
        """Ends the run that is going on, if any, and returns all."""
        if self._teacher_at is not None:
            in_time = self._student_at is not None and (
                self._student_at - self._teacher_at < self._late_frames
            )
            self._found += in_time
            self._missed += not in_time
        elif self._student_at is not None:
            self._false_alarms += 1
        self._forget_run()
        return self.events

    def _forget_run(self) -> None:
        self._frame = 0  # of the run
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
