import numpy as np
import pytest

from perception.tables import ChoiceError
from sim.canvas import Canvas
from sim.textures import TEXTURES, draw_texture

CANVAS = Canvas(height_m=1.6, width_m=2.0, px_per_m=96)


def draw(family, seed=0, canvas=CANVAS):
    return draw_texture(family, np.random.default_rng(seed), canvas)


def contrast_at_matcher_scale(image):
    """Median over 8 x 8 px blocks of the deviation inside, in grey levels of 255."""
    rows, columns = (n // 8 for n in image.shape)
    blocks = image[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8)
    return 255 * float(np.median(blocks.std(axis=(1, 3))))


def test_there_are_twelve_textured_families_and_a_minority_of_plain_ones():
    plain = [row.plain for row in TEXTURES.values()]
    assert plain.count(False) >= 12
    assert 1 <= plain.count(True) <= len(plain) / 4


@pytest.mark.parametrize("place", ["wall", "floor", "ceiling", "obstacle"])
def test_every_place_has_textured_families(place):
    assert sum(place in row.places and not row.plain for row in TEXTURES.values()) >= 3


@pytest.mark.parametrize("family", TEXTURES)
@pytest.mark.parametrize("seed", range(3))
def test_albedo_is_in_range_and_fills_the_canvas(family, seed):
    image = draw(family, seed)
    assert image.shape == CANVAS.shape == (154, 192)
    assert image.dtype == np.float32
    assert image.min() >= 0.02
    assert image.max() <= 0.98


@pytest.mark.parametrize("family", TEXTURES)
@pytest.mark.parametrize("seed", range(3))
def test_textured_families_have_detail_for_a_matcher_and_plain_ones_none(family, seed):
    contrast = contrast_at_matcher_scale(draw(family, seed))
    if TEXTURES[family].plain:
        assert contrast < 2.5
    else:
        assert contrast > 3.0


@pytest.mark.parametrize("family", TEXTURES)
def test_equal_seeds_paint_equal_surfaces_and_others_do_not(family):
    assert np.array_equal(draw(family, 1), draw(family, 1))
    assert not np.array_equal(draw(family, 1), draw(family, 2))


@pytest.mark.parametrize("family", TEXTURES)
@pytest.mark.parametrize("size_m", [(0.05, 0.2), (3.0, 0.2), (0.6, 12.0)])
def test_small_and_oblong_canvases_are_painted(family, size_m):
    canvas = Canvas(*size_m, px_per_m=40)
    assert draw(family, canvas=canvas).shape == canvas.shape


def test_an_unknown_family_is_refused_with_the_valid_names():
    with pytest.raises(ChoiceError, match=r"no texture family 'gold'; valid: .*bricks"):
        draw("gold")
