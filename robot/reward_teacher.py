"""A reward as the teacher of another: its verdicts on the images of a lesson, in place of labels.

Whether only a person can put things right the data say, unless the teacher was taught to say that.

A large model says more than yes or no: how sure it is of each image. A small one that learns those
probabilities (Hinton et al. 2015, arXiv 1503.02531) carries them to the robot.
"""

from collections.abc import Callable

import numpy as np

from perception.reward import Looks, LookSpec, Question
from perception.reward_calibration import probability
from perception.reward_package import RewardEye
from robot.reward_lesson import RewardLesson

AT_ONCE = 32  # images


def check_teacher(teacher: RewardEye, lesson: RewardLesson) -> None:
    """Passes if a reward can be asked about all of a lesson.

    Raises:
        RewardInputError: images of another camera or size, or an instruction it was not taught.
    """
    spec = lesson.spec
    for view in spec.views:
        teacher.spec.check(view, (spec.height, spec.width, 3))
    asked = {text: one for text, one in lesson.instructions.items() if text != lesson.lost}
    teacher.refuse_unknown(asked)


def with_verdicts(
    looks: Looks, spec: LookSpec, teacher: RewardEye, progress: Callable[[int], None]
) -> Looks:
    """The same looks with the teacher's calibrated probabilities as their labels.

    Args:
        looks: whose labels are replaced, but those to questions that the teacher does not know.
        spec: of their images.
        teacher: checked before.
        progress: told how many looks are done.
    """
    success = looks.success.copy()
    known = teacher.about.instructions
    views = looks.view[looks.row]  # (n,) of each look
    done = 0
    for kind in sorted({*zip(views.tolist(), looks.asked.tolist(), strict=True)}):
        rows = np.flatnonzero((views == kind[0]) & (looks.asked == kind[1]))
        if looks.text[kind[1]] not in known:
            done += len(rows)
            continue
        question = Question(looks.text[kind[1]], looks.vector[kind[1]])
        for begin in range(0, len(rows), AT_ONCE):
            some = rows[begin : begin + AT_ONCE]
            images = looks.image[looks.row[some]]
            raw = teacher.log_odds(images, spec.views[kind[0]], (question,))
            success[some] = probability(teacher.about.calibration.honest(raw[:, 0]))
            done += len(some)
            progress(done)
    return looks._replace(success=success)
