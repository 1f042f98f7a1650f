import tomllib
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from perception.quantities import InputError
from sim.env import ACTION_HIGH, ACTION_LOW, STEP_S, WorldEnv
from sim.stereo_camera import CameraConfig
from sim.tasks import TASKS
from sim.world import World, WorldConfig

ROBOT_FILE = Path(__file__).parents[1] / "configs" / "robots" / "ardrone.toml"


@pytest.fixture
def env():
    env = gymnasium.make("reflexarc/Room-v0")
    yield env
    env.close()


def actions(steps=10):
    rng = np.random.default_rng(0)
    return rng.uniform(ACTION_LOW, ACTION_HIGH, (steps, 3)).astype(np.float32)


def rollout(env, seed):
    observation, _ = env.reset(seed=seed)
    observations, rewards = [observation], []
    for action in actions():
        observation, reward, *_ = env.step(action)
        observations.append(observation)
        rewards.append(reward)
    return observations, rewards


def same(one, other):
    return all(np.array_equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("task", TASKS)
def test_each_task_is_registered_and_passes_the_checker(task):
    env = gymnasium.make(f"reflexarc/{task.title()}-v0", render_mode="rgb_array")
    with warnings.catch_warnings():
        # Actions are in the vehicle's units on purpose; any other warning is an error.
        warnings.filterwarnings("ignore", message=".*symmetric and normalized space")
        check_env(env.unwrapped)


def test_it_flies_as_the_world_does(env):
    observation, _ = env.reset(options={"world_seed": 7})
    with World(WorldConfig(), seed=7) as world:
        assert np.array_equal(observation["left"], world.reset().images.left)
        for action in actions():
            observation, _, _, _, info = env.step(action)
            sensors = world.step(STEP_S, np.float64(action))
            assert np.array_equal(info["position_w_m"], sensors.pose.position_w_m)
            assert np.array_equal(observation["right"], sensors.images.right)
            assert observation["velocity_b_m_s"] == pytest.approx(sensors.velocity_b_m_s)


def test_equal_seeds_give_equal_rollouts_to_the_bit(env):
    first, first_rewards = rollout(env, seed=5)
    again, again_rewards = rollout(env, seed=5)
    other, _ = rollout(env, seed=6)
    assert all(same(*pair) for pair in zip(first, again, strict=True))
    assert first_rewards == again_rewards
    assert not same(first[0], other[0])


def test_resets_without_a_seed_draw_another_room(env):
    env.reset(seed=5)
    first = env.unwrapped.world.room
    env.reset()
    assert env.unwrapped.world.room != first


def test_flying_ahead_is_rewarded_by_the_metres_flown():
    env = WorldEnv(obstacles=0)
    env.reset(seed=0)
    env.world.place((-2.0, 0.0, 1.4), 0.0)
    env.step(np.array([0.0, 0.0, 1.4], np.float32))
    start = env.world.data.qpos[0]
    rewards = [env.step(np.array([0.5, 0.0, 1.4], np.float32))[1] for _ in range(20)]
    assert sum(rewards) == pytest.approx(env.world.data.qpos[0] - start, abs=0.02)
    env.close()


@pytest.mark.parametrize("end_on_collision", [False, True])
def test_a_collision_costs_reward_and_ends_the_episode_only_on_request(end_on_collision):
    env = WorldEnv(obstacles=0, end_on_collision=end_on_collision)
    env.reset(seed=0)
    env.world.place((1.8, 0.0, 1.4), 0.0)
    for _ in range(30):
        _, reward, terminated, _, info = env.step(np.array([1.0, 0.0, 1.4], np.float32))
        if info["collided"]:
            break
    assert info["collided"]
    assert reward < -0.5
    assert terminated == end_on_collision
    env.close()


def test_actions_have_the_limits_of_the_robot_file():
    axes = tomllib.loads(ROBOT_FILE.read_text())["limits"]["axes"]
    assert [axis["name"] for axis in axes] == ["forward_speed", "yaw_rate", "altitude"]
    assert [axis["minimum"] for axis in axes] == ACTION_LOW.tolist()
    assert [axis["maximum"] for axis in axes] == pytest.approx(ACTION_HIGH)


def test_unknown_tasks_and_options_and_blind_cameras_are_refused():
    with pytest.raises(InputError, match=r"valid names: .*room"):
        WorldEnv(task="kitchen")
    with pytest.raises(InputError, match=r"no option obstacle; valid options: obstacles, "):
        WorldEnv(obstacle=3)
    with pytest.raises(InputError, match="needs images"):
        WorldEnv(config=WorldConfig(camera=CameraConfig(rate_hz=0)))
