import numpy as np

from perception.left_right import (
    TrustConfig,
    gradient_correlation,
    left_right_difference_px,
    trusted_disparity,
)
from perception.quantities import StereoImages

NAN = np.nan


def test_left_right_difference_by_hand():
    # x - d:            0  out  1   1   2
    left = np.array([[0.0, 2.0, 1.0, 2.0, 2.0, NAN]], np.float32)
    right = np.array([[0.5, 2.0, NAN, 1.0, 2.0, 0.0]], np.float32)
    expected = [[0.5, np.inf, 1.0, 0.0, np.inf, np.inf]]
    np.testing.assert_array_equal(left_right_difference_px(left, right), expected)


def noise_pair(shift_px, seed=0):
    scene = np.random.default_rng(seed).integers(0, 256, (30, 44), dtype=np.uint8)
    return StereoImages(scene[:, :40].copy(), scene[:, shift_px : 40 + shift_px].copy())


def test_gradients_correlate_at_the_true_disparity_only():
    images, config = noise_pair(3), TrustConfig()
    inside = (slice(6, -6), slice(10, -6))
    true, false = (
        gradient_correlation(images, np.full((30, 40), d, np.float32), config)[inside]
        for d in (3, 5)
    )
    assert true.min() > 0.99
    assert false.max() < 0.5


def test_each_pixel_is_correlated_at_its_own_disparity():
    # The upper half is shifted by 2, the lower by 4: no window may suffer from the edge.
    upper, lower = noise_pair(2, seed=1), noise_pair(4, seed=1)
    right = np.vstack([upper.right[:15], lower.right[15:]])
    disparity_px = np.repeat(np.float32([2, 4]), 15)[:, np.newaxis] + np.zeros((30, 40), np.float32)
    correlation = gradient_correlation(StereoImages(upper.left, right), disparity_px, TrustConfig())
    assert np.median(correlation[6:-6, 10:-6]) > 0.9


def test_confidence_is_one_half_where_a_test_is_just_passed():
    images = noise_pair(3)
    left = np.full((30, 40), 3, np.float32)
    for difference_px, expected in [(0, 1.0), (0.5, 0.75), (1.0, 0.5)]:
        found = trusted_disparity(images, left, left + np.float32(difference_px), TrustConfig())
        np.testing.assert_allclose(found.confidence[10:-10, 12:-10], expected, atol=0.01)
    beyond = trusted_disparity(images, left, left + np.float32(1.1), TrustConfig())
    assert np.isnan(beyond.disparity_px).all()


def test_islands_smaller_than_a_surface_are_speckles():
    images = noise_pair(3)
    left = np.full((30, 40), NAN, np.float32)
    left[5:25, 10:20] = 3  # 200 px
    left[5:7, 26:28] = 3  # 4 px, less than 0.16 x 40 = 6.4
    found = trusted_disparity(images, left, np.full((30, 40), 3, np.float32), TrustConfig())
    assert np.isnan(found.disparity_px[5:7, 26:28]).all()
    assert (found.confidence[5:7, 26:28] == 0).all()
    assert (found.disparity_px[8:22, 12:18] == 3).all()
