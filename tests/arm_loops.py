"""Loops that the tests of manipulation share: an expert at an environment."""

import numpy as np

from policies.policy import make_policy
from sim.arm_env import ArmEnv
from sim.manipulation_tasks import MANIPULATION_TASKS


def make_env(task, **options):
    """An environment of a row, its attempts not ended by success."""
    return ArmEnv(task, end_on_success=False, **{**MANIPULATION_TASKS[task].options, **options})


def make_expert(task, env, goal, noise=0.0):
    """The expert of a row."""
    row = MANIPULATION_TASKS[task]
    options = {"goal": goal, "noise": noise, **row.options}
    return make_policy(row.expert, env.limits, env.rate_hz, options)


def attempt(env, expert, goal, observation, seed=0):
    """Steps that the expert took to its goal, or None; and what is observed then."""
    expert.reset(np.random.default_rng(seed))
    for step in range(env.episode_steps):
        observation, _, _, _, info = env.step(expert.act(observation))
        if info["achieved"][goal]:
            return step + 1, observation
    return None, observation


def random_actions(env, count, seed=0):
    """Actions (count, 4) all over the limits."""
    space = env.action_space
    return np.random.default_rng(seed).uniform(space.low, space.high, (count, 4))


def same(one, other):
    """Whether two observations are equal to the bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)
