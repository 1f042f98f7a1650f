"""What features are judged by: the way to where the hand next opens or closes."""

import numpy as np

from policies.feature_lessons import turns, ways_m

MIDDLE_M = 0.03


def test_a_turn_made_at_a_moment_is_still_the_next_of_that_moment():
    opening_m = np.array([0.06, 0.06, 0.06, 0.0, 0.0, 0.0, 0.06, 0.06])
    assert turns(opening_m, MIDDLE_M).tolist() == [3, 3, 3, 3, 6, 6, 6, 8]


def test_a_hand_that_never_turns_is_asked_for_the_end():
    assert turns(np.full(4, 0.06), MIDDLE_M).tolist() == [4, 4, 4, 4]


def test_turns_on_end_are_each_their_own():
    assert turns(np.array([0.06, 0.0, 0.06, 0.0]), MIDDLE_M).tolist() == [1, 1, 2, 3]


def test_the_way_leads_from_the_tool_to_where_the_hand_turns():
    opening_m = np.array([0.06, 0.06, 0.0, 0.0])
    tool_m = np.zeros((5, 3), np.float32)
    tool_m[:, 0] = [0.0, 0.1, 0.3, 0.4, 0.8]
    expected = [0.3, 0.2, 0.0, 0.4]  # to the place of step 2, and after it to that of the end
    np.testing.assert_allclose(ways_m(tool_m, opening_m, MIDDLE_M)[:, 0], expected, atol=1e-6)
