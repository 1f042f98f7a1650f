"""Who flies: COLLECT -> TRAIN -> SHADOW -> MONO -> REVERT, by measured errors and nothing else.

A loss tells how a student does on frames that somebody else chose. Here the student must first say
"obstacle" beside the acting teacher (SHADOW) in enough approaches that the lower bound of the part
that it finds is high; one lucky approach counts as one, not as its fifty frames. One that says
"obstacle" nearly always finds them all, in a few endless runs, so the part of the free frames that
it blocks counts as well; a plain rate, as frames of one run are no trials. It loses the controls
when a bound says that it is worse or the training wheels had to act too often (REVERT: it was
wrong, and has to learn). While its own trust is gone the teacher flies; if that lasts, it is in a
place that it does not know (SHADOW: what it has shown elsewhere counts no more, and it is judged
anew, here). A student learns on while it is judged and while it flies; its record goes on with it.

    COLLECT  the teacher flies, examples are gathered
    TRAIN    the teacher flies, the student learns until a new one is there
    SHADOW   the teacher flies, the student is judged
    MONO     the student flies, the teacher overrides (`perception/training_wheels.py`)
    REVERT   the teacher flies until the way is free, then TRAIN

If the teacher is gone, a student in MONO flies on while it trusts itself; in every other stage, and
while it does not, the robot stops.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from perception.approach_events import Approach, ApproachEvents, ApproachRuns, rate_bounds, tally


class Stage(Enum):
    """Where the student stands."""

    COLLECT = "collect"
    TRAIN = "train"
    SHADOW = "shadow"
    MONO = "mono"
    REVERT = "revert"


class Actor(Enum):
    """Whose estimate is flown on."""

    TEACHER = "teacher"
    STUDENT = "student"
    NOBODY = "nobody"  # the robot must stop


@dataclass(frozen=True)
class HandoverConfig:
    """What a student must show. Bounds hold with 95 % on their side."""

    collect_frames: int = 500  # frames that the teacher measured, before the first training
    least_found: float = 0.85  # of the approaches; 19 in a row are the fewest that show it
    most_false_alarms: float = 0.6  # of the runs in which the student says obstacle
    most_blocked: float = 0.4  # of the free frames, called obstacle before it flies; the paper's
    window_approaches: int = 40  # the last ones are judged, so that old skill expires
    window_frames: int = 600  # for the part that is blocked
    least_free_frames: int = 200  # before a student is given up because it blocks too many
    most_overrides: int = 3  # within that window, of a student that flies
    join_frames: int = 3  # runs with fewer free frames between them are one
    distrust_frames: int = 20  # 2 s more without trust than with it end a flight of the student
    late_frames: int = 5  # 0.5 s at 10 Hz: a student so much later has missed it


class Frame(NamedTuple):
    """What is known at one frame."""

    teacher_obstacle: bool  # False without a measurement
    student_obstacle: bool
    teacher_alive: bool = True  # it measures, and its monitor does not object
    student_trusted: bool = True  # by its own monitor
    student_version: int = 0  # counts what it learned; 0 is a student that knows nothing
    overridden: bool = False  # an override began in this frame


class Handover(NamedTuple):
    """The state after one frame, with what led to it."""

    stage: Stage
    actor: Actor
    reason: str  # of the last change
    changed: bool  # in this frame
    frames: int  # in this stage
    approaches: ApproachEvents  # in the window, of this student
    least_found: float  # lower bound of the part found, 0..1
    most_found: float  # upper bound
    least_false_alarms: float  # lower bound of the part of false alarms, 0..1
    most_false_alarms: float  # upper bound
    overrides: int  # in the window, since the student flies


class HandoverMachine:
    """One step per frame of the camera."""

    def __init__(self, config: HandoverConfig | None = None) -> None:
        self._config = config or HandoverConfig()
        self._version = 0
        self._collected = 0
        self._enter(Stage.COLLECT, "started")
        self._forget_approaches()

    def step(self, frame: Frame) -> Handover:
        """Takes one frame and decides who flies from now on."""
        self._frames += 1
        before = self._stage
        self._count(frame)
        self._decide(frame)
        return Handover(
            self._stage,
            self._actor(frame),
            self._reason,
            self._stage is not before,
            self._frames,
            tally(self._approaches),
            *self._found,
            *self._feared,
            sum(self._overridden),
        )

    def _count(self, frame: Frame) -> None:
        if not frame.teacher_alive:
            self._runs.finish()  # a run whose end nobody judges counts for nothing
            return
        self._collected += 1
        self._has_overridden |= frame.overridden
        if self._stage not in (Stage.SHADOW, Stage.MONO):
            return
        if not frame.student_trusted:
            self._runs.finish()  # what it does not claim is neither found nor missed
            return
        self._free.append(not frame.teacher_obstacle)
        self._blocked.append(not frame.teacher_obstacle and frame.student_obstacle)
        end = self._runs.step(frame.teacher_obstacle, frame.student_obstacle)
        if end is not None:
            self._approaches.append(end)
            self._overridden.append(self._has_overridden and self._stage is Stage.MONO)
            self._has_overridden = False
            self._bound()

    def _bound(self) -> None:
        events = tally(self._approaches)
        self._found = rate_bounds(events.found, events.found + events.missed, 0.9)
        said = events.found + events.false_alarms
        self._feared = rate_bounds(events.false_alarms, said, 0.9)

    def _decide(self, frame: Frame) -> None:
        """At most one change per frame."""
        is_new = frame.student_version != self._version
        is_free = not (frame.teacher_obstacle or frame.student_obstacle)
        match self._stage:
            case Stage.COLLECT if self._collected >= self._config.collect_frames:
                self._enter(Stage.TRAIN, f"{self._collected} frames collected")
            case Stage.TRAIN if is_new:
                self._meet(frame)
                self._enter(Stage.SHADOW, f"student {self._version} has learned")
            case Stage.SHADOW:
                self._follow(frame)
                if frame.teacher_alive and frame.student_trusted and is_free:
                    self._judge_shadow()
            case Stage.MONO:
                self._follow(frame)
                self._judge_flight(frame)
            case Stage.REVERT if frame.teacher_alive and is_free:
                self._enter(Stage.TRAIN, f"after a revert: {self._reason}")
            case _:
                pass

    def _meet(self, frame: Frame) -> None:
        """One who comes from training has to earn its trust anew."""
        self._version = frame.student_version
        self._forget_approaches()

    def _follow(self, frame: Frame) -> None:
        """It learns on while it is judged and while it flies, and keeps its record.

        That is what the record tells of: how this learner does on what it meets next. One that was
        there before and comes back is not what the record tells of.
        """
        if frame.student_version < self._version:
            self._forget_approaches()
        self._version = frame.student_version

    def _judge_shadow(self) -> None:
        config = self._config
        least_found, _ = self._found
        _, most_feared = self._feared
        free, blocked = sum(self._free), sum(self._blocked)
        blocks = blocked > config.most_blocked * free
        finds = least_found >= config.least_found and most_feared <= config.most_false_alarms
        if finds and not blocks:
            events = tally(self._approaches)
            self._overridden.clear()
            self._enter(
                Stage.MONO,
                f"found {events.found} of {events.found + events.missed} approaches "
                f"(at least {least_found:.2f}), at most {most_feared:.2f} of its alarms are false",
            )
        elif self._is_hopeless():
            self._enter(Stage.TRAIN, self._what_is_wrong())
        elif blocks and free >= config.least_free_frames:
            self._enter(Stage.TRAIN, f"it blocks {blocked} of {free} free frames")

    def _judge_flight(self, frame: Frame) -> None:
        overrides = sum(self._overridden)
        if frame.teacher_alive:
            self._distrusted = max(self._distrusted + (-1 if frame.student_trusted else 1), 0)
        if self._distrusted >= self._config.distrust_frames:
            self._forget_approaches()
            self._enter(Stage.SHADOW, "the student does not trust itself")
        elif overrides > self._config.most_overrides:
            self._enter(
                Stage.REVERT, f"{overrides} overrides in {len(self._overridden)} approaches"
            )
        elif self._is_hopeless():
            self._enter(Stage.REVERT, self._what_is_wrong())

    def _is_hopeless(self) -> bool:
        """The bounds say that the student is worse than it must be."""
        return (
            self._found[1] < self._config.least_found
            or self._feared[0] > self._config.most_false_alarms
        )

    def _what_is_wrong(self) -> str:
        events = tally(self._approaches)
        return (
            f"found {events.found} of {events.found + events.missed} approaches (at most "
            f"{self._found[1]:.2f}), at least {self._feared[0]:.2f} of its alarms are false"
        )

    def _actor(self, frame: Frame) -> Actor:
        if self._stage is Stage.MONO and frame.student_trusted:
            return Actor.STUDENT
        return Actor.TEACHER if frame.teacher_alive else Actor.NOBODY

    def _enter(self, stage: Stage, reason: str) -> None:
        self._stage, self._reason, self._frames = stage, reason, 0
        self._distrusted = 0  # frames without trust less those with it, of a student that flies

    def _forget_approaches(self) -> None:
        config = self._config
        self._runs = ApproachRuns(config.join_frames, config.late_frames)
        self._approaches: deque[Approach] = deque(maxlen=config.window_approaches)
        self._overridden: deque[bool] = deque(maxlen=config.window_approaches)
        self._has_overridden = False
        self._free: deque[bool] = deque(maxlen=config.window_frames)
        self._blocked: deque[bool] = deque(maxlen=config.window_frames)
        self._found = self._feared = (0.0, 1.0)
