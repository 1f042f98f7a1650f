"""What a loop of practice is given: a spec that fits the expert, goals, and truth in `info`."""

import numpy as np
import pytest
from arm_loops import make_env, make_expert, random_actions, same

from robot.arm_practice import ArmPractice
from sim.arm_env import ArmEnv
from sim.manipulation_tasks import MANIPULATION_TASKS


@pytest.mark.parametrize("task", MANIPULATION_TASKS)
def test_what_the_expert_reads_and_commands_is_in_the_spec(task):
    env = make_env(task)
    practice, expert = ArmPractice(env), make_expert(task, env, 0)
    observation, info = practice.reset(seed=1, options={"goal": 1})
    assert [*practice.spec.check_observation(observation)] == [*observation]
    assert set(expert.spec.observation) <= set(practice.spec.observation)
    assert expert.spec.action == practice.spec.action
    assert practice.spec.rate_hz == expert.spec.rate_hz
    assert (practice.goals, practice.episode_steps) == (env.goals, env.episode_steps)
    assert info["achieved"].shape == (len(practice.goals),)


def test_it_steps_saves_and_restores_and_keeps_actions_to_their_bounds():
    practice = ArmPractice(make_env("lid"))
    practice.reset(seed=1)
    state = practice.save()
    wild = practice.step([9.0, 0.0, 0.0, 9.0])
    practice.restore(state)
    tame = practice.step([0.25, 0.0, 0.0, 0.07])
    assert same(wild[0], tame[0])
    assert not tame[2]
    for action in random_actions(make_env("lid"), 2):
        assert np.isfinite(practice.step(action)[1])
    practice.close()


def test_an_environment_that_ends_on_success_is_refused():
    with pytest.raises(ValueError, match="end_on_success=False"):
        ArmPractice(ArmEnv("lid"))
