"""What episodes teach a reward, and which of them are left out."""

import dataclasses

import msgspec
import numpy as np
import pytest
from tiny_data import ABOUT
from tiny_reward import GOALS, LAMP, VIEWS, attempt_of, write_attempts

from perception.reward import RewardInputError
from policies.data_set import DataSet
from policies.reward_frames import (
    NearMisses,
    labels_of,
    look_spec,
    looks_of,
    seen,
    seen_episodes,
    split,
    whether_lost,
)

LIGHT, OUT = (goal.text for goal in GOALS)


def looked(goal=0, succeeds=True, **more):
    return seen(attempt_of(goal, succeeds, 1, **more), LAMP, VIEWS)


def told(labels, text):
    return {
        int(moment): float(label)
        for moment, asked, label in zip(labels.moment, labels.text, labels.success, strict=True)
        if asked == text
    }


def test_last_images_of_a_success_show_it_and_all_before_do_not():
    labels = labels_of(looked())
    assert told(labels, LIGHT) == {0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 1}


def test_second_half_of_an_attempt_does_not_show_the_opposite():
    assert told(labels_of(looked()), OUT) == {3: 0, 4: 0, 5: 0, 6: 0}


def test_no_image_of_a_failure_shows_success():
    assert told(labels_of(looked(succeeds=False)), LIGHT) == dict.fromkeys(range(7), 0)


def test_what_was_reached_before_the_last_images_teaches_nothing():
    assert told(labels_of(looked(after=3)), LIGHT) == {0: 0, 1: 0, 2: 0, 4: 1, 5: 1, 6: 1}
    lost = looked()._replace(succeeded=False)
    assert told(labels_of(lost), LIGHT) == {0: 0, 1: 0, 2: 0, 3: 0}


def weighed(labels, text):
    each = zip(labels.moment, labels.text, labels.weight, strict=True)
    return {int(moment): float(weight) for moment, asked, weight in each if asked == text}


def test_moments_just_before_success_teach_more_often_than_others():
    labels = labels_of(looked(steps=9, after=3), near=NearMisses(4.0, 2))
    assert told(labels, LIGHT) == {**dict.fromkeys(range(6), 0), 7: 1, 8: 1, 9: 1}
    assert weighed(labels, LIGHT) == {**dict.fromkeys((0, 1, 2, 3, 7, 8, 9), 1), 4: 4, 5: 4}
    assert set(weighed(labels, OUT).values()) == {1}


def test_a_failure_and_the_last_image_of_what_is_lost_have_no_near_miss():
    assert set(labels_of(looked(succeeds=False)).weight) == {1}
    lost = whether_lost(looked()._replace(lost=True), "a person is needed")
    assert set(labels_of(lost).weight) == {1}


def test_an_attempt_shorter_than_its_last_images_is_all_success():
    labels = labels_of(looked(steps=2, after=1), positive_frames=9)
    assert told(labels, LIGHT) == {0: 1, 1: 1, 2: 1}


def test_the_goal_is_not_reached_where_an_attempt_begins():
    assert looked(steps=3, after=2).reached.tolist() == [False, True, True, True]


def test_every_look_points_at_its_image_camera_and_instruction(tmp_path):
    data = DataSet(write_attempts(tmp_path / "lamp", 1, 1))
    episodes = [*seen_episodes(data, VIEWS)]
    looks = looks_of(episodes, look_spec(LAMP), LAMP.instructions)
    assert looks.image.shape == (2 * 4 * 7, 16, 16, 3)
    per_view = sum(len(labels_of(one).moment) for one in episodes)
    assert len(looks.row) == len(looks.success) == 2 * per_view
    last = labels_of(episodes[-1])
    row = looks.row[-len(last.moment) :]
    np.testing.assert_array_equal(looks.image[row[0]], episodes[-1].images["wrist"][0])
    assert set(looks.view[row]) == {1}
    asked = looks.vector[looks.asked[-len(last.moment) :]]
    np.testing.assert_array_equal(asked[0], np.float32(LAMP.instructions[OUT]))
    assert set(looks.episode[-len(last.moment) :]) == {3}


def test_looks_are_weighed_as_the_moments_that_they_show():
    episodes = [looked(steps=9), looked(goal=1, succeeds=False)]
    assert looks_of(episodes, look_spec(LAMP), LAMP.instructions).weight is None  # all alike
    looks = looks_of(episodes, look_spec(LAMP), LAMP.instructions, near=NearMisses(4.0, 2))
    often = looks.weight == 4
    assert set(looks.row[often] % 10) == {5, 6}  # of the first episode, through both cameras
    assert often.sum() == 2 * len(VIEWS)
    assert {looks.text[asked] for asked in looks.asked[often]} == {LIGHT}
    assert not looks.success[often].any()


def test_whole_episodes_of_every_kind_are_left_out():
    kinds = [(goal, succeeds) for goal in (0, 1) for succeeds in (True, False)]
    episodes = [looked(*kind) for kind in kinds for _ in range(10)]
    learn, left_out = split(episodes, 0.2, seed=3)
    assert sorted(learn + left_out) == [*range(40)]
    assert [n // 10 for n in left_out] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert split(episodes, 0.2, seed=3) == (learn, left_out)
    assert split(episodes, 0.2, seed=4) != (learn, left_out)
    assert split(episodes[:1], 0.2, seed=3) == ([0], [])


def test_data_without_the_camera_or_without_images_are_refused():
    assert look_spec(LAMP, ["wrist"]).views == ("wrist",)
    with pytest.raises(
        RewardInputError, match="no camera 'left' in these episodes; there are front"
    ):
        look_spec(LAMP, ["left"])
    with pytest.raises(RewardInputError, match="hold no images; collect a task with cameras"):
        look_spec(ABOUT)


def test_images_of_two_sizes_are_refused():
    front, wrist = LAMP.spec.observation
    wide = msgspec.structs.replace(front, shape=(16, 20, 3))
    about = msgspec.structs.replace(
        LAMP, spec=dataclasses.replace(LAMP.spec, observation=(wide, wrist))
    )
    with pytest.raises(RewardInputError, match="of one size"):
        look_spec(about)
