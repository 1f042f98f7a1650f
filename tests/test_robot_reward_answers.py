"""What is left of a reward's answers where a robot would give none."""

import numpy as np

from perception.image_trust import coarse, usual_of
from perception.reward_look import NEVER
from perception.reward_scores import Answered
from policies.reward_frames import SeenEpisode
from robot.reward_answers import Answers, doubts_of

VIEWS = ("front", "wrist")


def checks(level, moments, rng):
    """(T, 64, 64, 3) uint8 fields of 8 px about a grey level, as different as a sensor's noise."""
    field = 40 * (np.indices((64, 64)) // 8).sum(0)[..., np.newaxis] % 80 - 20
    image = level + field + rng.normal(0, 2, (moments, 64, 64, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


def seen_at(levels, rng):
    """An attempt of which each camera sees all moments at one grey level."""
    images = {view: checks(level, 5, rng) for view, level in levels.items()}
    return SeenEpisode(images, "light", (), np.zeros(5, bool), succeeded=False)


def test_images_unlike_those_that_proved_a_reward_are_doubted_and_the_camera_is_named():
    rng = np.random.default_rng(0)
    proofs = [checks(110, 40, rng) for _ in VIEWS]
    usual = {
        view: usual_of([*map(coarse, images)]) for view, images in zip(VIEWS, proofs, strict=True)
    }
    assert doubts_of(seen_at({"front": 110, "wrist": 110}, rng), usual) == [None] * 5
    dim = doubts_of(seen_at({"front": 110, "wrist": 60}, rng), usual)
    assert [(doubt.view, doubt.reason) for doubt in dim] == [("wrist", "unusual")] * 5
    seen = seen_at({"front": 110, "wrist": 60}, rng)
    seen.images["front"][3:] = 0
    assert [doubt and doubt.reason for doubt in doubts_of(seen, {})] == [None] * 3 + ["black"] * 2


def test_where_a_robot_abstains_nothing_was_said_and_what_it_was_is_kept():
    rng = np.random.default_rng(1)
    own, opposite = rng.normal(size=(5, 2)), rng.normal(size=(5, 2, 1))
    attempts = [Answered(own, opposite, np.arange(5) > 2)] * 3
    seen = seen_at({"front": 110, "wrist": 60}, rng)
    seen.images["front"][3:] = 0
    half, none = doubts_of(seen, {}), [None] * 5
    seen.images["wrist"][:] = 0
    answers = Answers(attempts, [], {}, [none, half, doubts_of(seen, {})], [])
    whole, late, never = answers.trusted()
    np.testing.assert_array_equal(whole.own, own)
    np.testing.assert_array_equal(late.own[:3], own[:3])
    assert (late.own[3:] == NEVER).all()
    assert (never.own == NEVER).all()
    np.testing.assert_array_equal(answers.attempts[1].own, own)
    assert answers.abstained() == {
        "moments": 7,
        "whole_attempts": 1,
        "reasons": {"front is black": 4, "wrist is black": 3},
    }
