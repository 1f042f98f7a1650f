"""A reward in front of a data set: it answers at every moment of every attempt."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from perception.image_trust import Usual, coarse, usual_of
from perception.quantities import FloatArray
from perception.reward import Answerer, RewardInputError
from perception.reward_package import Asked, RewardEye
from perception.reward_scores import Answered
from policies.data_set import DataSet
from policies.offline_data import OfflineData
from policies.reward_frames import SeenEpisode, look_spec, seen_episodes


class Answers(NamedTuple):
    """Attempts in their order."""

    attempts: list[Answered]
    files: list[Path]  # of each
    usual: dict[str, Usual]  # by camera: what their images look like


def answered(
    eye: RewardEye, data: OfflineData, *, zero_shot: bool, progress: Callable[[int], None]
) -> Answers:
    """What a reward answers to the instructions of some episodes and to their opposites.

    Args:
        eye: who is asked.
        data: the episodes; read one by one.
        zero_shot: whether instructions that it was not taught are asked all the same.
        progress: told how many episodes are done.

    Raises:
        RewardInputError: other cameras, another size or encoder, or an instruction that it was not
            taught.
    """
    check_fits(eye, data, zero_shot=zero_shot)
    unknown = data.instructions if zero_shot else None
    attempts: list[Answered] = []
    files: list[Path] = []
    seen_coarsely: dict[str, list[FloatArray]] = {view: [] for view in eye.spec.views}
    for one in data.sets:
        files += one.paths
        for seen in seen_episodes(one, eye.spec.views):
            attempts.append(answers_to(eye, seen, eye.asked(seen.text, unknown)))
            for view, images in seen.images.items():
                seen_coarsely[view] += map(coarse, images)
            progress(len(attempts))
    usual = {view: usual_of(images) for view, images in seen_coarsely.items()}
    return Answers(attempts, files, usual)


def answers_to(answerer: Answerer, seen: SeenEpisode, asked: Asked) -> Answered:
    """At every moment of one attempt, raw."""
    questions = (asked.question, *asked.opposites)
    views = [answerer.log_odds(seen.images[view], view, questions) for view in answerer.spec.views]
    said = np.stack(views, axis=1).astype(np.float64)  # (T, V, 1 + o)
    return Answered(said[:, :, 0], said[:, :, 1:], seen.reached)


def check_fits(eye: RewardEye, data: OfflineData, *, zero_shot: bool) -> None:
    """Passes if a reward can be asked about these episodes.

    Raises:
        RewardInputError: as `answered`.
    """
    for one in data.sets:
        found = look_spec(one.about, eye.spec.views)
        if (found.height, found.width) != (eye.spec.height, eye.spec.width):
            raise RewardInputError(
                f"{one.folder} has images of {found.width} x {found.height} px; "
                f"{eye.path} takes {eye.spec.width} x {eye.spec.height}"
            )
        if one.about.encoder != eye.about.encoder:
            raise RewardInputError(
                f"{one.folder} has vectors of the encoder {one.about.encoder!r}; "
                f"{eye.path} was taught with those of {eye.about.encoder!r}"
            )
    if not zero_shot:
        eye.refuse_unknown(_instructions(data.sets))


def _instructions(sets: Sequence[DataSet]) -> Mapping[str, list[float]]:
    """Of the episodes, by text."""
    return {
        words.instruction: one.about.instructions[words.instruction]
        for one in sets
        for words in one.abouts()
    }
