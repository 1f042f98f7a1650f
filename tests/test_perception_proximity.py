import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.geometry import RectifiedView, depth_from_disparity
from perception.proximity import (
    ProximityConfig,
    SteadyCorridor,
    corridor_distance_m,
    measure_proximity,
    proximity_px,
    sector_proximity,
)
from perception.quantities import StereoDepth

NAN = np.nan
VIEW = RectifiedView(64, 48, 57.7, 31.5, 23.5, 0.06)  # 58 degrees wide
HALF_WIDTH_M, HALF_HEIGHT_M = 0.4, 0.25


def test_proximity_px_by_hand_on_4_x_6_pixels():
    disparity_px = np.array(
        [
            [9, 9, 9, 2, 2, NAN],
            [9, 5, 5, 2, 2, NAN],
            [1, 1, 1, 2, 2, NAN],
            [1, 1, 1, 2, 2, NAN],
        ],
        np.float32,
    )
    # 20 valid pixels; more than 75 / 313.04 x 20 = 4.79 must reach a bin. At least 9: 4 pixels,
    # too few. At least 6: 4. At least 5: 6 pixels.
    assert proximity_px(disparity_px) == 5
    disparity_px[0, 3] = 9  # now 5 pixels reach 9
    assert proximity_px(disparity_px) == 9


def test_proximity_px_knows_nothing_without_pixels_and_ends_at_its_largest_bin():
    assert math.isnan(proximity_px(np.full((4, 6), NAN, np.float32)))
    assert proximity_px(np.full((4, 6), 31.7, np.float32)) == 14
    assert proximity_px(np.full((4, 6), 31.7, np.float32), largest_bin_px=31) == 31
    assert proximity_px(np.full((4, 6), 0.9, np.float32)) == 0


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.floats(0, 20, width=32) | st.just(NAN), min_size=1, max_size=40),
    st.floats(0, 5, width=32),
)
def test_nearer_things_never_lower_the_proximity(disparities, approach_px):
    before_px = np.array([disparities], np.float32)
    before, after = proximity_px(before_px), proximity_px(before_px + np.float32(approach_px))
    assert after >= before or math.isnan(before)


def test_each_sector_reports_its_own_nearest_part():
    depth_m = np.full((40, 80), 4.0, np.float32)
    depth_m[:, 20:23] = 0.5  # 3 of the 10 columns of sector 2
    depth_m[0:4, 50:52] = 0.2  # 8 of 400 pixels of sector 5: 2 %, less than the nearest 5 %
    depth_m[:, 60:70] = np.nan  # sector 6 is unseen
    depth_m[::2, 70:80] = np.nan  # sector 7 is half seen
    inverse, valid = sector_proximity(depth_m, 8)
    np.testing.assert_allclose(inverse, [0.25, 0.25, 2, 0.25, 0.25, 0.25, 0, 0.25])
    np.testing.assert_allclose(valid, [1, 1, 1, 1, 1, 1, 0, 0.5])


def test_a_few_pixels_are_no_surface():
    depth_m = np.full((10, 8), NAN, np.float32)
    depth_m[:4, 0] = 0.3
    inverse, valid = sector_proximity(depth_m, 1)
    assert (inverse[0], valid[0]) == (0, 0)


def test_infinitely_far_is_seen_and_not_near():
    inverse, valid = sector_proximity(np.full((10, 8), np.inf, np.float32), 2)
    np.testing.assert_array_equal(inverse, [0, 0])
    np.testing.assert_array_equal(valid, [1, 1])


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 12), st.floats(0.2, 10))
def test_sectors_are_monotone_in_nearness(sectors, factor):
    depth_m = np.linspace(0.3, 5, 20 * 24, dtype=np.float32).reshape(20, 24)
    near, _ = sector_proximity(depth_m, sectors)
    scaled, _ = sector_proximity(depth_m * np.float32(factor), sectors)
    np.testing.assert_allclose(scaled, near / factor, rtol=1e-5)


def scene(wall_m=np.inf):
    return np.full((VIEW.height, VIEW.width), wall_m, np.float32)


