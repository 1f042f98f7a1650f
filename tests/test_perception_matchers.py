"""Laws that every row of the table of matchers keeps, then those of single matchers."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.matcher import MatcherConfigError, make_matcher
from perception.matchers import MATCHERS, sad
from perception.quantities import ImageError, StereoImages
from perception.tables import ChoiceError

SHAPE = (48, 96)
TRUTH_PX = 7
EVERY_MATCHER = pytest.mark.parametrize("name", MATCHERS)
DENSE = pytest.mark.parametrize("name", ["sgbm", "bm"])


def textured(shape, seed=0):
    """Blurred noise, grey levels 0..255, (H, W) float."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.2)
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255)


def pair(scene, disparity_px, noise=0.0, seed=1):
    """Both views of a wall: what the left shows at x, the right shows at x - disparity_px."""
    width = scene.shape[1] - disparity_px
    rng = np.random.default_rng(seed)
    views = (scene[:, :width], scene[:, disparity_px:])
    noisy = (view + rng.normal(0, noise, view.shape) for view in views)
    return StereoImages(*(np.clip(np.rint(view), 0, 255).astype(np.uint8) for view in noisy))


def wall(disparity_px=TRUTH_PX, **kwargs):
    return pair(textured((SHAPE[0], SHAPE[1] + disparity_px)), disparity_px, **kwargs)


@EVERY_MATCHER
@pytest.mark.parametrize("disparity_px", [1, 7, 14])
def test_an_image_shifted_by_d_has_disparity_d(name, disparity_px):
    found = make_matcher(name).match(wall(disparity_px))
    trusted = found.disparity_px[found.confidence >= 0.5]
    assert trusted.size > 0.02 * SHAPE[0] * SHAPE[1]
    assert np.median(trusted) == pytest.approx(disparity_px, abs=0.1)
    assert np.mean(np.abs(trusted - disparity_px) < 0.75) > 0.97


@EVERY_MATCHER
def test_a_match_has_a_disparity_and_a_confidence_and_else_neither(name):
    found = make_matcher(name).match(wall(noise=4))
    for values in found:
        assert values.dtype == np.float32
        assert values.shape == SHAPE
    missing = np.isnan(found.disparity_px)
    assert (found.confidence[missing] == 0).all()
    assert found.disparity_px[~missing].min() >= 0
    assert 0 <= found.confidence.min() <= found.confidence.max() <= 1


@EVERY_MATCHER
@pytest.mark.parametrize("noise", [0, 1, 2])
def test_nearly_nothing_is_trusted_on_a_bare_wall(name, noise):
    found = make_matcher(name).match(pair(np.full((SHAPE[0], 103), 128.0), TRUTH_PX, noise))
    assert np.mean(found.confidence >= 0.5) < 0.02


@EVERY_MATCHER
def test_horizontal_stripes_tell_no_disparity(name):
    stripes = np.repeat(128 + 60 * np.sin(np.arange(SHAPE[0]) / 2)[:, np.newaxis], 103, axis=1)
    found = make_matcher(name).match(pair(stripes, TRUTH_PX, noise=1))
    assert np.mean(found.confidence >= 0.5) < 0.02


@EVERY_MATCHER
def test_the_search_range_is_an_option_of_every_matcher(name):
    far_shifted = wall(40)
    found = make_matcher(name, {"num_disparities": 48}).match(far_shifted)
    assert np.median(found.disparity_px[found.confidence >= 0.5]) == pytest.approx(40, abs=0.1)
    assert make_matcher(name).config.num_disparities < 40
    with pytest.raises(MatcherConfigError, match="num_disparities is 1"):
        make_matcher(name, {"num_disparities": 1})


@EVERY_MATCHER
def test_matching_twice_gives_the_same_to_the_bit(name):
    matcher, images = make_matcher(name), wall(noise=3)
    first, second = matcher.match(images), matcher.match(images)
    assert first.disparity_px.tobytes() == second.disparity_px.tobytes()
    assert first.confidence.tobytes() == second.confidence.tobytes()


@EVERY_MATCHER
def test_images_may_be_views_into_other_arrays(name):
    images = wall()
    left, right = (np.repeat(image, 2, axis=1)[:, ::2] for image in images)
    assert not left.flags.c_contiguous
    matcher = make_matcher(name)
    np.testing.assert_array_equal(
        matcher.match(StereoImages(left, right)).disparity_px, matcher.match(images).disparity_px
    )


