"""Log-odds that mean what they say."""

import numpy as np
import pytest

from perception.reward_calibration import Calibration, fit_calibration, probability, reliability
from perception.risk import calibration_error


def boastful(count=20_000, temperature=3.0, shift=1.5, seed=0):
    """Raw log-odds of who is too sure by a factor, too ready by a shift; and what is true."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(-1, 2, count)
    return honest * temperature + shift, rng.random(count) < probability(honest)


def test_temperature_and_shift_are_found_again():
    found = fit_calibration(*boastful())
    assert found.temperature == pytest.approx(3.0, rel=0.05)
    assert found.shift == pytest.approx(1.5, abs=0.2)


def test_calibration_error_falls_on_looks_that_it_was_not_fitted_to():
    found = fit_calibration(*boastful())
    raw, success = boastful(seed=1)
    assert calibration_error(probability(raw), success) > 0.08
    assert calibration_error(probability(found.honest(raw)), success) < 0.01


def test_the_order_of_answers_stays_even_of_who_is_worse_than_chance():
    raw, success = boastful(500)
    for truth in (success, ~success):
        found = fit_calibration(raw, truth)
        assert found.temperature > 0
        np.testing.assert_array_equal(np.argsort(found.honest(raw)), np.argsort(raw))


def test_looks_without_any_error_give_finite_numbers():
    raw = np.array([-8.0, -4.0, 5.0, 9.0])
    found = fit_calibration(raw, raw > 0)
    assert 0.02 < found.temperature < 1
    assert np.isfinite(found.shift)
    assert np.all((found.honest(raw) > 0) == (raw > 0))


def test_where_only_one_answer_is_right_nothing_is_changed():
    assert fit_calibration(np.arange(4.0), np.zeros(4, bool)) == Calibration()


def test_reliability_counts_what_is_said_beside_what_is_so():
    said = np.array([0.05, 0.15, 0.15, 1.0])
    low, middle, high = reliability(said, np.array([False, True, False, True]))
    assert (low.low, low.high, low.found.value, low.looks) == (0.0, 0.1, 0.0, 1)
    assert (middle.said, middle.found.value, middle.looks) == (pytest.approx(0.15), 0.5, 2)
    assert (high.high, high.found.value) == (1.0, 1.0)
    assert middle.found.low == pytest.approx(0.0126, abs=1e-4)  # Clopper-Pearson of 1 in 2
