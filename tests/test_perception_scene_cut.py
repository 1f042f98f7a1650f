"""A camera that is carried away is noticed; one that flies, turns or flickers is not."""

import cv2
import numpy as np
import pytest

from perception.ego_motion import STILL, Motion
from perception.mono_watch import WatchConfig
from perception.quantities import InputError
from perception.scene_cut import SceneCut
from tests.flown_wall import VIEW, WALL_M, seen

AHEAD = Motion(np.eye(3), np.array((0.05, 0.0, 0.0)))
INVERSE = np.full((24, 32), 1 / WALL_M, np.float32)


def cuts(places, step=AHEAD, depth=INVERSE):
    """In which frames a cut is told, of a flight along walls of these seeds; None: a flash."""
    cut, pose, found = SceneCut(VIEW), STILL, []
    for number, seed in enumerate(places):
        image = seen(*pose, seed) if seed is not None else np.random.default_rng(9).integers(
            0, 255, (96, 128), np.uint8
        )  # fmt: skip
        if cut.step(image, None if number == 0 else step, depth):
            found.append(number)
        pose = pose.then(step)
    return found


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_another_place_is_noticed_a_frame_later_whatever_depth_is_guessed(factor):
    assert cuts([0] * 5 + [1] * 5, depth=factor * INVERSE) == [6]


@pytest.mark.parametrize(
    "step",
    [
        STILL,
        AHEAD,
        Motion(np.eye(3), np.array((0.0, 0.08, 0.0))),
        Motion(cv2.Rodrigues(np.array([0.0, 0.0, 0.04]))[0], np.zeros(3)),
    ],
)
def test_a_camera_that_flies_or_turns_is_where_it_was(step):
    assert cuts([0] * 12, step) == []


def test_a_single_strange_frame_is_no_cut():
    assert cuts([0] * 5 + [None] + [0] * 5) == []
    assert cuts([0] * 5 + [1] + [0] * 5) == []


def test_a_cut_behind_a_strange_frame_is_one_cut():
    assert cuts([0] * 5 + [None] + [1] * 5) == [7]


def test_nothing_is_said_in_a_quick_turn():
    """Half of the view is new in each frame; what it shows may be anything."""
    step = Motion(cv2.Rodrigues(np.array([0.0, 0.0, 0.3]))[0], np.zeros(3))
    assert cuts([0] * 3 + [1] * 3, step) == []


def test_nothing_is_said_of_plain_pictures():
    cut = SceneCut(VIEW)
    for number, grey in enumerate((50, 50, 200, 200, 200)):
        image = np.full((96, 128), grey, np.uint8)
        assert not cut.step(image, None if number == 0 else STILL, INVERSE)


def test_what_was_before_a_gap_in_the_way_is_forgotten():
    cut = SceneCut(VIEW)
    for seed, moved in ((0, None), (0, STILL), (1, None), (1, STILL), (1, STILL)):
        assert not cut.step(seen(*STILL, seed), moved, INVERSE)


def test_a_time_below_zero_is_refused():
    with pytest.raises(InputError, match="lost_frames"):
        WatchConfig(lost_frames=-1)
