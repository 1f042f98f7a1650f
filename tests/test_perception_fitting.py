import numpy as np
import pytest

from perception.fitting import Fit, FitError
from perception.geometry import RectifiedView

EUROC = RectifiedView(752, 480, 436.0, 364.0, 256.0, 0.11)


def test_equal_size_passes_untouched():
    view = RectifiedView(32, 16, 30.0, 15.5, 7.5, 0.1)
    fit = Fit(view, 32, 16)
    image = np.random.default_rng(0).integers(0, 255, (16, 32)).astype(np.uint8)
    assert fit.view == view
    np.testing.assert_array_equal(fit.image(image), image)
    values = image.astype(np.float32)
    np.testing.assert_array_equal(fit.values(values), values)


def test_window_keeps_the_aspect_so_that_one_focal_length_holds():
    fit = Fit(EUROC, 128, 96)  # 640 x 480 of it, from column 56, at 1/5
    assert fit.view.focal_px == pytest.approx(436 / 5)
    assert fit.view.cx_px == pytest.approx((364 - 56 + 0.5) / 5 - 0.5)
    assert fit.view.cy_px == pytest.approx((256 + 0.5) / 5 - 0.5)
    assert fit.view.baseline_m == EUROC.baseline_m


def test_a_point_lands_where_the_fitted_view_says():
    image = np.zeros((480, 752), np.uint8)
    image[200:205, 306:311] = 255  # centre (308, 202)
    found = np.argwhere(Fit(EUROC, 128, 96).image(image) == 255)
    fit = Fit(EUROC, 128, 96)
    x_px = (308 - EUROC.cx_px) / EUROC.focal_px * fit.view.focal_px + fit.view.cx_px
    y_px = (202 - EUROC.cy_px) / EUROC.focal_px * fit.view.focal_px + fit.view.cy_px
    assert found.tolist() == [[round(y_px), round(x_px)]]
    values = Fit(EUROC, 128, 96).values(image.astype(np.float32))
    assert np.argwhere(values).tolist() == found.tolist()


def test_an_edge_of_depth_is_never_mixed():
    values = np.where(np.arange(64) < 31, 1.0, np.nan).astype(np.float32)
    fitted = Fit(RectifiedView(64, 32, 60.0, 31.5, 15.5, 0.1), 32, 16).values(
        np.tile(values, (32, 1))
    )
    assert set(fitted[~np.isnan(fitted)].tolist()) == {1.0}


def test_a_network_larger_than_the_view_is_refused():
    with pytest.raises(FitError, match=r"128x96.*64x48"):
        Fit(RectifiedView(64, 48, 60.0, 31.5, 23.5, 0.1), 128, 96)


def test_colour_stays_colour():
    image = np.zeros((480, 752, 3), np.uint8)
    assert Fit(EUROC, 64, 48).image(image).shape == (48, 64, 3)
