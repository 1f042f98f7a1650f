"""A point on a table must reach a goal: the smallest world in which something can be learned."""

from dataclasses import replace

import numpy as np

from perception.model_package import TensorSpec
from policies.replay_buffer import ReplayBuffer
from policies.spec import AxisBound, PolicySpec, with_instruction

STEP_S = 0.2
REACHED_M = 0.1
DISCOUNT = 0.95
INSTRUCTIONS = np.eye(2, 8, dtype=np.float32)  # of "left" and "right", 8 numbers each
GOALS_M = np.float32([[-0.6, 0.2], [0.6, -0.2]])
SPEC = with_instruction(
    PolicySpec(
        (TensorSpec("point_m", (2,), "float32", "m"), TensorSpec("size_m", (1,), "float32", "m")),
        (AxisBound("x", "m/s", -1.0, 1.0), AxisBound("y", "m/s", -0.5, 1.5)),
        rate_hz=1 / STEP_S,
    ),
    8,
)
VIEW_PX = 16
SEEN = replace(
    SPEC,
    observation=(*SPEC.observation, TensorSpec("camera_view", (VIEW_PX, VIEW_PX, 3), "uint8", "1")),
)  # with an image, for learners that see; others leave it out


def view(point_m):
    """(16, 16, 3) from above: the point is a white square."""
    image = np.full((VIEW_PX, VIEW_PX, 3), 40, np.uint8)
    row, column = ((point_m + 1) / 2 * (VIEW_PX - 3)).astype(int)
    image[row : row + 3, column : column + 3] = 255
    return image


class PointReach:
    """Moves as it is told; reached is reached."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def reset(self, goal):
        self.goal = goal
        self.point_m = self.rng.uniform(-1, 1, 2)
        return self.observation()

    def observation(self):
        return {
            "point_m": self.point_m.astype(np.float32),
            "size_m": np.float32([0.03]),  # never moves, as much in a robot's observation does not
            "instruction": INSTRUCTIONS[self.goal],
            "camera_view": view(self.point_m),
        }

    def step(self, action):
        self.point_m = np.clip(self.point_m + STEP_S * np.asarray(action), -1, 1)
        success = bool(np.linalg.norm(self.point_m - GOALS_M[self.goal]) < REACHED_M)
        return self.observation(), 0.0 if success else -1.0, success


def expert(observation, rng, noise):
    """Straight to the goal, with some chance."""
    goal_m = GOALS_M[int(observation["instruction"][1])]
    action = (goal_m - observation["point_m"]) / STEP_S + noise * rng.normal(size=2)
    return np.clip(action, [-1.0, -0.5], [1.0, 1.5])


def episode(env, act, goal, steps=20):
    """What `ReplayBuffer.add_episode` takes."""
    seen, actions, rewards, successes = [env.reset(goal)], [], [], []
    while len(actions) < steps and not any(successes):
        actions.append(act(seen[-1]))
        observation, reward, success = env.step(actions[-1])
        seen.append(observation)
        rewards.append(reward)
        successes.append(success)
    observations = {name: np.stack([one[name] for one in seen]) for name in seen[0]}
    return observations, np.float32(actions), np.float32(rewards), np.array(successes)


def demonstrations(episodes=40, noise=0.3, seed=0, capacity=2000, spec=SPEC):
    """A buffer of expert episodes to both goals."""
    env, rng = PointReach(seed), np.random.default_rng(seed)
    buffer = ReplayBuffer(spec, capacity, seed, discount=DISCOUNT)
    for count in range(episodes):
        buffer.add_episode(*episode(env, lambda seen: expert(seen, rng, noise), count % 2))
    return buffer


def success_rate(learner, episodes=40, seed=99):
    """Part of the attempts in which the likeliest actions reach the goal."""
    env = PointReach(seed)
    reached = [episode(env, learner.act, count % 2)[3].any() for count in range(episodes)]
    return np.mean(reached)
