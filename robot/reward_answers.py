"""A reward in front of a data set: it answers at every moment of every attempt."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.image_trust import Doubt, ImageTrust, TrustConfig, Usual, coarse, usual_of
from perception.quantities import FloatArray
from perception.reward import Answerer, RewardInputError
from perception.reward_look import NEVER
from perception.reward_package import Asked, RewardEye
from perception.reward_scores import Answered
from policies.data_set import DataSet
from policies.offline_data import OfflineData
from policies.reward_frames import SeenEpisode, look_spec, seen_episodes, whether_lost

STILL_M = np.zeros(3, np.float32)  # a tool that does not move


class Answers(NamedTuple):
    """Attempts in their order."""

    attempts: list[Answered]
    files: list[Path]  # of each
    usual: dict[str, Usual]  # by camera: what their images look like
    doubts: list[list[Doubt | None]]  # of each moment of each: why a robot would abstain
    lost: list[Answered]  # each, asked whether only a person can put things right; or none

    def trusted(self) -> list[Answered]:
        """The attempts as a robot takes them, that gives no answer where it doubts the images."""
        return self._believed(self.attempts)

    def trusted_lost(self) -> list[Answered]:
        """Likewise, asked whether only a person can put things right."""
        return self._believed(self.lost)

    def abstained(self) -> dict[str, Any]:
        """At how many moments it doubts, in how many attempts at all of them, and why; for JSON."""
        every = [doubt for doubts in self.doubts for doubt in doubts if doubt is not None]
        reasons = Counter(f"{doubt.view} is {doubt.reason}" for doubt in every)
        whole = sum(all(_are(doubts)) for doubts in self.doubts)
        return {"moments": len(every), "whole_attempts": whole, "reasons": dict(reasons)}

    def _believed(self, attempts: Sequence[Answered]) -> list[Answered]:
        return [
            one._replace(own=np.where(_are(doubts)[:, np.newaxis], NEVER, one.own))
            for one, doubts in zip(attempts, self.doubts, strict=bool(attempts))
        ]


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
    doubts: list[list[Doubt | None]] = []
    lost: list[Answered] = []
    seen_coarsely: dict[str, list[FloatArray]] = {view: [] for view in eye.spec.views}
    for one in data.sets:
        files += one.paths
        for seen in seen_episodes(one, eye.spec.views):
            attempts.append(answers_to(eye, seen, eye.asked(seen.text, unknown)))
            doubts.append(doubts_of(seen, eye.about.usual))
            if text := eye.about.lost:
                lost.append(answers_to(eye, whether_lost(seen, text), eye.asked(text)))
            for view, images in seen.images.items():
                seen_coarsely[view] += map(coarse, images)
            progress(len(attempts))
    usual = {view: usual_of(images) for view, images in seen_coarsely.items()}
    return Answers(attempts, files, usual, doubts, lost)


def answers_to(answerer: Answerer, seen: SeenEpisode, asked: Asked) -> Answered:
    """At every moment of one attempt, raw."""
    questions = (asked.question, *asked.opposites)
    views = [answerer.log_odds(seen.images[view], view, questions) for view in answerer.spec.views]
    said = np.stack(views, axis=1).astype(np.float64)  # (T, V, 1 + o)
    return Answered(said[:, :, 0], said[:, :, 1:], seen.reached)


def doubts_of(seen: SeenEpisode, usual: Mapping[str, Usual]) -> list[Doubt | None]:
    """At every moment of one attempt, why the images would not be believed; None: they would.

    A frozen camera is not looked for: whether the robot moved is not known here.
    """
    trust = ImageTrust(TrustConfig(), usual)
    moments = range(len(seen.reached))
    shown = ({view: images[at] for view, images in seen.images.items()} for at in moments)
    return [trust.doubt(images, STILL_M) for images in shown]


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


def _are(doubts: Iterable[Doubt | None]) -> NDArray[np.bool_]:
    return np.array([doubt is not None for doubt in doubts])
