"""Counting the errors of a reward, by hand."""

import numpy as np
import pytest

from perception.reward_bound import upper_bound
from perception.reward_calibration import Calibration
from perception.reward_look import LookRule
from perception.reward_scores import Answered, calibrating, judged, proved

RULE = LookRule(("front",), 1, reverse=False)


def attempt(*answers, reached=()):
    """Answers moment by moment; `reached` are the moments at which the goal is."""
    truth = np.isin(np.arange(len(answers)), reached)
    own = np.array(answers, float)[:, None]
    return Answered(own, np.empty((len(answers), 1, 0)), truth)


ATTEMPTS = [
    attempt(-2, -1, 3, 4, reached=(2, 3)),  # all right
    attempt(-2, 1, 2, -1, reached=(3,)),  # two images in vain, the goal missed
    attempt(-2, -3),  # right to see nothing
]


def test_images_and_attempts_are_counted_apart():
    found = judged(ATTEMPTS, RULE, 0.0, RULE.views)
    assert (found.moments, found.successes) == (10, 3)
    assert (found.false_positives, found.false_negatives) == (2, 1)
    assert (found.attempts, found.false_attempts) == (3, 1)
    assert (found.reached_attempts, found.found_attempts) == (2, 1)
    assert found.false_upper == upper_bound(1, 3)


def test_rates_are_those_of_a_confusion_table():
    rates = judged(ATTEMPTS, RULE, 0.0, RULE.views).rates()
    assert rates["false_positive_rate"] == pytest.approx(2 / 7, abs=1e-4)
    assert rates["false_negative_rate"] == pytest.approx(1 / 3, abs=1e-4)
    assert rates["precision"] == 0.5
    assert rates["accuracy"] == 0.7
    assert judged(ATTEMPTS[2:], RULE, 0.0, RULE.views).rates()["precision"] is None


def test_the_bound_comes_from_the_worst_moment_of_each_attempt():
    many = [attempt(-3, -1 - n / 1000, 4, reached=(2,)) for n in range(149)]
    bound = proved(many, RULE, RULE.views, 0.02, 0.95)
    assert (bound.threshold, bound.recall, bound.recall_episodes) == (-1.0, 1.0, 149)
    assert judged(many, RULE, bound.threshold, RULE.views).false_attempts == 0


def test_only_answers_to_the_instruction_itself_calibrate():
    raw, success = calibrating(ATTEMPTS[:1])
    assert raw.tolist() == [-2, -1, 3, 4]
    assert success.tolist() == [False, False, True, True]
    honest = ATTEMPTS[0].honest(Calibration(temperature=2.0, shift=1.0))
    assert honest.own[:, 0].tolist() == [-1.5, -1, 1, 1.5]
