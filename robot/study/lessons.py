"""What a recorded flight teaches offline, by the same small updates as in flight."""

from collections.abc import Callable, Iterable
from typing import Any

from perception.mono import MonoDepth, MonoSpec
from perception.mono_labels import LabelledFrame
from perception.mono_scores import judged
from robot.commands.train.mono import TRAINING, described
from robot.nodes.learner import LearnerConfig
from robot.stereo_pairs import Lesson
from robot.study.rows import Row
from robot.training_library import training_library


def untaught(lesson: Lesson, spec: MonoSpec, rows: Iterable[int], seed: int) -> Any:
    """A learner that has been shown these frames of a lesson and has learned nothing yet.

    It learns in small steps as the robot does; both eyes teach, in turn, as in flight.

    Args:
        lesson: a recording with the teacher's answers, for a network of this `spec`.
        spec: of the network.
        rows: of the frames that it may learn from.
        seed: of the weights and of the order in which frames are drawn.
    """
    training = training_library(TRAINING)
    flown = LearnerConfig()
    choices = training.Config(
        online_learning_rate=flown.learning_rate,
        batch_size=flown.batch_size,
        ring_frames=flown.ring_frames,
    )
    learner = training.MonoLearner(spec, lesson.view, choices, seed)
    for number, row in enumerate(rows):
        eye = lesson.right if number % 2 and lesson.right is not None else lesson.frames
        learner.observe(LabelledFrame._make(values[row] for values in eye))
    return learner


def teach(learner: Any, updates: int, go_on: Callable[[float], None]) -> None:
    """Until it has made so many updates in all; `go_on` is told how many there were."""
    while learner.updates < updates:
        learner.update(learner.sample())
        go_on(learner.updates)


def scores_of(learner: Any, lesson: Lesson, frames: LabelledFrame) -> Row:
    """Of what it knows now, on N frames of a lesson."""
    return described(judged(lesson.view, frames, map(MonoDepth, *learner.infer(frames.image))))
