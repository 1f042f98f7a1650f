"""What a reward is taught by: episodes of data sets, split, with the words that they know."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from perception.quantities import InputError
from perception.reward import Looks, LookSpec
from perception.reward_calibration import Calibration, fit_calibration, probability
from perception.reward_look import LookRule
from perception.reward_package import Asked, RewardAbout, asked_of
from perception.reward_scores import Answered, calibrating, judged
from perception.risk import calibration_error
from policies.offline_data import OfflineData
from policies.reward_frames import (
    SeenEpisode,
    look_spec,
    looks_of,
    opposites_of,
    seen_episodes,
    split,
)

LEFT_OUT = 0.2  # of the episodes of each kind


class RewardLesson(NamedTuple):
    """Episodes to learn from and to be judged by."""

    spec: LookSpec
    encoder: str
    instructions: dict[str, list[float]]  # vector by text, of those that are tried
    opposites: dict[str, list[str]]
    learn: list[SeenEpisode]
    left_out: list[SeenEpisode]
    recipes: list[str]  # hashes

    def looks(self, positive_frames: int) -> Looks:
        """What the episodes teach."""
        return looks_of(self.learn, self.spec, self.instructions, positive_frames)

    def asked(self, seen: SeenEpisode) -> Asked:
        """The question of an episode."""
        return asked_of(seen.text, self.instructions, self.opposites)

    def about(self, calibration: Calibration, rule: LookRule) -> RewardAbout:
        """What the package says of itself; it promises nothing yet."""
        return RewardAbout(
            spec=self.spec,
            encoder=self.encoder,
            instructions=self.instructions,
            opposites=self.opposites,
            calibration=calibration,
            rule=rule,
            data=self.recipes,
        )


def read_lesson(
    data: OfflineData, views: Sequence[str], seed: int, *, without_failures: bool
) -> RewardLesson:
    """Reads all episodes and splits them.

    Args:
        data: the episodes, which are held in memory.
        views: cameras; none: all.
        seed: of the split.
        without_failures: whether demonstrations alone may teach.

    Raises:
        InputError: no images, episodes of one kind alone, or two of a kind that are too few to
            leave one out.
    """
    spec = look_spec(data.sets[0].about, views)
    episodes = [one for each in data.sets for one in seen_episodes(each, spec.views)]
    _check_kinds(episodes, without_failures=without_failures)
    learn, left_out = split(episodes, LEFT_OUT, seed)
    opposites: dict[str, list[str]] = {}
    for each in data.sets:
        for task, goals in each.about.tasks.items():
            for goal in goals:
                opposites[goal.text] = [*opposites_of(each.about, task, goal.text)]
    return RewardLesson(
        spec,
        data.encoder,
        {text: data.instructions[text] for text in opposites},
        opposites,
        [episodes[n] for n in learn],
        [episodes[n] for n in left_out],
        [each.about.recipe_sha256 for each in data.sets],
    )


def calibrated(attempts: Sequence[Answered]) -> Calibration:
    """What makes raw answers honest, by attempts that nobody learned from."""
    return fit_calibration(*calibrating(attempts))


def described(
    attempts: Sequence[Answered], calibration: Calibration, rule: LookRule, threshold: float
) -> dict[str, Any]:
    """Counts, rates and calibration error of raw answers, for JSON."""
    raw, success = calibrating(attempts)
    honest = [one.honest(calibration) for one in attempts]
    found = judged(honest, rule, threshold, rule.views)
    return {
        **found._asdict(),
        **found.rates(),
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
