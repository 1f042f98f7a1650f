"""The second look: every look has to agree before a reward says yes."""

import numpy as np
import pytest

from perception.reward_look import NEVER, Agreement, LookRule, scores

VIEWS = ("front", "wrist")
OWN = np.array([[3.0, 1.0], [2.0, 4.0], [-5.0, 6.0], [4.0, 4.0], [5.0, 3.0]])  # (T, V)
OPPOSITE = np.array([[-9, -9], [-9, -0.5], [-9, -9], [-9, 2.0], [-9, -9]])[..., None]


def said(**rule):
    return scores(OWN, OPPOSITE, LookRule(**rule), VIEWS).tolist()


def test_one_camera_one_image_asked_once_is_what_it_says():
    assert said(views=("front",), frames=1, reverse=False) == [3, 2, -5, 4, 5]
    assert said(views=("wrist",), frames=1, reverse=False) == [1, 4, 6, 4, 3]


def test_of_both_cameras_the_less_sure_counts():
    assert said(views=VIEWS, frames=1, reverse=False) == [1, 2, -5, 4, 3]


def test_of_images_on_end_the_least_sure_counts_and_one_alone_is_not_enough():
    assert said(views=VIEWS, frames=2, reverse=False) == [NEVER, 1, -5, -5, 3]


def test_a_yes_to_the_opposite_is_a_no():
    assert said(views=VIEWS, frames=1, reverse=True) == [1, 0.5, -5, -2, 3]
    assert said(views=("front",), frames=1, reverse=True) == [3, 2, -5, 4, 5]


def test_without_an_opposite_the_question_itself_counts():
    none = np.empty((5, 2, 0))
    rule = LookRule(VIEWS, 1, reverse=True)
    assert scores(OWN, none, rule, VIEWS).tolist() == [1, 2, -5, 4, 3]


def test_another_attempt_begins_without_what_was_seen_before():
    agreement, none = Agreement(LookRule(VIEWS, 2)), np.empty((2, 0))
    first = [agreement.score(np.array([1.0, 2.0]), none) for _ in range(2)]
    agreement.begin()
    assert [*first, agreement.score(np.array([1.0, 2.0]), none)] == [NEVER, 1, NEVER]


def test_it_goes_on_from_what_was_saved():
    one, other, none = (
        Agreement(LookRule(VIEWS, 2)),
        Agreement(LookRule(VIEWS, 2)),
        np.empty((2, 0)),
    )
    one.score(np.array([0.5, 2.0]), none)
    other.restore(one.save())
    assert other.score(np.array([3.0, 3.0]), none) == 0.5


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (LookRule(VIEWS, 2), "front + wrist, 2 images, asked both ways"),
        (LookRule(("front",), 1, reverse=False), "front, 1 image"),
    ],
)
def test_a_rule_says_what_it_asks(rule, name):
    assert rule.name == name
