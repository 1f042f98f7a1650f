"""Dictionaries: learned the same way every time, and files that are what they say."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.images import read_grey
from perception.texton_dictionary import (
    TextonFileError,
    learn_dictionary,
    load_dictionary,
    save_dictionary,
)
from perception.textons import TextonFrameError, doubled_slopes, grid_patches, squared_distances

HERE = Path(__file__).parent
FLOWN = HERE.parents[1] / "shared" / "data" / "textons"
ROOM = sorted((HERE / "data" / "asl_room" / "mav0" / "cam0" / "data").glob("*.png"))


@pytest.fixture(scope="module")
def frames():
    return [read_grey(path) for path in ROOM]


@pytest.fixture(scope="module")
def dictionary(frames):
    return learn_dictionary(frames, np.random.default_rng(0))


@pytest.fixture
def files(dictionary, tmp_path):
    paths = tmp_path / "intensity.dat", tmp_path / "gradient.dat"
    save_dictionary(dictionary, *paths)
    return paths


def test_learning_is_repeated_by_its_seed(frames, dictionary):
    again = learn_dictionary(frames, np.random.default_rng(0))
    other = learn_dictionary(frames, np.random.default_rng(1))
    assert again.fingerprint == dictionary.fingerprint != other.fingerprint


def test_learning_draws_nothing_from_opencvs_own_generator(frames, dictionary):
    cv2.setRNGSeed(12345)
    again = learn_dictionary(frames, np.random.default_rng(0))
    assert again.fingerprint == dictionary.fingerprint


def test_ten_alike_groups_of_patches_become_the_ten_textons():
    # 4 images of flat bands: 10 grey levels, no gradient along x.
    levels = np.array([5, 30, 60, 80, 110, 130, 160, 190, 220, 250], np.uint8)
    images = [np.repeat(levels, 12)[:, np.newaxis].repeat(128, axis=1) for _ in range(4)]
    patches = np.concatenate([grid_patches(image) for image in images])
    learned = learn_dictionary(images, np.random.default_rng(3))
    error = squared_distances(patches, learned.intensity.astype(np.int32)).min(axis=1)
    one_texton = ((patches - patches.mean(axis=0)) ** 2).sum(axis=1)
    assert error.mean() < 0.05 * one_texton.mean()
    np.testing.assert_array_equal(learned.gradient, 0)


def test_learned_textons_fit_the_frames_better_than_those_of_noise(frames, dictionary):
    noise = np.random.default_rng(0).integers(0, 256, (96, 128), dtype=np.uint8)
    foreign = learn_dictionary([noise], np.random.default_rng(0))
    patches = np.concatenate([grid_patches(frame) for frame in frames])
    slopes = doubled_slopes(patches) / 2

    def error(found, textons):
        return squared_distances(found, textons.astype(np.int32)).min(axis=1).mean()

    assert error(patches, dictionary.intensity) < 0.5 * error(patches, foreign.intensity)
    assert error(slopes, dictionary.gradient) < 0.5 * error(slopes, foreign.gradient)


def test_learning_without_images_or_from_too_small_ones_is_refused():
    with pytest.raises(TextonFrameError, match="no image to learn textons from"):
        learn_dictionary([], np.random.default_rng(0))
    with pytest.raises(TextonFrameError, match="too short"):
        learn_dictionary([np.zeros((20, 128), np.uint8)], np.random.default_rng(0))


def test_a_dictionary_comes_back_from_its_files(dictionary, files):
    found = load_dictionary(*files)
    np.testing.assert_array_equal(found.intensity, dictionary.intensity)
    np.testing.assert_array_equal(found.gradient, dictionary.gradient)
    assert found.fingerprint == dictionary.fingerprint
    assert [path.stat().st_size for path in files] == [502, 502]


def test_the_format_is_two_bytes_and_little_endian_words(files):
    words = np.arange(250, dtype="<i2")
    files[0].write_bytes(b"\x0a\x05" + words.tobytes())
    np.testing.assert_array_equal(load_dictionary(*files).intensity[1, :3], [25, 26, 27])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 bytes"),
        (b"\x0a\x05" + bytes(499), "501 bytes"),
        (b"\x0a\x05" + bytes(501), "503 bytes"),
        (b"\x0b\x05" + bytes(550), r"first \[11, 5\]"),
        (b"\x0a\x03" + bytes(500), r"first \[10, 3\]"),
    ],
)
@pytest.mark.parametrize("half", [0, 1])
def test_a_file_of_another_format_is_refused_and_the_right_one_described(
    files, content, said, half
):
    files[half].write_bytes(content)
    with pytest.raises(TextonFileError, match=f"{said}.*10 and 5, then 250 little-endian int16"):
        load_dictionary(*files)


def test_swapped_files_are_noticed(files):
    with pytest.raises(TextonFileError, match="were the two files swapped"):
        load_dictionary(files[0], files[0])
    with pytest.raises(TextonFileError, match="were the two files swapped"):
        load_dictionary(files[1], files[0])


def test_a_missing_file_and_a_folder_that_is_not_there_are_refused(files, dictionary, tmp_path):
    with pytest.raises(TextonFileError, match=r"none\.dat: No such file"):
        load_dictionary(files[0], tmp_path / "none.dat")
    with pytest.raises(TextonFileError, match="cannot write textons"):
        save_dictionary(dictionary, tmp_path / "none" / "i.dat", files[1])


@pytest.mark.skipif(not FLOWN.is_dir(), reason="the authors' files are not here")
@pytest.mark.parametrize("room", ["cubicle", "flightarena"])
def test_the_flown_files_load_and_are_written_back_byte_by_byte(room, tmp_path):
    originals = [FLOWN / f"{kind}_{room}.dat" for kind in ("intensity", "gradient")]
    copies = tmp_path / "i.dat", tmp_path / "g.dat"
    save_dictionary(load_dictionary(*originals), *copies)
    for original, copy in zip(originals, copies, strict=True):
        assert original.read_bytes() == copy.read_bytes()
