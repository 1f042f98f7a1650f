"""What many rooms teach about rooms never seen: as many frames and updates, from few rooms or many.

The flight is recorded by stereo and carried from room to room. Its last part is in rooms in which
nothing is learned; the network is judged there, by the same teacher, and on frames left out of the
rooms that it learned in.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from perception.mono import MonoSpec
from perception.mono_labels import rows_of, split
from perception.mono_scores import constant_prediction, judged
from robot.commands.train.mono import described
from robot.nodes.learner import LearnerConfig
from robot.stereo_pairs import load_lesson
from robot.study.cells import UNSEEN_ROOMS, UNSEEN_S, Cell, Protocol
from robot.study.lessons import scores_of, teach, untaught
from robot.study.rows import Row

APART_FRAMES = 10  # left between what is learned and what is judged


def errors_by_rooms(
    run_dir: Path, cell: Cell, protocol: Protocol, go_on: Callable[[float], None]
) -> Row:
    """Errors in the rooms learned in and in those never seen.

    Args:
        run_dir: of a recorded flight.
        cell: of whose seed the network is.
        protocol: how long it flew in the rooms learned in, and updates.
        go_on: told how far it is; raises to end it.
    """
    spec = MonoSpec(LearnerConfig.width, LearnerConfig.height)
    lesson = load_lesson(run_dir, spec, go_on, both=True)
    frames = len(lesson.frames.image)
    seen = round(frames * protocol.curve_s / (protocol.curve_s + UNSEEN_ROOMS * UNSEEN_S))
    learn, left_out = split(seen - APART_FRAMES)
    learner = untaught(lesson, spec, learn, cell.seed)
    teach(learner, protocol.curve_updates, go_on)
    own, unseen = rows_of(lesson.frames, left_out), rows_of(lesson.frames, np.arange(seen, frames))
    blind = constant_prediction(lesson.frames, learn)
    return {
        "learned_from": len(learn),
        "own": scores_of(learner, lesson, own),
        "unseen": scores_of(learner, lesson, unseen),
        "constant": described(judged(lesson.view, unseen, [blind] * len(unseen.image))),
    }
