"""Persistent self-supervised learning: a trusted cue teaches another for the robot's whole life.

Van Hecke et al., arXiv 1603.08047, as in the authors' flight code (`kevindehecker/paparazzi`,
branch IC): every frame that the stereo teacher measured becomes an example; every 500 frames, when
nothing is near, the student is judged on the frames since it last learned, and learns anew when it
does badly.

Nothing here knows a socket, a clock or a random number; the same frames give the same student.
Where this differs from the code that flew: TPR and FPR are true ones (`Definition` has the other);
estimates of known frames leave out the frame itself and those around it; no estimate is made up
for the time before the first learning.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from perception.neighbours import CAPACITY
from perception.obstacle_rates import Definition, Judged, Rates, Threshold, choose_threshold, count
from perception.student import SMOOTHING, MovingAverage, Student

C = TypeVar("C")


@dataclass(frozen=True)
class LearningConfig:
    """When the student is judged, and what it must reach. The defaults are the paper's."""

    obstacle_px: int = 8  # px, the teacher says obstacle above it; about 0.9 m for 128 px, 6 cm
    check_frames: int = 500  # frames from one judgement to the next
    least_tpr: float = 0.95  # of the student, exclusive
    most_fpr: float = 0.4  # of the student, exclusive when it takes over
    definition: Definition = Definition.TRUE  # of TPR and FPR
    active: bool = False  # remember only frames whose estimate was wrong
    active_missed_px: float = 0.5  # px, wrong if the teacher says so much nearer
    active_feared_px: float = 1.0  # px, wrong if the teacher says so much farther
    held_out: int = CAPACITY  # frames, the most that are kept for judging


class Check(NamedTuple):
    """One judgement of the student."""

    frame: int  # counted from 1
    held_out: Rates  # since it last learned, at the threshold that it had until now or has now
    relearned: bool
    threshold: Threshold | None  # None: none reaches the least TPR on the frames it learned
    ready: bool  # it may take over


class Estimate(NamedTuple):
    """What the student says of one frame."""

    px: float  # smoothed; NaN before the student has learned
    obstacle: bool  # False while no threshold is known


class Lesson(NamedTuple):
    """What is to be done about one frame."""

    labels: bool = True  # it may be remembered, and counts where the student is judged
    may_learn: bool = True  # the student may be judged, and learn if it does badly
    must_learn: bool = False  # it learns as soon as nothing is near, whatever count and rates say


class Taught(NamedTuple):
    """What became of one frame that the teacher may have measured."""

    teacher_px: float  # smoothed; NaN without a measurement
    remembered: bool
    check: Check | None  # if the student was judged in this frame


class Observed(NamedTuple):
    """One frame as teacher and student see it."""

    teacher_px: float  # smoothed; NaN without a measurement
    estimate_px: float  # smoothed; NaN before the student has learned
    teacher_obstacle: bool
    student_obstacle: bool  # False while no threshold is known
    remembered: bool
    check: Check | None  # in the frames in which the student was judged


