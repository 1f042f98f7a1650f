from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from perception.calibration import ideal_rig, load_rig
from perception.geometry import Rectifier, disparity_range_px
from perception.images import read_grey
from perception.matcher import make_matcher
from perception.matchers import MATCHERS
from perception.quantities import Disparity, StereoImages
from perception.stereo import StereoConfig, StereoTeacher

RIG = ideal_rig(64, 48, 58, 0.06)
EUROC = Path(__file__).parents[2] / "shared" / "data" / "euroc_sample" / "mav0"


class FixedMatcher:
    """Answers what it is given."""

    def __init__(self, disparity_px, confidence):
        self._answer = Disparity(disparity_px, confidence)

    def match(self, images):
        return self._answer


def fixed_teacher(confidence, config=None, rig=RIG):
    disparity_px = np.full((48, 64), 2, np.float32)
    return StereoTeacher(rig, FixedMatcher(disparity_px, confidence), config)


def grey_pair():
    return StereoImages(*np.zeros((2, 48, 64), np.uint8))


@pytest.mark.parametrize("least", [0.2, 0.5, 0.9])
def test_depth_is_unknown_exactly_where_confidence_is_too_low(least):
    confidence = np.linspace(0, 1, 48 * 64, dtype=np.float32).reshape(48, 64)
    depth = fixed_teacher(confidence, StereoConfig(least)).infer(grey_pair())
    np.testing.assert_array_equal(np.isnan(depth.depth_m), confidence < least)
    trusted_m = depth.depth_m[confidence >= least]
    np.testing.assert_allclose(trusted_m, RIG.left.fx_px * 0.06 / 2, rtol=1e-6)
    assert depth.depth_m.dtype == np.float32


def test_a_match_on_the_rim_of_a_rectified_image_is_not_trusted():
    teacher = fixed_teacher(np.ones((48, 64), np.float32))
    teacher._rectifier.seen_right[:, :10] = False
    depth = teacher.infer(grey_pair())
    unseen = np.isnan(depth.depth_m)
    assert unseen[:, :12].all()  # disparity 2: column 11 ends at 9
    assert not unseen[:, 12:].any()
    np.testing.assert_array_equal(depth.confidence == 0, unseen)


@pytest.mark.parametrize("name", MATCHERS)
def test_every_matcher_teaches_the_distance_of_a_wall(name):
    scene = np.random.default_rng(0).integers(0, 256, (48, 71), dtype=np.uint8)
    scene = cv2.GaussianBlur(scene, (0, 0), 1)
    images = StereoImages(scene[:, :64].copy(), scene[:, 7:].copy())
    teacher = StereoTeacher(RIG, make_matcher(name))
    depth = teacher.infer(images)
    expected_m = teacher.view.focal_px * teacher.view.baseline_m / 7
    assert np.nanmedian(depth.depth_m) == pytest.approx(expected_m, rel=0.02)


@pytest.fixture(scope="module")
def motorcycle():
    """Middlebury 2014, a third of the size: images and truth in px, NaN where unknown."""
    left, right, truth_px = skimage.data.stereo_motorcycle()
    size = (247, 166)
    small = [
        cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        for image in (left, right)
    ]
    truth_px = cv2.resize(truth_px, size, interpolation=cv2.INTER_NEAREST) / 3
    return StereoImages(*small), np.where(np.isfinite(truth_px), truth_px, np.nan)


@pytest.mark.parametrize(
    ("name", "least_density", "most_bad"),
    [("sgbm", 0.80, 0.08), ("bm", 0.70, 0.08), ("sad", 0.02, 0.12)],
)
def test_on_a_real_scene_most_is_seen_and_little_is_wrong(
    motorcycle, name, least_density, most_bad
):
    images, truth_px = motorcycle
    found = make_matcher(name, {"num_disparities": 32}).match(images)
    known = np.isfinite(truth_px)
    matched = known & (found.confidence >= 0.5)
    error_px = np.abs(found.disparity_px - truth_px)[matched]
    assert matched.sum() / known.sum() > least_density
    assert np.mean(error_px > 2) < most_bad


@pytest.fixture(scope="module")
def euroc_pairs():
    if not EUROC.is_dir():
        pytest.skip(f"no EuRoC sample at {EUROC}")
    names = sorted(path.name for path in (EUROC / "cam0" / "data").iterdir())
    return [
        StereoImages(*(read_grey(EUROC / side / "data" / name) for side in ("cam0", "cam1")))
        for name in names[:2]
    ]


def test_rectified_euroc_images_agree_row_by_row(euroc_pairs):
    # ORB features of both rectified images, matched with a cross-check, lie in the same row.
    rectifier = Rectifier(load_rig(EUROC))
    orb, brute = cv2.ORB.create(1500), cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)

    def row_difference_px(images):
        (points_l, words_l), (points_r, words_r) = (
            orb.detectAndCompute(image, None) for image in images
        )
        good = [match for match in brute.match(words_l, words_r) if match.distance < 30]
        return np.median(
            [abs(points_l[m.queryIdx].pt[1] - points_r[m.trainIdx].pt[1]) for m in good]
        )

    for images in euroc_pairs:
        assert row_difference_px(rectifier.rectify(images)) < 1
        assert row_difference_px(images) > 5


def test_the_euroc_room_is_seen_at_room_distances(euroc_pairs):
    rig = load_rig(EUROC)
    view = Rectifier(rig).view
    options = {"num_disparities": disparity_range_px(view, nearest_m=0.75)}
    teacher = StereoTeacher(rig, make_matcher("sgbm", options))
    depth_m = teacher.infer(euroc_pairs[0]).depth_m
    assert np.isfinite(depth_m).mean() > 0.6
    nearest_m, farthest_m = np.nanpercentile(depth_m, [1, 99])
    assert 0.8 < nearest_m < farthest_m < 5
    floor_m = np.nanmedian(depth_m[440:, 200:400])
    wall_m = np.nanmedian(depth_m[150:200, 300:500])
    assert floor_m < 0.7 * wall_m  # the floor below is nearer than the mattress ahead
    window = depth_m[10:75, 300:520]  # overexposed, white
    assert np.isnan(window).mean() > 0.95
