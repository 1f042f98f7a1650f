import dataclasses

import msgspec
import numpy as np
import pytest
from tiny_data import ABOUT, GOALS, episode_of

from perception.quantities import InputError
from policies.data_set import DataSetWriter
from policies.rewards import make_reward

PUSH, BRING = 0, 1
INFO = {}  # no truth is there to be read


def shown_at(goal, seed):
    """Pushing goes from about x = -1 to x = 1, bringing the other way; y is chance."""
    rng = np.random.default_rng(seed)
    one = episode_of(goal, steps=6)
    end = 1.0 if goal == PUSH else -1.0
    x = end * np.array([-1, -0.6, -0.2, 0.4, 1, 1, 1]) + rng.normal(0, 0.05, 7)
    place = np.stack([x, rng.normal(0, 0.05, 7)], 1).astype(np.float32)
    success = np.arange(6) >= 3
    return dataclasses.replace(
        one,
        observation={"position_m": place},
        success=success,
        reward=np.where(success, 0, -1).astype(np.float32),
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown") / "push"
    with DataSetWriter(folder, ABOUT) as writer:
        for number in range(20):
            writer.append(shown_at(number % 2, number))
    return str(folder)


def vice(folder, **options):
    usual = {"shown": folder, "sees": ("position_m",), "hidden": (16,), "learning_rate": 3e-3}
    return make_reward("vice", {**usual, "updates_before": 200, **options}, goals=GOALS)


def at(x, y=0.0):
    return {"position_m": np.array([x, y], np.float32)}


def test_it_knows_each_goal_by_what_was_shown(shown):
    source = vice(shown, updates_per_step=0)
    said = {
        (goal, x): source.judge(goal, at(x), INFO).success
        for goal in (PUSH, BRING)
        for x in (-1.0, 0.0, 1.0)
    }
    assert [where for where, yes in said.items() if yes] == [(PUSH, 1.0), (BRING, -1.0)]


def test_what_pleased_it_in_vain_is_a_failure_in_its_next_lessons(shown):
    source = vice(shown)
    beside = at(2.0)  # nobody was there: it looks like the goal at first
    assert source.judge(PUSH, beside, INFO).success
    later = [source.judge(PUSH, beside, INFO).success for _ in range(800)][-100:]
    assert not any(later)
    assert (said := source.judge(PUSH, beside, INFO)).looks == (
        said.score,
    )  # its calibration counts
    assert source.judge(PUSH, at(1.0), INFO).success


def test_it_forgets_the_oldest_failures_and_never_holds_more(shown):
    source = vice(shown, memory=8, updates_before=0, updates_per_step=0)
    for number in range(11):
        source.judge(PUSH, at(number), INFO)
    kept = sorted(source.save()["failures"][:, 0])
    assert kept == [3, 4, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shown": ""}, "give shown, the folder of a data set"),
        ({"sees": ()}, "sees, the names of the tensors"),
        ({"sees": ("front",)}, "holds no 'front'; it holds position_m"),
        ({"batch_size": 0}, "batch_size = 0; must be above 0"),
        ({"mixing": -1.0}, "mixing = -1.0; must be 0 or more"),
        ({"shown": "nowhere"}, "nowhere"),
    ],
)
def test_what_it_cannot_learn_from_is_refused(shown, options, words):
    with pytest.raises(InputError, match=words):
        vice(shown, **options)


def test_whole_images_are_too_much(shown, monkeypatch):
    monkeypatch.setattr("policies.vice.MOST_NUMBERS", 3)  # a row is two numbers and two goals
    with pytest.raises(InputError, match="position_m are 4 numbers, more than 3: see by features"):
        vice(shown)


def test_a_goal_that_nobody_was_shown_to_reach_is_refused(tmp_path):
    with DataSetWriter(tmp_path / "half", msgspec.structs.replace(ABOUT, seed=1)) as writer:
        writer.append(shown_at(PUSH, 0))
    with pytest.raises(InputError, match="shows nobody who reached 'bring it back'"):
        vice(str(tmp_path / "half"))
