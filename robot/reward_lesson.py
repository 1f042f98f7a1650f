"""What a reward is taught by: episodes of data sets, split, with the words that they know."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from perception.quantities import InputError
from perception.reward import Looks, LookSpec
from perception.reward_calibration import Calibration, fit_calibration, probability
from perception.reward_look import LookRule
from perception.reward_package import Asked, RewardAbout, asked_of
from perception.reward_scores import Answered, calibrating, false_at_recall, judged
from perception.risk import calibration_error
from policies.instructions import encode_instructions
from policies.label_looks import Labelled
from policies.offline_data import OfflineData
from policies.reward_frames import (
    NEAR_MISSES,
    NearMisses,
    SeenEpisode,
    look_spec,
    looks_of,
    opposites_of,
    seen_episodes,
    split,
    whether_lost,
)

LEFT_OUT = 0.2  # of the episodes of each kind
EVEN_ODDS = 0.5  # probability above which a look is one of success


class RewardLesson(NamedTuple):
    """Episodes to learn from and to be judged by."""

    spec: LookSpec
    encoder: str
    instructions: dict[str, list[float]]  # vector by text, of those that are tried
    opposites: dict[str, list[str]]
    learn: list[SeenEpisode]
    left_out: list[SeenEpisode]
    recipes: list[str]  # hashes
    lost: str = ""  # what is asked to know whether only a person can help; empty: nothing

    def looks(self, positive_frames: int, near: NearMisses = NEAR_MISSES) -> Looks:
        """What the episodes teach."""
        if not self.lost:
            return looks_of(self.learn, self.spec, self.instructions, positive_frames, near)
        asked = [whether_lost(one, self.lost, len(one.reached) // 2) for one in self.learn]
        episodes = [*self.learn, *asked]
        looks = looks_of(episodes, self.spec, self.instructions, positive_frames, near)
        return _as_often(looks, self.lost)

    def asked(self, seen: SeenEpisode) -> Asked:
        """The question of an episode."""
        return asked_of(seen.text, self.instructions, self.opposites)

    def about(
        self, calibration: Calibration, rule: LookRule, labelled: Iterable[Labelled] = ()
    ) -> RewardAbout:
        """What the package says of itself, data of the labels included; it promises nothing yet."""
        return RewardAbout(
            spec=self.spec,
            encoder=self.encoder,
            instructions=self.instructions,
            opposites=self.opposites,
            calibration=calibration,
            rule=rule,
            data=[*dict.fromkeys([*self.recipes, *(one.recipe for one in labelled if one.recipe)])],
            lost=self.lost,
        )


def read_lesson(
    data: OfflineData, views: Sequence[str], seed: int, *, without_failures: bool, lost: str = ""
) -> RewardLesson:
    """Reads all episodes and splits them.

    Args:
        data: the episodes, which are held in memory.
        views: cameras; none: all.
        seed: of the split.
        without_failures: whether demonstrations alone may teach.
        lost: what is asked to know whether only a person can put things right; empty: nothing.

    Raises:
        InputError: no images, episodes of one kind alone, two of a kind that are too few to leave
            one out, or none that only a person could put right where that is asked.
    """
    spec = look_spec(data.sets[0].about, views)
    episodes = [one for each in data.sets for one in seen_episodes(each, spec.views)]
    _check_kinds(episodes, without_failures=without_failures)
    learn, left_out = split(episodes, LEFT_OUT, seed)
    if lost and not any(episodes[n].lost for n in learn):
        raise InputError(
            "no episode ended where only a person could put things right, so none shows what "
            "that looks like; collect some ('reflexarc collect TASK --noise 1'), or give no --lost"
        )
    opposites: dict[str, list[str]] = {}
    for each in data.sets:
        for task, goals in each.about.tasks.items():
            for goal in goals:
                opposites[goal.text] = [*opposites_of(each.about, task, goal.text)]
    vectors = {text: data.instructions[text] for text in opposites}
    if lost:
        vectors |= encode_instructions(data.encoder, [lost])
        opposites[lost] = []
    return RewardLesson(
        spec,
        data.encoder,
        vectors,
        opposites,
        [episodes[n] for n in learn],
        [episodes[n] for n in left_out],
        [each.about.recipe_sha256 for each in data.sets],
        lost,
    )


def _as_often(looks: Looks, text: str) -> Looks:
    """Looks in which the yeses to a rare question are drawn as often as those to all others."""
    rare = (looks.asked == looks.text.index(text)) & (looks.success > EVEN_ODDS)
    others = int((looks.success > EVEN_ODDS).sum()) - int(rare.sum())
    share = others / max(len(looks.text) - 1, 1) / int(rare.sum())
    weight = np.ones(len(rare), np.float32) if looks.weight is None else looks.weight
    return looks._replace(weight=np.where(rare, share, weight).astype(np.float32))


def calibrated(attempts: Sequence[Answered]) -> Calibration:
    """What makes raw answers honest, by attempts that nobody learned from."""
    return fit_calibration(*calibrating(attempts))


def described(
    attempts: Sequence[Answered], about: RewardAbout, rule: LookRule, threshold: float
) -> dict[str, Any]:
    """Counts, rates and calibration error of raw answers, for JSON.

    Args:
        attempts: raw answers through all views of the reward.
        about: whose calibration counts.
        rule: which looks count, its own or fewer.
        threshold: log-odds above which it is "yes".
    """
    calibration, views = about.calibration, about.spec.views
    raw, success = calibrating(attempts)
    honest = [one.honest(calibration) for one in attempts]
    found = judged(honest, rule, threshold, views)
    return {
        **found._asdict(),
        **found.rates(),
        "false_attempts_at_half": false_at_recall(honest, rule, views),
        "ece": round(calibration_error(probability(calibration.honest(raw)), success), 4),
        "ece_uncalibrated": round(calibration_error(probability(raw), success), 4),
    }


def _check_kinds(episodes: Sequence[SeenEpisode], *, without_failures: bool) -> None:
    succeeded = sum(one.succeeded for one in episodes)
    if not succeeded:
        raise InputError(
            f"none of the {len(episodes)} episodes succeeded, so none shows what success looks "
            "like; collect demonstrations: 'reflexarc collect TASK --after 2'"
        )
    if succeeded == len(episodes) and not without_failures:
        raise InputError(
            "no episode failed: a reward that never saw a failure pays for near misses; collect "
            "some ('reflexarc collect TASK --noise 1 --after 2'), or say --without-failures"
        )
