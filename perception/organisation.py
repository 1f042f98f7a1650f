"""Three ways to organise learning from a teacher in flight (van Hecke et al., arXiv 1603.08047).

The state machine (`perception/handover.py`) says whether a student has earned the controls. This
says, of one way to organise, who flies in this frame, whether it is labelled, and whether the
student learns from it:

    cold turkey      the teacher flies a lesson, the student learns once, then it flies alone
    DAgger           they take turns, the teacher fewer in each round; all is labelled
    training wheels  the student flies as soon as it may, the teacher overrides; all is labelled

With the gate, the student flies only while the state machine lets it. Without, it flies as soon as
there is one and the lesson is over, which a study needs and a robot should not do.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from perception.handover import Actor, Frame, Handover, Stage


class Organisation(StrEnum):
    """Who flies while the student learns."""

    TRAINING_WHEELS = "training_wheels"
    DAGGER = "dagger"
    COLD_TURKEY = "cold_turkey"


@dataclass(frozen=True)
class LessonConfig:
    """How the ways to organise are measured out."""

    gated: bool = True  # the student flies only when the state machine lets it
    lesson_frames: int = 1500  # that the teacher flies before a student does without the gate
    round_frames: int = 1000  # of DAgger; a new student at the end of each
    teacher_share: float = 0.5  # DAgger's beta: in round i the teacher has this to the i of turns
    turn_frames: int = 20  # that one of both flies before chance decides again


class Orders(NamedTuple):
    """What to do in one frame."""

    student_flies: bool  # if its estimate is trusted
    wheels: bool  # the teacher overrides it
    labels: bool  # the frame is worth remembering, with the teacher's answer
    trains: bool  # the student may learn; never without a teacher, who alone can tell if it helped
    wants_student: bool  # what it has learned shall go to the robot


class Organiser:
    """One step per frame, after the state machine's."""

    def __init__(
        self, organisation: Organisation, config: LessonConfig, rng: np.random.Generator
    ) -> None:
        """Begins a lesson; `rng` draws DAgger's turns."""
        self._organisation, self._config, self._rng = organisation, config, rng
        self._frames = 0  # that the teacher measured
        self._turn_left = 0
        self._is_students_turn = False
        self._version = 0
        self._version_round = 0

    def step(self, frame: Frame, handover: Handover) -> Orders:
        """Orders for this frame."""
        self._frames += frame.teacher_alive
        if frame.student_version != self._version:
            self._version, self._version_round = frame.student_version, self._round
        match self._organisation:
            case Organisation.COLD_TURKEY:
                return self._cold_turkey(frame, handover)
            case Organisation.DAGGER:
                return self._dagger(frame, handover)
            case Organisation.TRAINING_WHEELS:
                wants = self._wants(handover)
                return Orders(
                    self._may_fly(frame, handover), frame.teacher_alive, frame.teacher_alive,
                    trains=frame.teacher_alive, wants_student=wants,
                )  # fmt: skip

    def _cold_turkey(self, frame: Frame, handover: Handover) -> Orders:
        learns = self._is_lesson_over and frame.student_version == 0
        labels = frame.teacher_alive and not self._is_lesson_over
        flies = self._may_fly(frame, handover)
        return Orders(flies, wheels=False, labels=labels, trains=learns, wants_student=learns)

    def _dagger(self, frame: Frame, handover: Handover) -> Orders:
        if self._turn_left == 0:
            self._turn_left = self._config.turn_frames
            teacher_share = self._config.teacher_share**self._round
            self._is_students_turn = bool(self._rng.random() >= teacher_share)
        self._turn_left -= 1
        turn = self._is_students_turn or not frame.teacher_alive
        is_new_round = self._round > self._version_round
        return Orders(
            self._may_fly(frame, handover) and turn,
            wheels=False,
            labels=frame.teacher_alive,
            trains=frame.teacher_alive,
            wants_student=is_new_round and self._wants(handover),
        )

    def _may_fly(self, frame: Frame, handover: Handover) -> bool:
        if self._config.gated:
            return handover.actor is Actor.STUDENT
        return self._is_lesson_over and frame.student_version > 0

    def _wants(self, handover: Handover) -> bool:
        """What it has learned goes to the robot as it learns, also while it is judged or flies."""
        if not self._config.gated:
            return self._is_lesson_over
        return handover.stage in (Stage.TRAIN, Stage.SHADOW, Stage.MONO)

    @property
    def _is_lesson_over(self) -> bool:
        return self._frames >= self._config.lesson_frames

    @property
    def _round(self) -> int:
        """0 is the lesson."""
        if not self._is_lesson_over:
            return 0
        return 1 + (self._frames - self._config.lesson_frames) // self._config.round_frames
