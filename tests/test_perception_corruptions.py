"""Laws that every row of the table of corruptions keeps, then those of single ones."""

import numpy as np
import pytest

from perception.corruption import CorruptionError, Side, make_corruption
from perception.corruptions import CORRUPTIONS
from perception.quantities import StereoImages
from perception.tables import ChoiceError

EVERY = pytest.mark.parametrize("name", CORRUPTIONS)
SEVERE = ["blur", "noise", "dark", "fog"]


def pairs(count=4, seed=0):
    """Pairs of smooth noise that move by a pixel each, (24, 32)."""
    scene = np.random.default_rng(seed).integers(20, 235, (24, 64)).astype(np.uint8)
    return [
        StereoImages(scene[:, k + 2 : k + 34].copy(), scene[:, k : k + 32].copy())
        for k in range(count)
    ]


def run(name, side, options=None, seed=0):
    corruption = make_corruption(name, options or {}, np.random.default_rng(seed))
    return [corruption.corrupt(pair, side) for pair in pairs()]


@EVERY
@pytest.mark.parametrize("side", list(Side))
def test_it_changes_the_eyes_of_its_side_and_no_other(name, side):
    seen, good = run(name, side)[-1], pairs()[-1]
    for eye in ("left", "right"):
        image, before = getattr(seen, eye), getattr(good, eye)
        hit = name == "swapped" or side in (eye, Side.BOTH)
        assert np.array_equal(image, before) != hit
        assert image.dtype == np.uint8
        assert image.shape == ((0, 0) if name == "unplugged" and hit else before.shape)


@EVERY
def test_equal_seeds_give_equal_pairs_and_the_given_pair_stays(name):
    first, second = run(name, Side.BOTH, seed=3), run(name, Side.BOTH, seed=3)
    for one, other in zip(first, second, strict=True):
        assert all(map(np.array_equal, one, other))
    pair = pairs()[0]
    make_corruption(name, {}, np.random.default_rng(0)).corrupt(pair, Side.BOTH)
    assert all(map(np.array_equal, pair, pairs()[0]))


@EVERY
def test_a_missing_eye_stays_missing(name):
    corruption = make_corruption(name, {}, np.random.default_rng(0))
    pair = StereoImages(pairs()[0].left, np.empty((0, 0), np.uint8))
    seen = corruption.corrupt(pair, Side.BOTH)
    assert (seen.left if name == "swapped" else seen.right).size == 0


@pytest.mark.parametrize("name", SEVERE)
def test_a_larger_severity_leaves_less_of_the_image(name):
    good = pairs()[-1].right.astype(float).ravel()
    likeness = []
    for severity in (1.0, 3.0, 5.0):
        right = run(name, Side.RIGHT, {"severity": severity})[-1].right.astype(float).ravel()
        likeness.append(np.cov(good, right)[0, 1] / good.var() / (1 + right.std() / good.std()))
    if name == "noise":  # it adds, so the image is all there, under more
        spread = [np.std(run(name, Side.RIGHT, {"severity": s})[-1].right - good.reshape(24, 32))
                  for s in (1.0, 3.0, 5.0)]  # fmt: skip
        assert spread == sorted(spread)
    else:
        assert likeness == sorted(likeness, reverse=True)


@pytest.mark.parametrize("name", SEVERE)
@pytest.mark.parametrize("severity", [0.0, 5.5])
def test_a_severity_outside_of_one_to_five_is_refused(name, severity):
    with pytest.raises(CorruptionError, match="valid: 1 "):
        run(name, Side.RIGHT, {"severity": severity})


def test_frozen_shows_its_first_image_for_ever():
    for pair, good in zip(run("frozen", Side.RIGHT), pairs(), strict=True):
        assert np.array_equal(pair.right, pairs()[0].right)
        assert np.array_equal(pair.left, good.left)


def test_a_nod_moves_the_middle_by_the_focal_length_times_its_tangent():
    rotated = make_corruption(
        "rotated", {"axis": "pitch", "degrees": 2.0, "focal_px": 100.0}, np.random.default_rng(0)
    )
    x, y, w = rotated.homography(33, 25) @ [16, 12, 1]
    assert x / w == pytest.approx(16)
    assert abs(y / w - 12) == pytest.approx(100 * np.tan(np.radians(2)))


def test_a_roll_leaves_the_middle_where_it_is():
    rotated = make_corruption("rotated", {"degrees": 30.0}, np.random.default_rng(0))
    x, y, w = rotated.homography(33, 25) @ [16, 12, 1]
    assert (x / w, y / w) == pytest.approx((16, 12))


@pytest.mark.parametrize(
    ("name", "options"),
    [("rotated", {"axis": "up"}), ("rotated", {"focal_px": 0.0}), ("covered", {"part": 0.0})],
)
def test_options_without_sense_are_refused(name, options):
    with pytest.raises(CorruptionError):
        make_corruption(name, options, np.random.default_rng(0))


def test_an_unknown_corruption_lists_the_valid_ones():
    with pytest.raises(ChoiceError, match=f"valid names: {', '.join(sorted(CORRUPTIONS))}"):
        make_corruption("rain", {}, np.random.default_rng(0))
