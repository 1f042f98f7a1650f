"""The promise of a reward: how seldom it says yes in vain, and with what confidence."""

import msgspec
import numpy as np
import pytest

from perception.reward_bound import Bound, bound_of, least_episodes, upper_bound


def scores(count, seed=0):
    return np.random.default_rng(seed).normal(size=count)


@pytest.mark.parametrize(("attempts", "allowed"), [(149, 0), (235, 0), (236, 1), (313, 2)])
def test_as_many_attempts_pass_as_the_bound_allows_and_no_more(attempts, allowed):
    bound = bound_of(scores(attempts))
    assert (bound.episodes, bound.passed, bound.missing) == (attempts, allowed, 0)
    assert bound.upper == pytest.approx(upper_bound(allowed, attempts))
    assert bound.upper <= 0.02 < upper_bound(allowed + 1, attempts)


def test_the_promise_is_broken_in_at_most_one_of_twenty_choices():
    rng = np.random.default_rng(1)
    for attempts in (149, 300):
        # of scores in 0..1 a threshold t is passed by 1 - t of all attempts
        thresholds = [bound_of(rng.random(attempts)).threshold for _ in range(1500)]
        broken = np.mean(1 - np.array(thresholds) > 0.02)
        assert 0.01 < broken < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)


@pytest.mark.parametrize(
    ("in_vain", "attempts", "broken"),
    [(0, 0, False), (1, 728, False), (5, 100, False), (6, 100, True), (17, 331, True)],
)
def test_errors_that_chance_does_not_explain_break_the_promise(in_vain, attempts, broken):
    assert bound_of(scores(240)).is_broken_by(in_vain, attempts) == broken


def test_scores_that_tie_at_the_threshold_do_not_pass():
    tied = np.concatenate([np.full(5, 2.0), np.zeros(400)])
    bound = bound_of(tied)
    assert (bound.threshold, bound.passed) == (2.0, 0)


def test_too_few_attempts_promise_nothing_and_say_how_many_more_would_do():
    bound = bound_of(scores(100))
    assert (bound.threshold, bound.missing) == (None, 49)
    assert bound.upper == pytest.approx(0.0295, abs=1e-4)  # 1 - 0.05 ** (1 / 100)
    assert bound_of(scores(100 + bound.missing)).threshold is not None
    assert bound_of(scores(0)).missing == 149


def test_fewest_attempts_are_those_whose_bound_without_any_error_is_just_low_enough():
    for limit in (0.01, 0.02, 0.2):
        fewest = least_episodes(limit)
        assert upper_bound(0, fewest) <= limit < upper_bound(0, fewest - 1)


def test_a_bound_that_holds_is_no_reason_to_refuse():
    assert bound_of(scores(200)).recalled(np.array([9.0, -9.0])).refusal() is None


def test_who_cannot_prove_it_or_sees_no_success_refuses_and_says_why():
    few = bound_of(scores(20)).refusal()
    assert few == (
        "at most 2 % of attempts falsely paid cannot be proved by 20 held-out attempts (without "
        "any error the bound is 13.9 %); 129 more would do"
    )
    blind = bound_of(scores(200)).recalled(np.array([-9.0]))
    assert blind.recall == 0
    assert "no success of 1 is seen" in blind.refusal()
    assert "no success of 0 is seen" in bound_of(scores(200)).refusal()


def test_a_bound_survives_json():
    bound = bound_of(scores(200)).recalled(np.array([9.0]))
    assert msgspec.json.decode(msgspec.json.encode(bound), type=Bound) == bound
