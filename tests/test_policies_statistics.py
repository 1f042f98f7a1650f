import math

import numpy as np
import pytest

from perception.quantities import InputError
from policies.statistics import (
    band,
    clopper_pearson,
    interquartile_mean,
    mean,
    paired_bootstrap,
    regret,
    stratified_bootstrap,
    wilson,
)


def test_interquartile_mean_is_that_of_the_middle_half():
    assert interquartile_mean([0, 0, 4, 6, 100, -100, 5, 1]) == (0 + 1 + 4 + 5) / 4
    assert interquartile_mean([1, 2, 3, 4, 1000]) == 3  # a quarter of 5 is 1 at each end
    assert interquartile_mean([1, 2, 6]) == 3  # too few to cut
    assert interquartile_mean([[0, 1, 1, 9], [2, 2, 2, 2]]).tolist() == [1, 2]


def test_one_wild_run_moves_the_mean_and_not_the_interquartile_mean():
    runs = [[0.9], [0.92], [0.94], [0.96], [0.98]]
    wild = [[0.0], *runs[1:]]
    assert interquartile_mean(np.ravel(wild)) == interquartile_mean(np.ravel(runs))
    assert mean(np.ravel(wild)) < mean(np.ravel(runs)) - 0.1


def test_runs_that_agree_leave_no_doubt():
    assert stratified_bootstrap([[0.5, 0.7]] * 5, mean) == pytest.approx((0.6, 0.6, 0.6))


def test_the_bootstrap_draws_runs_within_their_task():
    # Task means 0 and 1 are certain; drawn across tasks their mean would not be.
    assert stratified_bootstrap([[0.0, 1.0]] * 8, mean) == pytest.approx((0.5, 0.5, 0.5))


def test_the_bootstrap_of_a_mean_is_about_its_standard_error():
    scores = np.random.default_rng(1).normal(0, 1, (50, 4))
    found = stratified_bootstrap(scores, mean)
    half = 1.96 * np.sqrt(scores.var(0).sum() / 50) / 4
    assert found.value == pytest.approx(scores.mean())
    assert found.high - found.value == pytest.approx(half, rel=0.1)
    assert found.value - found.low == pytest.approx(half, rel=0.1)


def test_pairing_removes_what_seeds_share():
    easy_or_hard = np.linspace(0.1, 0.9, 10)[:, None]
    found = paired_bootstrap(easy_or_hard + 0.05, easy_or_hard)
    assert found == pytest.approx((0.05, 0.05, 0.05))
    unpaired = stratified_bootstrap(easy_or_hard, mean)
    assert unpaired.high - unpaired.low > 0.2


def test_bands_are_bootstraps_of_each_point():
    curves = np.random.default_rng(2).random((5, 2, 3))
    assert band(curves)[1] == stratified_bootstrap(curves[:, :, 1])
    assert len(band(curves)) == 3


def test_regret_is_what_lacks_on_average():
    assert regret([0.0, 0.5, 1.0]) == pytest.approx(0.5)
    assert regret([[1.0, 1.0], [0.0, 0.5]]).tolist() == [0, 0.75]


def test_wilson_by_hand():
    # 8 of 10, z = 1.96: middle (0.8 + 0.1921) / 1.3841, half 1.96 sqrt(0.016 + 0.0096) / 1.3841
    assert wilson(8, 10) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((1.0, 0.7225, 1.0), abs=1e-4)


def test_clopper_pearson_by_hand():
    # 10 of 10: the rate at which that happens in one of forty times, 0.025 ** 0.1
    assert clopper_pearson(10, 10) == pytest.approx((1.0, 0.025**0.1, 1.0))
    assert clopper_pearson(0, 4).high == pytest.approx(1 - 0.025**0.25)


def test_no_trials_say_nothing():
    assert all(math.isnan(part) for found in (wilson, clopper_pearson) for part in found(0, 0))


@pytest.mark.parametrize("scores", [[], [0.5, 0.6], np.zeros((0, 2)), np.zeros((2, 2, 2))])
def test_what_is_no_table_is_refused(scores):
    with pytest.raises(InputError, match=r"give \(runs, tasks\), none empty"):
        stratified_bootstrap(scores)


def test_tables_that_do_not_pair_are_refused():
    with pytest.raises(InputError, match=r"\(2, 1\) and \(3, 1\) do not pair"):
        paired_bootstrap(np.zeros((2, 1)), np.zeros((3, 1)))
