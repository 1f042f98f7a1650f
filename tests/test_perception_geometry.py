import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.calibration import CalibrationError, CameraIntrinsics, StereoRig, ideal_rig
from perception.geometry import (
    RectifiedView,
    Rectifier,
    depth_from_disparity,
    disparity_from_depth,
    disparity_range_px,
)
from perception.quantities import ImageError, StereoImages

VIEW = RectifiedView(128, 96, 115.5, 63.5, 47.5, 0.06)
LEFT_LENS = (-0.28, 0.07, 0.0002, 0.00002)
RIGHT_LENS = (-0.25, 0.06, -0.0001, -0.00004)


def turned_rig():
    """Two distorted, unequal cameras, the right one turned by about 3 degrees around each axis."""
    left = CameraIntrinsics(320, 240, 200.0, 199.0, 158.0, 122.0, LEFT_LENS)
    right = CameraIntrinsics(320, 240, 203.0, 202.0, 162.0, 118.0, RIGHT_LENS)
    right_from_left = np.eye(4)
    right_from_left[:3, :3] = cv2.Rodrigues(np.array([0.05, -0.04, 0.06]))[0]
    right_from_left[:3, 3] = [-0.12, 0.005, 0.008]
    return StereoRig(left, right, right_from_left)


def picture_of_points(camera, points_c):
    """White dots of 5 px where the points (N, 3) of the camera frame appear on a black image."""
    pixels, _ = cv2.projectPoints(
        points_c, np.zeros(3), np.zeros(3), camera.matrix, np.array(camera.distortion)
    )
    image = np.zeros((camera.height, camera.width), np.uint8)
    for x, y in np.rint(pixels.reshape(-1, 2) * 16).astype(int):
        cv2.circle(image, (x, y), 40, 255, -1, cv2.LINE_AA, shift=4)
    return image


def dots_of(image):
    """Centres (N, 2) of the dots in px."""
    _, _, _, centres = cv2.connectedComponentsWithStats((image > 64).astype(np.uint8))
    return centres[1:]


def test_epipolar_lines_of_a_turned_distorted_rig_become_rows():
    rig = turned_rig()
    rectifier = Rectifier(rig)
    rows = []
    for x, y, depth_m in [(-0.5, -0.3, 2.0), (0.1, 0.2, 1.5), (0.4, -0.2, 3.0), (0.0, 0.45, 2.5)]:
        point_l = np.array([x, y, depth_m])
        point_r = (rig.right_from_left @ [*point_l, 1])[:3]
        images = StereoImages(
            picture_of_points(rig.left, point_l[np.newaxis]),
            picture_of_points(rig.right, point_r[np.newaxis]),
        )
        rectified = rectifier.rectify(images)
        left, right = (dots_of(image)[0] for image in rectified)
        rows.append((left[1], right[1]))
        disparity_px = np.float32(left[0] - right[0])
        assert depth_from_disparity(disparity_px, rectifier.view) == pytest.approx(
            depth_m, rel=0.06
        )
        assert abs(dots_of(images.left)[0][1] - dots_of(images.right)[0][1]) > 5  # it was needed
    assert np.ptp(np.array(rows), axis=1).max() < 0.4  # px


def test_the_rectified_view_of_a_turned_rig_has_no_black_rim():
    rectifier = Rectifier(turned_rig())
    white = np.full((240, 320), 255, np.uint8)
    rectified = rectifier.rectify(StereoImages(white, white))
    for image, seen in zip(rectified, (rectifier.seen_left, rectifier.seen_right), strict=True):
        assert seen.mean() > 0.99
        assert (image[seen] == 255).all()


def test_an_ideal_rig_passes_its_images_untouched():
    rectifier = Rectifier(ideal_rig(128, 96, 58, 0.06))
    images = StereoImages(np.zeros((96, 128), np.uint8), np.ones((96, 128), np.uint8))
    assert rectifier.rectify(images) is images
    assert rectifier.view == pytest.approx(VIEW, abs=0.05)
    assert rectifier.matchable(np.zeros((96, 128), np.float32)) is None


def test_a_match_that_ends_on_an_unseen_pixel_is_not_matchable():
    rectifier = Rectifier(ideal_rig(6, 1, 58, 0.06))
    rectifier.seen_right[0, 1] = False
    disparity_px = np.array([[0, 0, 1, 2, 2, np.nan]], np.float32)  # ends at columns 0 0 1 1 2 5
    disparity_px[0, 1] = 1
    matchable = rectifier.matchable(disparity_px)
    np.testing.assert_array_equal(matchable, [[True, True, False, False, True, True]])


def test_images_of_another_size_than_the_calibration_are_refused():
    grey = np.zeros((48, 64), np.uint8)
    with pytest.raises(ImageError, match="64x48, the calibration is for 128x96"):
        Rectifier(ideal_rig(128, 96, 58, 0.06)).rectify(StereoImages(grey, grey))


@pytest.mark.parametrize("translation_m", [[0.1, 0, 0], [0.01, -0.1, 0]])
def test_swapped_or_stacked_cameras_are_refused(translation_m):
    camera = ideal_rig(64, 48, 58, 0.06).left
    transform = np.eye(4)
    transform[:3, 3] = translation_m
    with pytest.raises(CalibrationError, match="right camera must stand to the right"):
        Rectifier(StereoRig(camera, camera, transform))


@pytest.mark.parametrize("turn_rad", [[0, 0.5, 0], [0.8, 0, 0], [0, 1.6, 0], [0, 0, 0.8]])
def test_cameras_that_look_apart_are_refused(turn_rad):
    camera = ideal_rig(128, 96, 58, 0.06).left
    transform = np.eye(4)
    transform[:3, :3] = cv2.Rodrigues(np.array(turn_rad, float))[0]
    transform[0, 3] = -0.06
    with pytest.raises(CalibrationError, match="too little common view"):
        Rectifier(StereoRig(camera, camera, transform))


@settings(deadline=None, derandomize=True)
@given(st.floats(0.05, 1000))
def test_depth_and_disparity_are_inverse(depth_m):
    disparity_px = disparity_from_depth(np.full((1, 1), depth_m, np.float32), VIEW)
    again_m = depth_from_disparity(disparity_px, VIEW)
    assert again_m.dtype == disparity_px.dtype == np.float32
    np.testing.assert_allclose(again_m, depth_m, rtol=1e-5)


def test_disparity_zero_is_infinitely_far_and_unknown_stays_unknown():
    depth_m = depth_from_disparity(np.array([6.93, 0, -1, np.nan], np.float32), VIEW)
    np.testing.assert_allclose(depth_m, [1.0, np.inf, np.inf, np.nan], rtol=1e-6)


def test_the_search_range_reaches_the_nearest_distance():
    assert disparity_range_px(VIEW, 0.5) == 16  # 6.93 / 0.5 = 13.9 px
    assert disparity_range_px(VIEW, 0.44) == 32  # 15.75 px: 16 would end at 15
    assert disparity_range_px(VIEW, 0.25) == 32
