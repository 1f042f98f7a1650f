"""Judges a flight while it goes on, in bounded memory, by what only a simulator knows.

It is told each frame, each piece of the way and each mishap, and sums them up by phase of the
study and by who flew. A frame belongs to the mono pilot also while the teacher overrides it: it is
mono that came there, and leaving those frames out would hide what it missed.
"""

from typing import NamedTuple

import msgspec
import numpy as np

from perception.approach_events import ApproachRuns
from perception.quantities import FloatArray
from robot.study.tally import Tally, is_judged

MONO, STEREO, NOBODY = "mono", "stereo", "nobody"
BLAME_S = 1.0  # a collision so soon after mono flew is mono's
LONGEST_STEP_M = 0.3  # from pose to pose; more is being put back or carried, no flying
LONGEST_FRAME_S = 0.5  # between two frames; more is a gap, in which nobody is known to fly
TURNING_RAD_S = 0.15  # from here on a commanded yaw rate is a turn
SETTLING_S = 1.0  # after a phase began, until weights announced before it have been swapped in
MOST_EVENTS = 2000  # overrides kept one by one
MOST_STAGES = 200  # changes of stage kept one by one


class SeenFrame(NamedTuple):
    """One frame as the judge sees it; maps share one grid (H, W)."""

    time_s: float  # since the run began
    pilot: str  # MONO, STEREO or NOBODY
    overrides: int  # since the start
    student_obstacle: bool | None  # None: it gave no valid reading
    teacher_obstacle: bool | None  # None: not known
    true_obstacle: bool | None = None
    student_per_m: FloatArray | None = None  # inverse depth, dense
    teacher_per_m: FloatArray | None = None  # NaN where it does not trust itself
    true_per_m: FloatArray | None = None
    trust: float | None = None  # of the student in this frame, 0..1
    stage: str = ""
    reason: str = ""
    version: int = 0  # updates behind the student's weights
    labels: bool = False  # the learner was to remember it


class Minute(msgspec.Struct):
    """A minute of the life."""

    mono_s: float = 0.0
    overrides: int = 0
    distance_m: float = 0.0
    collisions: int = 0


class StageChange(NamedTuple):
    """When the state machine changed, and why."""

    time_s: float
    stage: str
    reason: str


class PhaseNotes(msgspec.Struct):
    """What else is known of a phase."""

    from_s: float
    first_s: dict[str, float] = {}  # since it began, until each pilot had the controls
    begins_in: str = ""  # stage of its first frame
    labelled: int = 0  # frames that the learner was to remember
    versions: list[int] = []  # first and last that flew, once it had settled
    alarms: int = 0  # times that the monitor of stereo began to object
    alarmed_s: float | None = None  # since it began, until the monitor first did


class Judged(msgspec.Struct):
    """A whole flight."""

    tallies: dict[str, dict[str, Tally]] = {}  # by phase and pilot
    phases: dict[str, PhaseNotes] = {}
    minutes: list[Minute] = []
    stages: list[StageChange] = []
    stages_more: int = 0  # changes that were not kept
    overrides_at_mono_s: list[float] = []  # by the clock of mono control, first phase
    mono_control_s: float = 0.0  # in the first phase

    def tally(self, phase: str, pilot: str) -> Tally:
        """The sums of one phase and pilot, all 0 where it never flew."""
        return self.tallies.get(phase, {}).get(pilot, Tally())


