import json

import numpy as np
import pytest

from perception.quantities import InputError
from policies.rewards import REWARDS, make_reward

INFO = {"achieved": np.array([False, True]), "irreversible": False}
MISSED, REACHED = 0, 1  # goals


def said(source, goal, steps=4000):
    return [source.judge(goal, {}, INFO).success for _ in range(steps)]


@pytest.mark.parametrize("name", REWARDS)
def test_every_source_pays_nothing_for_success_and_minus_one_else(name):
    source = make_reward(name)
    judged = [source.judge(goal, {}, INFO) for goal in (MISSED, REACHED) for _ in range(20)]
    assert {(one.reward, one.success) for one in judged} == {(-1.0, False), (0.0, True)}


@pytest.mark.parametrize("name", REWARDS)
def test_every_source_goes_on_from_what_it_saved(name):
    source, other = make_reward(name, seed=1), make_reward(name, seed=2)
    said(source, REACHED, 10)
    other.restore(json.loads(json.dumps(source.save())))
    assert said(source, REACHED, 50) == said(other, REACHED, 50)


def test_truth_says_what_is():
    assert said(make_reward("truth"), MISSED, 2) == [False, False]
    assert said(make_reward("truth"), REACHED, 2) == [True, True]


def test_noisy_truth_lies_at_its_two_rates():
    options = {"false_positive_rate": 0.1, "false_negative_rate": 0.7}
    source = make_reward("noisy_truth", options)
    assert np.mean(said(source, MISSED)) == pytest.approx(0.1, abs=0.02)  # 4 standard errors
    assert np.mean(said(source, REACHED)) == pytest.approx(0.3, abs=0.03)


def test_noisy_truth_without_lies_is_truth_and_with_all_of_them_its_opposite():
    honest = make_reward("noisy_truth", {"false_positive_rate": 0, "false_negative_rate": 0})
    liar = make_reward("noisy_truth", {"false_positive_rate": 1, "false_negative_rate": 1})
    assert said(honest, REACHED, 50) == said(liar, MISSED, 50) == [True] * 50
    assert said(honest, MISSED, 50) == said(liar, REACHED, 50) == [False] * 50


def test_equal_seeds_lie_at_the_same_steps():
    one, same, other = (said(make_reward("noisy_truth", seed=s), REACHED, 99) for s in (3, 3, 4))
    assert one == same
    assert one != other


def test_bad_rates_and_unknown_names_are_refused():
    with pytest.raises(InputError, match=r"false_positive_rate = 1.5: a rate is from 0 to 1"):
        make_reward("noisy_truth", {"false_positive_rate": 1.5})
    with pytest.raises(InputError, match="valid names: noisy_truth, truth"):
        make_reward("vlm")
    with pytest.raises(InputError, match="no option rate; valid options: false_positive_rate"):
        make_reward("noisy_truth", {"rate": 0.1})
