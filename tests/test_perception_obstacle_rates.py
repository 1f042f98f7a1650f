"""True and flown definitions of TPR and FPR, and the threshold that the paper would choose."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.obstacle_rates import Counts, Definition, Judged, Rates, choose_threshold, count


def judged(pairs):
    values = np.array(pairs, np.float32).reshape(-1, 2)
    return Judged(values[:, 0], values[:, 1])


#              estimate, teacher: 3 hits, 2 false alarms, 4 free, 1 miss at thresholds 5 and 8.
TEN_FRAMES = judged(
    [(9, 9), (6, 10), (7, 12), (6, 3), (9, 8), (1, 2), (2, 2), (5, 7), (4, 8), (3, 9)]
)


def test_frames_are_counted_by_what_both_say_and_the_threshold_itself_is_free():
    assert count(TEN_FRAMES, 5, 8) == Counts(3, 2, 4, 1)


def test_the_true_definition_and_the_flown_one_by_hand():
    counts = Counts(true_positive=3, false_positive=2, true_negative=4, false_negative=1)
    assert Definition.TRUE.rates(counts) == Rates(3 / 4, 2 / 6)
    assert Definition.FLOWN.rates(counts) == Rates(4 / 5, 2 / 5)


def test_the_flown_definition_calls_a_student_good_that_misses_every_other_obstacle():
    # 10 obstacles in 200 frames, 5 missed: TPR is 0.5, but nearly all "free" is right.
    counts = Counts(true_positive=5, false_positive=0, true_negative=190, false_negative=5)
    assert Definition.TRUE.rates(counts).positive == 0.5
    assert Definition.FLOWN.rates(counts).positive > 0.97


def test_rates_of_nothing_are_not_known():
    for definition in Definition:
        assert all(map(math.isnan, definition.rates(Counts(0, 0, 0, 0))))


def test_frames_that_either_does_not_know_are_not_judged():
    assert count(judged([(math.nan, 9), (9, math.nan), (9, 9)]), 5, 8) == Counts(1, 0, 0, 0)


def test_the_threshold_keeps_the_obstacles_and_has_the_fewest_false_alarms():
    # Obstacles are taken for 6.5; free frames for 1.5, 3.5 and 5.5: 6 parts them.
    frames = [(6.5, 10)] * 30 + [(1.5, 2), (3.5, 2), (5.5, 2)] * 10
    found = choose_threshold(judged(frames), 8)
    assert found is not None
    assert found.estimate_px == 6
    assert found.rates == Rates(1, 0)


def test_a_lower_threshold_is_paid_for_with_false_alarms():
    # 2 of 30 obstacles are taken for 3.5: 28 / 30 is below 0.95, so the threshold falls to 3.
    frames = [(6.5, 10)] * 28 + [(3.5, 10)] * 2 + [(1.5, 2), (3.5, 2), (5.5, 2)] * 10
    found = choose_threshold(judged(frames), 8)
    assert found is not None
    assert found.estimate_px == 3
    assert found.rates.false_alarm == pytest.approx(2 / 3)


def test_exactly_the_least_rate_is_not_enough():
    frames = [(6.5, 10)] * 19 + [(0.5, 10)] + [(1.5, 2)] * 10
    assert choose_threshold(judged(frames), 8, least_positive_rate=0.95) is None
    assert choose_threshold(judged(frames), 8, least_positive_rate=0.94) is not None


def test_without_obstacles_or_free_frames_there_is_no_threshold():
    assert choose_threshold(judged([(1, 2)] * 50), 8) is None
    assert choose_threshold(judged([(9, 10)] * 50), 8) is None
    assert choose_threshold(judged([]), 8) is None


def test_a_threshold_at_which_nothing_is_said_hides_no_other():
    # By the flown definition the false alarms at 8 and 7 are 0 of 0, which is no rate.
    frames = judged([(6.5, 10)] * 5 + [(1.5, 2)] * 200)
    found = choose_threshold(frames, 8, definition=Definition.FLOWN)
    assert found is not None
    assert found.estimate_px == 6


def test_the_two_definitions_choose_different_thresholds():
    # 100 free frames at 1.5; 20 obstacles, 2 of them taken for 3.5; 10 free ones at 4.5.
    frames = [(1.5, 2)] * 100 + [(7.5, 10)] * 18 + [(3.5, 10)] * 2 + [(4.5, 2)] * 10
    true = choose_threshold(judged(frames), 8)
    flown = choose_threshold(judged(frames), 8, definition=Definition.FLOWN)
    assert true is not None
    assert flown is not None
    assert true.estimate_px == 3  # 0.9 of the obstacles would be found at 7
    assert flown.estimate_px == 7  # 110 of 112 "free" are right


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 14, width=32), st.floats(0, 14, width=32)), max_size=30),
    st.floats(0.1, 0.95),
)
def test_no_other_threshold_that_finds_enough_has_fewer_false_alarms(pairs, least):
    frames = judged(pairs)
    found = choose_threshold(frames, 8, least)
    enough = [
        rates
        for px in range(1, 9)
        if (rates := Definition.TRUE.rates(count(frames, px, 8))).positive > least
    ]
    if found is None:
        assert all(math.isnan(rates.false_alarm) for rates in enough)
    else:
        assert found.rates.positive > least
        assert found.rates.false_alarm == min(rates.false_alarm for rates in enough)