@EVERY_MATCHER
def test_images_of_different_sizes_are_refused(name):
    left, right = wall()
    with pytest.raises(ImageError, match="96x48 and 95x48"):
        make_matcher(name).match(StereoImages(left, right[:, 1:]))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("none", {}, f"no matcher is called 'none'; valid names: {', '.join(sorted(MATCHERS))}"),
        ("bm", {"block": 9}, "no option block; valid options: num_disparities, block_px"),
    ],
)
def test_unknown_matcher_or_option_lists_the_valid_ones(name, options, said):
    with pytest.raises(ChoiceError) as caught:
        make_matcher(name, options)
    assert said in str(caught.value)


@DENSE
def test_columns_that_only_the_left_camera_sees_are_not_matched(name):
    found = make_matcher(name).match(wall(14))
    assert np.isnan(found.disparity_px[:, :13]).mean() > 0.95
    assert np.mean(found.confidence[:, 18:32] >= 0.5) > 0.8  # seen, though nearer than the range


@DENSE
def test_what_is_hidden_behind_an_edge_is_not_trusted(name):
    # A near plate (12 px) before a wall (4 px): right of the plate's left edge lies what only the
    # left camera sees, the 8 columns left of the plate.
    far, near = textured((SHAPE[0], 120), seed=2), textured((SHAPE[0], 120), seed=3)
    left, right = far[:, :96].copy(), far[:, 4:100].copy()
    left[:, 50:80] = near[:, 50:80]
    right[:, 38:68] = near[:, 50:80]
    images = StereoImages(left.astype(np.uint8), right.astype(np.uint8))
    found = make_matcher(name).match(images)
    assert np.mean(found.confidence[:, 43:49] >= 0.5) < 0.25
    assert np.mean(found.confidence[4:-4, 56:74] >= 0.5) > 0.95


def test_the_sad_kernel_equals_its_reference():
    config = sad.Config()
    for images in (wall(), wall(noise=4), wall(0), pair(np.full((48, 103), 9.0), 7, noise=3)):
        kernel = sad.SparseMatch(*sad.match_kernel(*images, 16, 3, 130))
        reference = sad.match_reference(images, config)
        np.testing.assert_array_equal(kernel.disparity, reference.disparity)
        np.testing.assert_array_equal(kernel.uniqueness_percent, reference.uniqueness_percent)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    levels=st.integers(1, 255),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 30)),
    num_disparities=st.integers(2, 20),
)
def test_the_sad_kernel_equals_its_reference_on_any_images(seed, levels, shape, num_disparities):
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, levels, (2, *shape), dtype=np.uint8)  # few levels: many ties
    kernel = sad.SparseMatch(*sad.match_kernel(left, right, num_disparities, 3, 130))
    reference = sad.match_reference(
        StereoImages(left, right), sad.Config(num_disparities=num_disparities)
    )
    np.testing.assert_array_equal(kernel.disparity, reference.disparity)
    np.testing.assert_array_equal(kernel.uniqueness_percent, reference.uniqueness_percent)


def test_sad_by_hand_finds_one_edge():
    # The differences to the next pixel are 100, 40, 20, ...: one peak, between x = 19 and 20.
    edge = [100, 60, 40, 25, 15, 8, 4, 2]
    left, right = np.zeros((2, 5, 30), np.uint8)
    left[:, 20:28] = edge
    right[:, 17:25] = edge
    found = sad.SadMatcher().match(StereoImages(left, right))
    assert np.argwhere(~np.isnan(found.disparity_px)).tolist() == [[2, 19]]
    assert found.disparity_px[2, 19] == 3
    # The window 0 0 0 100 60 costs nothing at 3. At 4 it meets 0 0 0 0 100: 140 in each of 5 rows.
    # At 2 it meets 0 0 100 60 40, which is more. Uniqueness: 100 x 700 / (0 + 1).
    assert found.confidence[2, 19] == pytest.approx(1 - 130 / (2 * 70_000), abs=1e-6)


def test_sad_skips_columns_without_their_whole_range():
    found = sad.SadMatcher().match(wall(3))
    assert np.isnan(found.disparity_px[:, : 15 + 2]).all()
    assert not np.isnan(found.disparity_px[:, 17:]).all()