class PersistentLearner(Generic[C]):
    """The loop of section 1.2 of the paper's code, one frame at a time."""

    def __init__(self, student: Student[C], config: LearningConfig | None = None) -> None:
        self.student = student
        self.config = config or LearningConfig()
        self.threshold: Threshold | None = None
        self.ready = False
        self._teacher, self._estimate = MovingAverage(SMOOTHING), MovingAverage(SMOOTHING)
        self._learned = Judged(np.zeros(0, np.float32), np.zeros(0, np.float32))
        self._held_out: deque[tuple[float, float]] = deque(maxlen=self.config.held_out)
        self._has_learned = False
        self._frame = self._checked_at = 0

    def observe(self, cue: C, teacher_px: float) -> Observed:
        """Takes one frame: estimates, remembers, and when it is time judges and learns.

        Args:
            cue: what the student sees.
            teacher_px: proximity that the teacher measured, px; NaN where it could not.
        """
        estimate = self.estimate(cue)
        taught = self.teach(cue, estimate.px, teacher_px)
        return Observed(
            taught.teacher_px,
            estimate.px,
            taught.teacher_px > self.config.obstacle_px,
            estimate.obstacle,
            taught.remembered,
            taught.check,
        )

    def estimate(self, cue: C) -> Estimate:
        """The first half of `observe`, for a robot that acts before the teacher has answered."""
        estimate_px = self._estimate.step(self.student.predict(cue))
        return Estimate(estimate_px, self._is_obstacle(estimate_px))

    def teach(
        self, cue: C, estimate_px: float, teacher_px: float, lesson: Lesson | None = None
    ) -> Taught:
        """The second half of `observe`, once per frame and in their order.

        Args:
            cue: what the student saw.
            estimate_px: what it said of this frame, smoothed; NaN if it said nothing.
            teacher_px: as in `observe`.
            lesson: what is to be done about the frame; None: all that is worth doing.
        """
        lesson = lesson or Lesson()
        self._frame += 1
        teacher_px = self._teacher.step(teacher_px)
        remembered = lesson.labels and self._is_worth_remembering(teacher_px, estimate_px)
        if remembered:
            self.student.remember(cue, teacher_px)
        if lesson.labels and not math.isnan(teacher_px):
            self._held_out.append((estimate_px, teacher_px))
        is_due = lesson.may_learn and self._is_time_to_check(teacher_px, at_once=lesson.must_learn)
        check = self._check(must_learn=lesson.must_learn) if is_due else None
        return Taught(teacher_px, remembered, check)

    def resume(self) -> None:
        """Learns from what the student remembers, such as another flight."""
        self._relearn()
        self._set_threshold()

    def _is_obstacle(self, estimate_px: float) -> bool:
        return self.threshold is not None and estimate_px > self.threshold.estimate_px

    def _is_worth_remembering(self, teacher_px: float, estimate_px: float) -> bool:
        if math.isnan(teacher_px):
            return False
        if not self.config.active or math.isnan(estimate_px):
            return True
        missed_px = teacher_px - estimate_px
        return missed_px > self.config.active_missed_px or missed_px < -self.config.active_feared_px

    def _is_time_to_check(self, teacher_px: float, *, at_once: bool) -> bool:
        """Every so many frames, but not before the way is known to be free."""
        due = at_once or self._frame - self._checked_at >= self.config.check_frames
        return due and teacher_px < self.config.obstacle_px

    def _check(self, *, must_learn: bool) -> Check:
        self._checked_at = self._frame
        self._set_threshold()
        held_out = self._held_out_rates()
        relearned = must_learn or self._must_relearn(held_out)
        if relearned:
            self._relearn()
            self._set_threshold()
        return Check(self._frame, held_out, relearned, self.threshold, self.ready)

    def _set_threshold(self) -> None:
        config = self.config
        self.threshold = choose_threshold(
            self._learned, config.obstacle_px, config.least_tpr, config.definition
        )
        self.ready = (
            self.threshold is not None and self.threshold.rates.false_alarm < config.most_fpr
        )

    def _held_out_rates(self) -> Rates:
        if self.threshold is None:
            return Rates(math.nan, math.nan)
        counts = count(self._judged(), self.threshold.estimate_px, self.config.obstacle_px)
        return self.config.definition.rates(counts)

    def _must_relearn(self, held_out: Rates) -> bool:
        """Too many misses or false alarms since it last learned, or nothing to decide by."""
        if not self._has_learned or self.threshold is None:
            return True
        return held_out.positive < self.config.least_tpr or (
            held_out.false_alarm > self.config.most_fpr
        )

    def _relearn(self) -> None:
        """Learns; all frames until now become frames that it has learned."""
        estimates = self.student.relearn()
        if estimates is None:
            most = self.config.held_out
            both = (
                np.concatenate(parts)[-most:]
                for parts in zip(self._learned, self._judged(), strict=True)
            )
            estimates = Judged(*both)
        self._learned = estimates
        self._held_out.clear()
        self._has_learned = True

    def _judged(self) -> Judged:
        values = np.array(self._held_out, np.float32).reshape(-1, 2)
        return Judged(values[:, 0], values[:, 1])
