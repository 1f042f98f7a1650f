import numpy as np
import pytest

from perception.calibration import ideal_rig
from perception.mono import MonoModelError, MonoSpec
from perception.mono_labels import Labeller, TooFewFramesError, on_grid, split, stacked
from perception.quantities import StereoImages

NAN = np.nan
RIG = ideal_rig(128, 96, 58.0, 0.06)
SHIFT_PX = 6


@pytest.fixture(scope="module")
def labelled():
    """A textured wall at 6 px of disparity, labelled."""
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 255, (96, 140)).astype(np.uint8)
    images = StereoImages(wide[:, :128], wide[:, SHIFT_PX : 128 + SHIFT_PX])
    labeller = Labeller(RIG, MonoSpec())
    return labeller, labeller.label(images), labeller.label_right(images)


def test_the_answer_is_the_inverse_depth_that_stereo_saw(labelled):
    labeller, frame, _ = labelled
    per_m = SHIFT_PX / (labeller.view.focal_px * labeller.view.baseline_m)
    known = frame.weight > 0
    assert known.mean() > 0.8
    np.testing.assert_allclose(frame.target_per_m[known], per_m, rtol=0.1)
    assert np.nanmedian(frame.teacher_per_m) == pytest.approx(per_m, rel=0.02)
    assert frame.image.shape == frame.other.shape == (1, 96, 128)
    assert frame.target_per_m.shape == frame.weight.shape == (24, 32)


def test_the_right_eye_knows_the_rim_that_the_left_eye_does_not(labelled):
    _, left, right = labelled
    rim = np.s_[:, :SHIFT_PX]
    assert np.isnan(left.teacher_per_m[rim]).all()
    assert np.isfinite(right.teacher_per_m[rim]).mean() > 0.5
    assert np.isnan(right.teacher_per_m[:, -SHIFT_PX:]).all()
    assert np.nanmedian(right.teacher_per_m) == pytest.approx(np.nanmedian(left.teacher_per_m))


def test_side_says_where_a_pixel_is_in_the_other_image(labelled):
    for frame in labelled[1:]:
        moved = np.roll(frame.other[0], int(frame.side) * SHIFT_PX, axis=1)
        np.testing.assert_array_equal(frame.image[0, :, 10:-10], moved[:, 10:-10])


def test_a_cell_takes_the_median_of_what_is_known():
    teacher = np.full((4, 8), NAN, np.float32)
    teacher[0, :4] = [1, 1, 1, 9]  # a quarter known: enough; the odd one is outvoted
    teacher[0, 4:7] = [5, 5, 5]  # 3 of 16 are too few
    target, weight = on_grid(teacher, np.where(np.isnan(teacher), 0, 0.8).astype(np.float32))
    assert target.tolist() == [[1.0, 1.0]]
    assert weight[0] == pytest.approx([0.2, 0])


def test_a_frame_in_which_nothing_matches_teaches_nothing(labelled):
    labeller, _, _ = labelled
    grey = np.full((96, 128), 128, np.uint8)
    frame = labeller.label(StereoImages(grey, grey))
    assert not frame.weight.any()
    assert np.isfinite(frame.target_per_m).all()


@pytest.mark.parametrize("count", [2, 3, 7, 8, 51, 1200])
def test_split_leaves_out_whole_runs_and_uses_every_frame_once(count):
    learn, left_out = split(count)
    assert sorted([*learn, *left_out]) == list(range(count))
    assert 0 < len(left_out) <= max(1, count // 2)
    assert len(learn) > 0


def test_split_of_a_long_recording_leaves_out_runs_of_fifty():
    _, left_out = split(1200)
    assert len(left_out) == 240 or len(left_out) == 200
    assert np.sum(np.diff(left_out) > 1) == len(left_out) / 50 - 1


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_frames_are_refused(labelled, count):
    with pytest.raises(TooFewFramesError, match=f"hold {count} stereo pairs"):
        stacked([labelled[1]] * count)


def test_a_network_for_colour_cannot_learn_from_grey_pairs():
    with pytest.raises(MonoModelError, match="channels 1"):
        Labeller(RIG, MonoSpec(channels=3))
