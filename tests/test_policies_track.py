import math

import pytest

from policies.dead_reckoning import Motion
from policies.track import Track, TrackConfig

STEP_S = 0.1
CONFIG = TrackConfig()


@pytest.fixture
def track():
    return Track(CONFIG, STEP_S)


def fly(track, metres, steps=20):
    for _ in range(steps):
        track.update(Motion(metres / steps, 0.0))


def turn(track, degrees, steps=10):
    for _ in range(steps):
        track.update(Motion(0.0, math.radians(degrees) / steps))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_fuller_side_is_where_it_came_from(track, sign):
    fly(track, 2.0)
    assert track.fuller_side() == 0.0  # behind it is neither left nor right
    turn(track, sign * 90)  # what was behind is now on the side that it turned to
    assert track.fuller_side() == sign
    turn(track, -sign * 180)
    assert track.fuller_side() == -sign


def test_sides_that_are_about_as_full_are_the_same(track):
    fly(track, 2.0)
    track.update(Motion(-1.0, 0.0))  # drifts back to the middle of its way
    turn(track, 90)
    assert track.fuller_side() == 0.0


def test_a_robot_that_turns_on_the_spot_is_nowhere_new(track):
    turn(track, 90)
    turn(track, 90)
    assert track.fuller_side() == 0.0


def test_the_old_the_far_and_what_was_before_a_reset_count_for_nothing(track):
    fly(track, 2.0)
    turn(track, 90)
    for _ in range(round(CONFIG.seconds / STEP_S)):
        track.update(Motion(0.0, 0.0))
    assert track.fuller_side() == 0.0
    fly(track, 2.0)
    turn(track, 90)
    assert track.fuller_side() != 0.0
    for _ in range(10):
        track.update(Motion(-(CONFIG.radius_m + 1.0) / 10, 0.0))  # drifts away from it
    turn(track, 90)
    assert track.fuller_side() == 0.0
    track.update(Motion(CONFIG.radius_m + 1.0, 0.0))
    track.reset()
    assert track.fuller_side() == 0.0
