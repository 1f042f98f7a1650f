"""What features are taught by: the way to where the hand next opens or closes."""

import numpy as np

from policies.feature_lessons import turns

MIDDLE_M = 0.03


def test_a_turn_made_at_a_moment_is_still_the_next_of_that_moment():
    opening_m = np.array([0.06, 0.06, 0.06, 0.0, 0.0, 0.0, 0.06, 0.06])
    assert turns(opening_m, MIDDLE_M).tolist() == [3, 3, 3, 3, 6, 6, 6, 8]


def test_a_hand_that_never_turns_is_asked_for_the_end():
    assert turns(np.full(4, 0.06), MIDDLE_M).tolist() == [4, 4, 4, 4]


def test_turns_on_end_are_each_their_own():
    assert turns(np.array([0.06, 0.0, 0.06, 0.0]), MIDDLE_M).tolist() == [1, 1, 2, 3]
