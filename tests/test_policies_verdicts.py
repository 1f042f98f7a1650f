"""What a reward said beside the truth, moment by moment."""

import numpy as np
import pytest

from perception.reward_calibration import probability
from perception.risk import calibration_error
from policies.rewards import Judgement
from policies.verdicts import Verdicts

MOMENTS = [(True, True), (True, False), (False, True), (False, True), (False, False)]  # said, true
LOOKS = np.random.default_rng(0).normal(0, 3, (len(MOMENTS), 2))


@pytest.fixture
def counted():
    verdicts = Verdicts()
    for (said, reached), looks in zip(MOMENTS, LOOKS.tolist(), strict=True):
        judged = Judgement(0.0, said, min(looks), (*looks, -9.0))  # and that of the opposite
        verdicts.count(judged, 2, reached=reached)
    return verdicts


def test_rates_are_parts_of_the_moments_at_which_they_could_be(counted):
    figures = counted.figures()
    assert figures["moments"] == 5
    assert figures["false_positive_rate"] == 1 / 2
    assert figures["false_negative_rate"] == 2 / 3
    assert (figures["precision"], figures["accuracy"]) == (1 / 2, 2 / 5)


def test_the_calibration_error_is_that_of_all_single_looks_at_the_instruction(counted):
    truth = np.repeat([reached for _, reached in MOMENTS], 2)
    whole = calibration_error(probability(LOOKS.ravel()), truth)
    assert counted.figures()["ece"] == pytest.approx(whole)


def test_where_nobody_looked_or_believed_it_nothing_is_counted_and_no_rate_is_made_up():
    verdicts = Verdicts()
    verdicts.count(Judgement(0.0, True), 0, reached=True)
    doubted = Judgement(-1.0, False, -9.0, (-9.0, -9.0), doubt="front is black")
    verdicts.count(doubted, 2, reached=True)
    assert verdicts.moments == 0
    assert verdicts.figures()["precision"] is None


def test_counting_goes_on_from_what_was_saved(counted):
    other = Verdicts()
    other.restore(counted.save())
    other.count(Judgement(-1.0, False, -1.0, (-1.0, -2.0)), 2, reached=False)
    assert other.moments == counted.moments + 1  # a copy, not the same lists
    assert other.figures()["false_positive_rate"] == 1 / 3
    other.restore(None)
    assert other.moments == 6