class FlightJudge:
    """Told in order of time."""

    def __init__(self, starts: dict[str, float]) -> None:
        """Nothing seen yet.

        Args:
            starts: second at which each phase begins, in order; the first at 0.
        """
        self._starts = starts
        self.judged = Judged(phases={name: PhaseNotes(at) for name, at in starts.items()})
        self._first_phase = next(iter(starts))
        self._pilot = STEREO
        self._frame_s: float | None = None
        self._mono_s = -np.inf  # when mono last flew
        self._overrides = 0
        self._position: FloatArray | None = None
        self._turning = False
        self._stage = ""
        self._alarmed = False
        self._runs = ApproachRuns()

    def phase_at(self, time_s: float) -> str:
        """The phase of a moment."""
        return [name for name, at in self._starts.items() if at <= time_s][-1]

    def see(self, frame: SeenFrame) -> None:
        """One frame of the camera."""
        tally = self._tally_at(frame.time_s, frame.pilot)
        self._count_time(frame, tally)
        self._pilot = frame.pilot
        tally.frames += 1
        tally.obeyed += frame.pilot != NOBODY
        tally.silent += frame.student_obstacle is None
        self._count_obstacles(frame, tally)
        _count_errors(frame, tally)
        self._note(frame)

    def move(self, time_s: float, position_w_m: FloatArray) -> None:
        """The true position (3,), many times between two frames."""
        if self._position is not None:
            step_m = float(np.linalg.norm(position_w_m - self._position))
            if step_m <= LONGEST_STEP_M:
                self._tally_at(time_s).distance_m += step_m
                self._minute_at(time_s).distance_m += step_m
        self._position = position_w_m

    def turn(self, time_s: float, yaw_rate_rad_s: float) -> None:
        """A command; a turn begins where it begins to yaw."""
        turning = abs(yaw_rate_rad_s) > TURNING_RAD_S
        self._tally_at(time_s).turns += turning and not self._turning
        self._turning = turning

    def collide(self, time_s: float) -> None:
        """A collision began."""
        is_monos = time_s - self._mono_s <= BLAME_S
        self._tally_at(time_s, MONO if is_monos else None).collisions += 1
        self._minute_at(time_s).collisions += 1

    def put_back(self, time_s: float) -> None:
        """It could not recover and was helped up."""
        self._tally_at(time_s).put_backs += 1

    def doubt_stereo(self, time_s: float, *, ok: bool) -> None:
        """What the monitor of stereo says."""
        if not ok and not self._alarmed:
            notes = self._notes_at(time_s)
            notes.alarms += 1
            if notes.alarmed_s is None:
                notes.alarmed_s = round(time_s - notes.from_s, 3)
        self._alarmed = not ok

    def _count_time(self, frame: SeenFrame, tally: Tally) -> None:
        """The time up to this frame belongs to whom it finds at the controls."""
        past_s = 0.0 if self._frame_s is None else frame.time_s - self._frame_s
        past_s = past_s if past_s <= LONGEST_FRAME_S else 0.0
        self._frame_s = frame.time_s
        tally.seconds += past_s
        in_first = self.phase_at(frame.time_s) == self._first_phase
        minute = self._minute_at(frame.time_s)
        if frame.pilot == MONO:
            self._mono_s = frame.time_s
            minute.mono_s += past_s
            self.judged.mono_control_s += past_s * in_first
        new, self._overrides = frame.overrides - self._overrides, frame.overrides
        tally.overrides += new
        minute.overrides += new
        if in_first and len(self.judged.overrides_at_mono_s) < MOST_EVENTS:
            at_s = round(self.judged.mono_control_s, 1)
            self.judged.overrides_at_mono_s += [at_s] * new

    def _count_obstacles(self, frame: SeenFrame, tally: Tally) -> None:
        student, teacher, true = frame.student_obstacle, frame.teacher_obstacle, frame.true_obstacle
        if teacher is not None and true is not None:
            tally.teacher_by_truth.add(teacher, true)
        if student is None:
            self._runs.finish()  # nobody knows how the run would have ended
            return
        if true is not None:
            tally.student_by_truth.add(student, true)
        if teacher is None:
            self._runs.finish()
            return
        tally.student_by_teacher.add(student, teacher)
        end = self._runs.step(teacher, student)
        if end is not None:
            tally.count_approach(end)

    def _note(self, frame: SeenFrame) -> None:
        """What belongs to the phase and not to a sum."""
        notes, judged = self._notes_at(frame.time_s), self.judged
        since_s = round(frame.time_s - notes.from_s, 3)
        notes.first_s.setdefault(frame.pilot, since_s)
        notes.begins_in = notes.begins_in or frame.stage
        notes.labelled += frame.labels
        if since_s >= SETTLING_S:
            notes.versions = [*notes.versions[:1], frame.version]
        if frame.stage != self._stage:
            self._stage = frame.stage
            if len(judged.stages) < MOST_STAGES:
                change = StageChange(round(frame.time_s, 3), frame.stage, frame.reason)
                judged.stages.append(change)
            else:
                judged.stages_more += 1

    def _tally_at(self, time_s: float, pilot: str | None = None) -> Tally:
        phases = self.judged.tallies.setdefault(self.phase_at(time_s), {})
        return phases.setdefault(pilot or self._pilot, Tally())

    def _notes_at(self, time_s: float) -> PhaseNotes:
        return self.judged.phases[self.phase_at(time_s)]

    def _minute_at(self, time_s: float) -> Minute:
        minutes = self.judged.minutes
        while len(minutes) <= time_s / 60:
            minutes.append(Minute())
        return minutes[int(time_s / 60)]


def _count_errors(frame: SeenFrame, tally: Tally) -> None:
    """Depth of both against the truth, on the pixels that the teacher trusts."""
    teacher, true, student = frame.teacher_per_m, frame.true_per_m, frame.student_per_m
    if teacher is None:
        return
    known = ~np.isnan(teacher)
    if true is not None:
        known &= is_judged(true)
        tally.teacher_error.add(true[known], teacher[known])
    if student is None or not known.any():
        return
    tally.student_to_teacher.add(teacher[known], student[known])
    if true is None:
        return
    relative = tally.student_error.add(true[known], student[known])  # z / z*
    if frame.trust is not None:
        tally.count_trust(frame.trust, float(np.median(np.abs(relative - 1))))
