"""Recorded attempts that a reward was unsure of, kept for `reflexarc label` as practice keeps them.

So attempts of a learned policy that `collect` recorded teach a reward as those of `finetune` do: a
person is asked about a few that were chosen by doubt, and about a random sample.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception.image_trust import Doubt
from perception.reward_look import NEVER, LookRule, scores
from perception.reward_package import RewardEye, threshold_of
from perception.reward_scores import Answered
from policies.attempt_shelf import AttemptShelf
from policies.data_set import DataSet
from policies.kept_attempts import LIST, KeptAbout, KeptAttempt, KeptError
from policies.offline_data import OfflineData
from policies.reward_frames import SeenEpisode, seen_episodes
from robot.reward_answers import Answers

Doubts = Sequence[Doubt | None]  # of each moment of an attempt
Array = NDArray[np.float64]
AFTER_START = slice(1, None)  # practice judges what a step led to, never where an attempt began


def require_room(folder: Path) -> None:
    """Passes if no other attempts are kept here.

    Raises:
        KeptError: there are.
    """
    if (folder / LIST).exists():
        raise KeptError(f"{folder} keeps attempts of another run already; give another --out")


def keep_doubtful(
    eye: RewardEye, data: OfflineData, answers: Answers, folder: Path, most: int, seed: int
) -> None:
    """Writes the attempts that a person should be asked about.

    Args:
        eye: who answered.
        data: the attempts, read once more, one by one.
        answers: to all of them, raw, in their order.
        folder: of what is kept.
        most: attempts that are kept at most.
        seed: of the random sample.

    Raises:
        KeptError: the folder keeps others, or the disk does not take them.
    """
    require_room(folder)
    bound = eye.about.bound
    promised = None if bound is None or eye.refusal() else bound.limit
    shelf = AttemptShelf(folder, most, seed, promised)
    given = zip(answers.attempts, answers.doubts, strict=True)
    for one in data.sets:
        for seen in seen_episodes(one, eye.spec.views):
            shelf.take(_attempt(eye, one, seen, *next(given), shelf.count))


def _attempt(
    eye: RewardEye, data: DataSet, seen: SeenEpisode, raw: Answered, doubts: Doubts, number: int
) -> KeptAttempt:
    """One attempt as `policies/attempt_keeper.py` would have kept it."""
    about = KeptAbout(
        number=number,
        goal=_goal(data, seen),
        instruction=seen.text,
        package=eye.sha256,
        recipe=data.about.recipe_sha256,
    )
    honest = raw.honest(eye.about.calibration)
    blind = np.array([doubt is not None for doubt in doubts])  # (T+1,) practice says nothing there
    own = np.where(blind[:, np.newaxis], NEVER, honest.own)[AFTER_START]
    opposite = np.where(blind[:, np.newaxis, np.newaxis], -NEVER, honest.opposite)[AFTER_START]
    rule, views = eye.about.rule, eye.spec.views
    score = scores(own, opposite, rule, views)
    return KeptAttempt(
        about,
        {view: seen.images[view][AFTER_START] for view in rule.views},
        _looks(own, opposite, rule, views),
        score,
        score > threshold_of(eye.about),
        seen.reached[AFTER_START],
    )


def _looks(own: Array, opposite: Array, rule: LookRule, views: tuple[str, ...]) -> Array:
    """(T, L) how each look agrees: by each camera of the rule, then by each opposite it asks."""
    chosen = [views.index(view) for view in rule.views]
    against = -opposite[:, chosen] if rule.reverse else opposite[:, chosen, :0]
    return np.concatenate([own[:, chosen], against.reshape(len(own), -1)], axis=1)


def _goal(data: DataSet, seen: SeenEpisode) -> int:
    """Index of the instruction among the goals of its task."""
    tasks = ([goal.text for goal in goals] for goals in data.about.tasks.values())
    return next(texts.index(seen.text) for texts in tasks if seen.text in texts)
