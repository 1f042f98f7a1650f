"""Gymnasium environments of manipulation: checked, repeatable, and as the workbench says."""

import warnings

import gymnasium
import numpy as np
import pytest
from arm_loops import make_env, make_expert, random_actions, same
from gymnasium.utils.env_checker import check_env

from perception.quantities import InputError
from sim.arm_cameras import SHIFTS, SIDE_PX, VIEWS, LookConfig
from sim.arm_env import env_id
from sim.arm_vector import make_vector
from sim.bench_delays import Delays
from sim.manipulation_tasks import MANIPULATION_TASKS


@pytest.mark.parametrize("task", MANIPULATION_TASKS)
def test_each_task_is_registered_and_passes_the_checker(task):
    env = gymnasium.make(env_id(task))
    with warnings.catch_warnings():
        # Actions are in the arm's units on purpose; any other warning is an error.
        warnings.filterwarnings("ignore", message=".*symmetric and normalized space")
        check_env(env.unwrapped, skip_render_check=True)
    assert env.spec.max_episode_steps == env.unwrapped.episode_steps
    env.close()


@pytest.mark.parametrize("task", MANIPULATION_TASKS)
def test_rollouts_repeat_with_their_seed_and_restore_to_the_bit(task):
    env, twin = make_env(task), make_env(task)
    observation, _ = env.reset(seed=5)
    assert same(observation, twin.reset(seed=5)[0])
    actions = random_actions(env, 6)
    for action in actions[:3]:
        assert same(env.step(action)[0], twin.step(action)[0])
    state = env.save()
    ahead = [env.step(action)[0] for action in actions[3:]]
    then, _ = env.reset()
    shown = env.restore(state)
    assert not same(shown, then)
    again = [env.step(action)[0] for action in actions[3:]]
    assert all(same(*pair) for pair in zip(ahead, again, strict=True))
    assert same(env.reset()[0], then)  # the chance of the next attempt is restored too


def test_observations_are_named_tensors_in_float32_of_modest_size():
    for task in MANIPULATION_TASKS:
        env = make_env(task)
        observation, _ = env.reset(seed=0)
        assert [*observation] == [tensor.name for tensor in env.tensors]
        for tensor in env.tensors:
            value = observation[tensor.name]
            assert (value.shape, value.dtype) == (tensor.shape, tensor.dtype)
        assert sum(value.size for value in observation.values()) <= 40, task


def test_reward_is_nought_when_the_goal_is_reached_and_ends_the_attempt_on_request():
    for end in (True, False):
        env = gymnasium.make("reflexarc/Drawer-v0", end_on_success=end)
        expert = make_expert("drawer", env.unwrapped, 0)
        observation, info = env.reset(seed=1)
        rewards, terminated = [], False
        while not info["achieved"][0]:
            observation, reward, terminated, truncated, info = env.step(expert.act(observation))
            rewards.append(reward)
            assert not truncated
        assert rewards == [-1.0] * (len(rewards) - 1) + [0.0]
        assert terminated == end
        env.close()


def test_the_goal_of_an_attempt_may_be_named_at_its_reset():
    env = make_env("lid", goal=1)
    assert env.reset(seed=0)[1]["goal"] == 1
    assert env.reset(options={"goal": 0})[1]["goal"] == 0
    _, reward, *_, info = env.step(np.array([0.0, 0.0, 0.0, 0.05]))
    assert reward == info["achieved"][0] - 1.0


def test_physics_goes_on_whatever_the_goal():
    one, other = make_env("lid", goal=0), make_env("lid", goal=0)
    one.reset(seed=2)
    other.reset(seed=2)
    other.goal = 1
    for action in random_actions(one, 4):
        assert same(one.step(action)[0], other.step(action)[0])


def test_actions_have_the_limits_of_the_robot_file():
    env = make_env("lid")
    assert env.action_space.low.tolist() == [axis.minimum for axis in env.limits.axes]
    assert env.action_space.high.tolist() == [axis.maximum for axis in env.limits.axes]
    assert env.rate_hz == 5.0


def test_delays_are_an_option():
    prompt, late = make_env("lid"), make_env("lid", delays=Delays(observation_s=0.1))
    for env in (prompt, late):
        env.reset(seed=1)
    action = np.array([0.0, 0.25, 0.0, 0.05])
    first, second = prompt.step(action)[0], late.step(action)[0]
    assert first["tool_position_m"][1] > second["tool_position_m"][1]


def test_several_at_a_time_do_what_one_does_alone():
    vector = make_vector("drawer", count=2)
    try:
        observations, _ = vector.reset(seed=[4, 9])
        actions = random_actions(make_env("drawer"), 2)
        after, *_ = vector.step(actions)
        for index, seed in enumerate((4, 9)):
            alone = make_env("drawer")
            first, _ = alone.reset(seed=seed)
            assert same(first, {name: value[index] for name, value in observations.items()})
            then = alone.step(actions[index])[0]
            assert same(then, {name: value[index] for name, value in after.items()})
    finally:
        vector.close()


@pytest.fixture(scope="module")
def seeing():
    env = make_env("lid", images=True, render_mode="rgb_array", look=LookConfig(variation=1.0))
    yield env
    env.close()


def test_images_come_from_two_cameras_and_repeat_to_the_bit(seeing):
    first, _ = seeing.reset(seed=3)
    for view in VIEWS:
        assert first[view].shape == (SIDE_PX, SIDE_PX, 3)
        assert first[view].std() > 10  # something is seen
    assert seeing.observation_space.contains(first)
    state = seeing.save()
    other, _ = seeing.reset()
    assert np.abs(other["front"].astype(int) - first["front"]).mean() > 3  # another day
    assert same(seeing.restore(state), first)
    assert np.array_equal(seeing.render(), first["front"])


def test_drawing_does_not_change_physics(seeing):
    blind = make_env("lid")
    seeing.reset(seed=6)
    blind.reset(seed=6)
    for action in random_actions(blind, 3):
        shown, told = seeing.step(action)[0], blind.step(action)[0]
        assert all(np.array_equal(shown[name], told[name]) for name in told)


@pytest.mark.parametrize("shift", [name for name in SHIFTS if name != "none"])
def test_every_shift_looks_different_and_without_variation_always_the_same(shift):
    images = {}
    for name in ("none", shift):
        env = make_env("drawer", images=True, look=LookConfig(shift=name, noise=0.0))
        images[name] = env.reset(seed=1)[0]["front"].astype(int)
        env.close()
    assert np.abs(images["none"] - images[shift]).mean() > 3


def test_unknown_looks_tasks_and_options_are_refused():
    with pytest.raises(InputError, match="valid: none, dim"):
        LookConfig(shift="night")
    with pytest.raises(InputError, match="variation from 0 to 4"):
        LookConfig(variation=-1)
    with pytest.raises(InputError, match="no option colour"):
        make_env("lid", colour="red")
