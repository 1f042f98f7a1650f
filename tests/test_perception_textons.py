"""Features of frames: the grid, the votes, the numbers; kernel against reference."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.images import read_grey
from perception.texton_dictionary import learn_dictionary, load_dictionary
from perception.textons import (
    PATCHES,
    TEXTONS,
    TextonDictionary,
    TextonFeatures,
    TextonFrameError,
    count_votes,
    count_votes_reference,
    doubled_slopes,
    feature_of_votes,
    grid_patches,
    grid_starts_px,
)

HERE = Path(__file__).parent
SHARED = HERE.parents[1] / "shared" / "data"
ROOM = sorted((HERE / "data" / "asl_room" / "mav0" / "cam0" / "data").glob("*.png"))


@pytest.fixture(scope="module")
def frames():
    """Rendered frames of the flying room, 128 x 96."""
    return [read_grey(path) for path in ROOM]


@pytest.fixture(scope="module")
def dictionary(frames):
    return learn_dictionary(frames, np.random.default_rng(0))


def votes_of_both(image, dictionary):
    rows, columns = (grid_starts_px(length) for length in image.shape)
    intensity = dictionary.intensity.astype(np.int32)
    gradient = 2 * dictionary.gradient.astype(np.int32)
    by_kernel = count_votes(image, rows, columns, intensity, gradient)
    return by_kernel, count_votes_reference(image, dictionary)


def random_dictionary(seed):
    rng = np.random.default_rng(seed)
    intensity = rng.integers(0, 256, (10, 25)).astype(np.int16)
    return TextonDictionary(intensity, rng.integers(-255, 256, (10, 25)).astype(np.int16))


def test_kernel_and_reference_count_the_same_votes_on_rendered_frames(frames, dictionary):
    for frame in frames:
        by_kernel, by_reference = votes_of_both(frame, dictionary)
        np.testing.assert_array_equal(by_kernel, by_reference)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(27, 60), st.integers(27, 60))
def test_kernel_and_reference_count_the_same_votes_on_noise_of_any_size(seed, height, width):
    image = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    by_kernel, by_reference = votes_of_both(image, random_dictionary(seed))
    np.testing.assert_array_equal(by_kernel, by_reference)


def test_the_grid_is_the_papers_at_its_size():
    # (128 - 5) // 22 = 5 px from 2 on; (96 - 5) // 22 = 4 px from 2 on.
    np.testing.assert_array_equal(grid_starts_px(128), 2 + 5 * np.arange(22))
    np.testing.assert_array_equal(grid_starts_px(96), 2 + 4 * np.arange(22))


def test_a_patch_votes_for_the_texton_it_equals_by_hand():
    # A ramp along x that rises by 3 per px: slopes are 3 everywhere, grey levels differ by column.
    image = np.tile(3 * np.arange(27, dtype=np.uint8), (27, 1))  # patches begin at 0..21
    intensity = np.full((10, 25), 1000, np.int16)
    intensity[4] = np.tile(3 * np.arange(5), 5)  # the patch in the first column
    intensity[7] = np.tile(3 * np.arange(21, 26), 5)  # the patch in the last
    gradient = np.full((10, 25), 100, np.int16)
    gradient[6] = 3
    votes = count_votes_reference(image, TextonDictionary(intensity, gradient))
    # Columns 0..10 are nearer to the first (11 of 22), 11..21 to the last; all slopes agree.
    assert votes[4] == votes[7] == PATCHES // 2
    assert votes[10 + 6] == PATCHES
    assert votes.sum() == 2 * PATCHES


def test_slopes_are_central_inside_a_patch_and_one_sided_at_its_rims():
    patch = np.tile([0, 1, 4, 9, 16], 5)[np.newaxis]
    np.testing.assert_array_equal(doubled_slopes(patch)[0, :5], [2, 4, 8, 12, 14])


def test_patches_are_read_row_by_row():
    image = np.arange(27 * 27).reshape(27, 27).astype(np.uint8)
    first = grid_patches(image)[0]
    np.testing.assert_array_equal(first, image[:5, :5].ravel())


def test_both_halves_sum_to_one_half_and_the_entropy_is_that_of_the_parts(frames, dictionary):
    features = TextonFeatures(dictionary, 128, 96)
    for frame in frames:
        feature = features.measure(frame)
        assert feature.shape == (21,)
        assert feature.dtype == np.float32
        assert feature[:10].sum() == pytest.approx(0.5, abs=1e-6)
        assert feature[10:20].sum() == pytest.approx(0.5, abs=1e-6)
        part = feature[:20][feature[:20] > 0].astype(float)
        assert feature[20] == pytest.approx(-(part * np.log2(part)).sum(), abs=1e-5)
        assert 1 < feature[20] <= np.log2(20)


def test_the_entropy_of_two_textons_is_one_bit_and_of_all_alike_log2_of_20():
    two = np.zeros(2 * TEXTONS, np.int32)
    two[[3, 13]] = PATCHES
    assert feature_of_votes(two)[20] == pytest.approx(1)
    alike = np.full(2 * TEXTONS, PATCHES / TEXTONS)
    assert feature_of_votes(alike)[20] == pytest.approx(np.log2(20), rel=1e-6)


def test_the_same_frame_gives_the_same_feature_to_the_bit_also_as_a_view(frames, dictionary):
    features = TextonFeatures(dictionary, 128, 96)
    view = np.repeat(frames[0], 2, axis=1)[:, ::2]
    assert not view.flags.c_contiguous
    assert features.measure(view).tobytes() == features.measure(frames[0]).tobytes()


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((96, 127), np.uint8),
        np.zeros((128, 96), np.uint8),
        np.zeros((96, 128, 3), np.uint8),
        np.zeros((96, 128), np.float32),
    ],
)
def test_a_frame_of_another_size_or_colour_is_refused_with_both_sizes(wrong, dictionary):
    features = TextonFeatures(dictionary, 128, 96)
    with pytest.raises(TextonFrameError, match=r"grey frames of 128x96 px: uint8 \(96, 128\)"):
        features.measure(wrong)


def test_a_size_that_holds_no_grid_is_refused(dictionary):
    with pytest.raises(TextonFrameError, match="26 px is too short for textons; needed: 27 px"):
        TextonFeatures(dictionary, 128, 26)


@pytest.mark.skipif(not (SHARED / "textons").is_dir(), reason="the authors' files are not here")
@pytest.mark.parametrize("room", ["cubicle", "flightarena"])
def test_the_flown_dictionaries_give_features_on_real_and_rendered_frames(room, frames):
    folder = SHARED / "textons"
    flown = load_dictionary(folder / f"intensity_{room}.dat", folder / f"gradient_{room}.dat")
    euroc = sorted((SHARED / "euroc_sample" / "mav0" / "cam0" / "data").glob("*.png"))[:2]
    for frame in [*frames, *(read_grey(path) for path in euroc)]:
        by_kernel, by_reference = votes_of_both(frame, flown)
        np.testing.assert_array_equal(by_kernel, by_reference)
        assert np.count_nonzero(by_kernel) >= 6
    entropies = [TextonFeatures(flown, 128, 96).measure(frame)[20] for frame in frames]
    assert max(entropies) > min(entropies)
