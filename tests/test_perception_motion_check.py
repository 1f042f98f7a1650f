"""Laws of the check of depth by motion, on a wall that a camera of known geometry flies along."""

import math

import cv2
import numpy as np
import pytest

from perception.ego_motion import STILL, EgoMotion, Motion
from perception.motion_check import MotionCheck, MotionConfig
from tests.flown_wall import VIEW, WALL_M, seen

MS = 1_000_000
LENS = MotionConfig()


def error_of(factor, step, count=9):
    """What the check says of the true depth times 1 / factor after some equal steps."""
    check = MotionCheck(VIEW, LENS)
    pose = STILL
    check.see(seen(*pose), None)
    for _ in range(count - 1):
        pose = pose.then(step)
        check.see(seen(*pose), step)
    ahead_m = WALL_M - pose.translation_m[0]
    return check.error(np.full((24, 32), factor / ahead_m, np.float32))


def turn(yaw_rad):
    return cv2.Rodrigues(np.array([0.0, 0.0, yaw_rad]))[0]


AHEAD, ASIDE = (Motion(np.eye(3), np.array(way)) for way in ((0.05, 0.0, 0.0), (0.0, 0.04, 0.0)))


@pytest.mark.parametrize("step", [AHEAD, ASIDE])
@pytest.mark.parametrize(("factor", "error"), [(1.0, 0.0), (1.5, 0.33), (0.6, 0.67)])
def test_the_error_of_a_prediction_is_what_parallax_shows(step, factor, error):
    assert error_of(factor, step) == pytest.approx(error, abs=0.1)


def test_a_turn_during_the_way_is_no_parallax():
    curve = Motion(turn(0.03), np.array([0.05, 0.0, 0.0]))
    assert error_of(1.0, curve) < 0.12
    assert error_of(0.5, curve) > 0.5


def test_who_hovers_is_told_nothing():
    assert math.isnan(error_of(1.0, STILL))


def test_what_was_before_an_unknown_way_is_forgotten():
    check = MotionCheck(VIEW, LENS)
    for k in range(9):
        check.see(seen(np.eye(3), np.array([0.05 * k, 0.0, 0.0])), AHEAD)
    prediction = np.full((24, 32), 1 / 1.6, np.float32)
    assert not math.isnan(check.error(prediction))
    check.see(seen(np.eye(3), np.zeros(3)), None)
    assert math.isnan(check.error(prediction))


def fly(gyro, velocity, frames=(0, 100, 200)):
    """Motions between frames at these ms, of a vehicle that senses every 20 ms."""
    ego, found = EgoMotion(), []
    for at_ms in range(0, frames[-1] + 1, 20):
        ego.sense(at_ms * MS, gyro, velocity)
        if at_ms in frames:
            found.append(ego.since_last(at_ms * MS))
    return found


def test_the_way_between_two_frames_is_speed_times_time_along_the_turning_nose():
    first, *rest = fly((0.0, 0.0, 1.0), (0.5, 0.0, 0.0))
    assert first is None
    for motion in rest:
        assert motion.translation_m[0] == pytest.approx(0.05, abs=1e-4)
        assert motion.translation_m[1] == pytest.approx(0.05 * 0.04, abs=6e-4)  # half of 0.1 rad
        assert np.allclose(motion.rotation, turn(0.1))


def test_until_the_next_sample_comes_the_last_one_holds():
    ego = EgoMotion()
    ways_m = []
    for at_ms in range(0, 1001, 20):
        if at_ms % 100 == 0:  # a frame comes before the sample of its own moment
            ways_m.append(ego.since_last(at_ms * MS))
        ego.sense(at_ms * MS, (0.0, 0.0, 0.0), (0.5, 0.0, 0.0))
    assert [way.translation_m[0] for way in ways_m[1:]] == pytest.approx([0.05] * 10)


def test_two_motions_in_a_row_are_one():
    both = Motion(turn(0.1), np.array([1.0, 0.0, 0.0])).then(
        Motion(turn(0.2), np.array([1.0, 0, 0]))
    )
    assert np.allclose(both.rotation, turn(0.3))
    assert np.allclose(both.translation_m, [1 + np.cos(0.1), np.sin(0.1), 0])


def test_without_samples_or_after_a_gap_the_way_is_unknown():
    ego = EgoMotion()
    assert ego.since_last(0) is None
    assert ego.since_last(100 * MS) is None
    ego.sense(110 * MS, (0, 0, 0), (0, 0, 0))
    assert ego.since_last(120 * MS) is not None
    assert ego.since_last(900 * MS) is None
