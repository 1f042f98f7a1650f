import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from policies.plain_state import in_form_of, plain
from sim.tabletop import TabletopEnv


class Look(NamedTuple):
    light: float
    tints: Any


@dataclass(frozen=True)
class Moment:
    chance: np.random.Generator
    look: Look
    waiting: list[Look]
    at: tuple[int, ...]


def moment(seed, waiting=1):
    looks = [Look(float(k), (k, k)) for k in range(waiting)]
    return Moment(np.random.default_rng(seed), Look(seed, [seed]), looks, (seed, 2))


def test_a_state_is_json_without_types_and_gets_them_back_from_another():
    state = moment(3, waiting=3)
    written = json.loads(json.dumps(plain(state)))
    found = in_form_of(moment(9), written)
    assert found.look == Look(3, [3])
    assert found.waiting == [Look(0.0, (0, 0)), Look(1.0, (1, 1)), Look(2.0, (2, 2))]
    assert found.at == (3, 2)
    assert found.chance.random() == np.random.default_rng(3).random()


def test_arrays_and_numbers_stay_what_they_are():
    state = {"a": np.arange(3), "b": [1, None, "c"], "d": {"e": True}}
    assert plain(state)["a"] is state["a"]
    assert in_form_of(state, plain(state)) == state


def test_shorter_and_empty_sequences_take_the_examples_form():
    assert in_form_of(moment(1, waiting=5), plain(moment(2, waiting=1))).waiting == [
        Look(0.0, (0, 0))
    ]
    assert in_form_of((), [1, 2]) == (1, 2)


def test_a_world_is_restored_from_its_plain_state():
    env, other = TabletopEnv(), TabletopEnv()
    env.reset(seed=1, options={"goal": 4})
    env.step(np.ones(3))
    other.restore(in_form_of(other.save(), plain(env.save())))
    assert plain(other.save())["chance"] == plain(env.save())["chance"]
    np.testing.assert_array_equal(other.save()["at_m"], env.save()["at_m"])
