import numpy as np
import pytest

from policies.evaluate import by_goal, evaluate, success_rate
from policies.policy import make_policy
from sim.tabletop import TabletopEnv

ENV = TabletopEnv()
FORWARD = [0, 1, 2, 3]


class GoalFollower:
    """Shows the goal whose vector it is told; what it was told and given is kept."""

    def __init__(self, noise=0.2, fails_at=()):
        options = [{"goal": goal, "noise": noise} for goal in range(5)]
        self.experts = [make_policy("tabletop_expert", ENV.limits, 5.0, o) for o in options]
        self.fails_at, self.asked = fails_at, []

    def reset(self, rng):
        for expert in self.experts:
            expert.reset(rng)

    def act(self, observation):
        (goal,) = np.flatnonzero((ENV.goal_vectors == observation["instruction"]).all(1))
        self.asked.append(int(goal))
        if goal in self.fails_at:
            return np.zeros(3)
        return self.experts[goal].act(observation)


def trials(actor, goals=FORWARD, episodes=4, seed=0):
    return evaluate(ENV, actor, ENV.goal_vectors, goals, episodes, seed)


def test_an_expert_that_is_told_the_goal_reaches_it():
    actor = GoalFollower()
    found = trials(actor, [0, 1, 2, 3, 4], 10)
    assert [trial.goal for trial in found] == [0, 1, 2, 3, 4] * 2
    assert all(trial.success for trial in found)
    assert set(actor.asked) == {0, 1, 2, 3, 4}


def test_failures_last_to_the_end_and_successes_to_the_goal():
    found = trials(GoalFollower(fails_at=[1]))
    assert [trial.success for trial in found] == [True, False, True, True]
    assert found[1].steps == ENV.episode_steps
    assert found[0].steps == found[0].reached_at < ENV.episode_steps


def test_success_is_counted_by_goal():
    found = trials(GoalFollower(fails_at=[1]), [0, 1], 20)
    assert success_rate(found).value == 0.5
    assert {goal: one.value for goal, one in by_goal(found).items()} == {0: 1.0, 1: 0.0}
    assert success_rate(found).low < 0.5 < success_rate(found).high


def test_attempts_depend_on_their_seed_alone():
    actor = GoalFollower()
    few, many = trials(actor, episodes=2, seed=3), trials(actor, episodes=6, seed=3)
    assert many[:2] == few
    assert trials(actor, episodes=6, seed=4) != many


def test_a_goal_that_holds_at_the_start_is_not_reached_without_a_step():
    env = TabletopEnv()
    env.reset(seed=0)
    backward = evaluate(env, GoalFollower(), env.goal_vectors, [4], 5, 0)
    assert min(trial.reached_at for trial in backward) > 10  # it begins where things are done
    assert success_rate([]).value == pytest.approx(np.nan, nan_ok=True)