def put_plate(depth_m, distance_m, x_m, half_m=0.15):
    """A square plate at x_m right of the robot's middle, facing the camera."""
    columns = (np.arange(VIEW.width) - VIEW.cx_px) / VIEW.focal_px * distance_m - 0.03
    rows = (np.arange(VIEW.height) - VIEW.cy_px) / VIEW.focal_px * distance_m
    covered = np.ix_(np.abs(rows) <= half_m, np.abs(columns - x_m) <= half_m)
    depth_m[covered] = np.minimum(depth_m[covered], distance_m)
    return depth_m


def corridor(depth_m, **kwargs):
    return corridor_distance_m(depth_m, VIEW, HALF_WIDTH_M, HALF_HEIGHT_M, **kwargs)


@pytest.mark.parametrize("x_m", [-0.3, 0.0, 0.3])
@pytest.mark.parametrize("distance_m", [0.5, 1.0, 2.0])
def test_an_obstacle_inside_the_corridor_is_met_at_its_distance(x_m, distance_m):
    distance, seen = corridor(put_plate(scene(wall_m=4.0), distance_m, x_m))
    assert distance == pytest.approx(distance_m, rel=1e-6)
    assert seen == 1


@pytest.mark.parametrize("x_m", [-0.6, 0.6])
def test_an_obstacle_beside_the_corridor_is_passed(x_m):
    assert corridor(put_plate(scene(), 1.2, x_m)) == (math.inf, 1)
    distance, _ = corridor(put_plate(scene(wall_m=4.0), 1.2, x_m))
    assert distance == 4.0


def test_the_corridor_is_centred_between_the_cameras():
    # At 1 m a plate from 0.36 to 0.38 m right of the middle is inside half a width of 0.4 m, and
    # at -0.42 to -0.44 outside; seen from the left camera they are at 0.39..0.41 and -0.39..-0.41.
    inside = put_plate(scene(), 1.0, 0.37, half_m=0.015)
    outside = put_plate(scene(), 1.0, -0.43, half_m=0.015)
    assert corridor(inside, min_pixels=1)[0] == 1.0
    assert corridor(outside, min_pixels=1)[0] == math.inf


def test_an_unseen_corridor_says_so():
    unseen = scene(NAN)
    assert corridor(unseen) == (math.inf, 0)
    half_seen = scene(3.0)
    half_seen[: VIEW.height // 2] = NAN
    assert corridor(half_seen)[1] == pytest.approx(0.5)


def test_one_wrong_pixel_does_not_stop_the_robot():
    depth_m = scene(wall_m=3.0)
    depth_m[24, 30:32] = 0.2
    assert corridor(depth_m)[0] == 3.0


def test_all_numbers_of_a_frame_count_trusted_pixels_only():
    disparity_px = np.full((VIEW.height, VIEW.width), 2, np.float32)
    disparity_px[:, :32] = 12  # near, but not trusted
    depth_m = depth_from_disparity(disparity_px, VIEW)
    depth_m[:, :32] = NAN
    depth = StereoDepth(disparity_px, depth_m, np.isfinite(depth_m).astype(np.float32))
    near = measure_proximity(depth, VIEW, ProximityConfig())
    assert near.proximity_px == 2
    np.testing.assert_array_equal(near.sector_valid, [0, 0, 0, 0, 1, 1, 1, 1])
    np.testing.assert_allclose(near.sectors_per_m[4:], 2 / (57.7 * 0.06), rtol=1e-5)
    assert near.corridor_m == pytest.approx(57.7 * 0.06 / 2)
    assert 0.4 < near.corridor_seen < 0.6
    assert near.sectors_per_m.dtype == near.sector_valid.dtype == np.float32


def test_a_steady_corridor_is_the_mean_of_the_newest_nearness():
    steady = SteadyCorridor(2)
    assert steady.step(2.0) == 2.0
    assert steady.step(0.5) == pytest.approx(0.8)  # (0.5 + 2) / 2 = 1.25/m
    assert steady.step(math.inf) == 1.0
    assert steady.step(math.inf) == math.inf
    assert steady.step(0.0) == 0.0
    steady.forget()
    assert steady.step(3.0) == pytest.approx(3.0)


def test_the_corridor_of_one_reading_stays_as_it_is():
    steady = SteadyCorridor(1)
    assert [steady.step(m) for m in (2.0, 0.5, math.inf)] == [2.0, 0.5, math.inf]
