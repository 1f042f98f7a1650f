"""One attempt and what is kept of it, in a world of ten lines."""

import numpy as np
import pytest
from tiny_world import Line

from policies.collection import Cancelled, Told, record_attempt

INSTRUCTION = np.array([0.6, 0.8], np.float32)


class Push:
    """Always the same action; remembers what it saw."""

    def __init__(self, action):
        self._action = np.array([action])
        self.seen = []

    def reset(self, rng):
        self.chance = rng.random()

    def act(self, observation):
        self.seen.append(observation)
        return self._action


def record(action, goal=0, seed=3, steps=6, **more):
    told = Told("push", "stick", goal, "tiny, noise 0", seed, INSTRUCTION)
    return record_attempt(Line(), Push(action), told, steps, **more)


def test_an_attempt_ends_when_the_goal_is_reached():
    episode = record(1.0)
    position_m = episode.observation["position_m"][:, 0]
    assert len(episode) == 3  # from 0.02..0.1, 0.2 m a step, to beyond 0.5
    np.testing.assert_allclose(np.diff(position_m), 0.2, rtol=1e-5)
    np.testing.assert_array_equal(episode.success, [False, False, True])
    np.testing.assert_array_equal(episode.reward, [-1, -1, 0])
    np.testing.assert_array_equal(episode.action, [[1.0]] * 3)
    np.testing.assert_array_equal(episode.captured_ns, np.arange(4) * 200_000_000)
    about = episode.about
    assert (about.task, about.robot, about.goal, about.seed) == ("push", "stick", 0, 3)
    assert (about.instruction, about.direction) == ("push it away", "forward")
    assert (about.operator, about.ended) == ("tiny, noise 0", "success")


def test_an_attempt_may_go_on_while_the_goal_stays_reached():
    episode = record(1.0, after=2)
    np.testing.assert_array_equal(episode.success, [False, False, True, True, True])
    np.testing.assert_array_equal(episode.reward, [-1, -1, 0, 0, 0])
    assert episode.about.ended == "success"
    assert record(1.0, after=9).about.ended == "success"  # time is up while it is reached


def test_success_ends_nothing_where_nobody_sees_it():
    episode = record(1.0, after=None)
    np.testing.assert_array_equal(episode.success, [False, False, True, True, True, True])
    lost = record(-1.0, steps=20, after=None)
    assert (len(lost), lost.about.ended) == (6, "irreversible")


def test_what_was_reached_and_lost_again_is_no_success():
    episode = record(-0.175, goal=1, steps=30, after=9)  # from 0.6 m to 0 and beyond
    assert episode.success.any()
    assert episode.about.ended == "timeout"


def test_a_failure_is_kept_and_marked():
    episode = record(0.0)
    assert (len(episode), episode.about.ended) == (6, "timeout")
    assert not episode.success.any()
    assert not episode.intervention.any()


def test_what_only_a_person_can_mend_ends_an_attempt_and_is_counted():
    episode = record(-1.0, steps=20)
    assert episode.about.ended == "irreversible"
    assert len(episode) == 6
    np.testing.assert_array_equal(episode.intervention, [False] * 5 + [True])


def test_who_acts_sees_the_instruction_and_the_record_does_not_hold_it():
    policy = Push(1.0)
    told = Told("push", "stick", 0, "tiny", 3, INSTRUCTION)
    episode = record_attempt(Line(), policy, told, 6)
    for observation in policy.seen:
        np.testing.assert_array_equal(observation["instruction"], INSTRUCTION)
    assert [*episode.observation] == ["position_m"]


def test_equal_seeds_are_equal_attempts():
    one, same, other = record(0.5), record(0.5), record(0.5, seed=4)
    position_m = [episode.observation["position_m"] for episode in (one, same, other)]
    np.testing.assert_array_equal(position_m[0], position_m[1])
    assert position_m[0][0] != position_m[2][0]


def test_a_person_may_end_an_attempt_and_it_is_kept():
    episode = record(0.0, wish=lambda: "end")
    assert (len(episode), episode.about.ended) == (1, "timeout")


@pytest.mark.parametrize("wish", ["again", "stop"])
def test_an_attempt_that_is_to_be_forgotten_is_not_kept(wish):
    with pytest.raises(Cancelled) as raised:
        record(0.0, wish=lambda: wish)
    assert raised.value.wish == wish
