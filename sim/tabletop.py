"""A gripper and a mug on a table, without physics: the tabletop of EARL in its exact constants.

So that what is learned here compares with what was published there (Sharma et al. 2022, "Autonomous
Reinforcement Learning: Formalism and Benchmarking", arXiv 2112.09605; the constants stand in
github.com/architsharma97/earl_benchmark, envs/tabletop_manipulation.py), at tens of thousands of
steps a second:

    a step        moves the gripper by at most 0.2 along each axis, within +-2.8
    grip > 0      holds the mug if it was nearer than 0.4 before the move; then it moves along
    a goal        gripper and mug, together within 0.2 of where they are wanted
    goals         the mug at (-2.5, -1), (-2.5, 1), (0, 2) or (0, -2), the gripper back at (0, 0)
    begins        with the mug at (2.5, 0); the backward goal is to bring it back there

Lengths have no unit there; here they are called metres. What a goal stands for in numbers,
`goal_vectors`, is what EARL appends to the observation; here the loop adds it as the instruction.
"""

import math
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from firmware_bridge.axis_limits import AxisLimit, Limits
from perception.goal import Goal
from perception.model_package import TensorSpec
from perception.quantities import InputError

ARENA_M = 2.8  # from the middle to each edge
STEP_M = 0.2  # that an action of 1 moves the gripper along an axis
REACH_M = 0.4  # nearer than this the mug can be taken
CLOSE_M = 0.2  # gripper and mug together, root of the sum of squares
START = (0.0, 0.0, 2.5, 0.0)  # gripper x y, mug x y, m
MUG_GOALS_M = ((-2.5, -1.0), (-2.5, 1.0), (0.0, 2.0), (0.0, -2.0))
FREE, HELD = -1.0, 0.0  # EARL's index of the object held
EPISODE_STEPS = 200  # EARL's evaluation horizon
RATE_HZ = 5.0  # a step has no length; this is that of the other worlds

GOALS = (
    Goal("put the mug on the red coaster", "forward"),
    Goal("put the mug on the green coaster", "forward"),
    Goal("put the mug on the blue coaster", "forward"),
    Goal("put the mug on the black coaster", "forward"),
    Goal("bring the mug back to where it was", "backward"),
)
BACKWARD = len(GOALS) - 1

Observation = dict[str, npt.NDArray[Any]]
Info = dict[str, Any]


class TabletopError(InputError):
    """A goal that the table does not have."""


class TabletopEnv(gymnasium.Env[Observation, npt.NDArray[np.float32]]):
    """Observation: `gripper_xy_m`, `mug_xy_m`, `attached` (-1 free, 0 held, twice), (2,) each.

    Action: [x, y, grip], -1..1 each. The info says which goals are `achieved` and that nothing is
    ever `irreversible`: the gripper reaches wherever the mug can be.
    """

    tensors = tuple(
        TensorSpec(name, (2,), "float32", unit)
        for name, unit in (("gripper_xy_m", "m"), ("mug_xy_m", "m"), ("attached", "1"))
    )
    limits = Limits(
        (
            AxisLimit("x", "1", -1.0, 1.0, slew_per_s=10.0, stop=0.0),
            AxisLimit("y", "1", -1.0, 1.0, slew_per_s=10.0, stop=0.0),
            AxisLimit("grip", "1", -1.0, 1.0, slew_per_s=10.0),  # holds what it holds
        ),
        max_command_age_s=2.5 / RATE_HZ,
    )
    rate_hz = RATE_HZ
    goals = GOALS
    goal_vectors = np.array(
        [[0.0, 0.0, *mug, FREE, FREE] for mug in (*MUG_GOALS_M, START[2:])], np.float32
    )  # (5, 6) gripper x y, mug x y, attached
    episode_steps = EPISODE_STEPS
    metadata = {"render_modes": []}

    def __init__(self, goal: int = 0, end_on_success: bool = True, anywhere: bool = False) -> None:
        """A table for an attempt at one goal; loops that practise look at the info alone.

        Args:
            goal: index in `GOALS`; the reward is 0 where it is reached and -1 elsewhere.
            end_on_success: whether reaching it terminates the episode.
            anywhere: attempts begin with mug and gripper anywhere, as nobody at EARL has it: for
                demonstrations of what practice without resets leads to.

        Raises:
            TabletopError: no such goal.
        """
        self._anywhere = anywhere
        self._goal = _checked(goal)
        self._end_on_success = end_on_success
        self._wanted_m = self.goal_vectors[:, :4].astype(np.float64)  # (5, 4)
        self._place(START)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)
        edge = gymnasium.spaces.Box(-ARENA_M, ARENA_M, (2,), np.float32)
        self.observation_space: Any = gymnasium.spaces.Dict(
            {
                "gripper_xy_m": edge,
                "mug_xy_m": edge,
                "attached": gymnasium.spaces.Box(FREE, HELD, (2,), np.float32),
            }
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Puts the mug where an attempt begins, the gripper to the middle.

        Args:
            seed: of which forward goal is done when an attempt at the backward goal begins.
            options: `{"goal": i}` in place of the goal given at construction.

        Raises:
            TabletopError: no such goal.
        """
        super().reset(seed=seed)
        goal = _checked((options or {}).get("goal", self._goal))
        if self._anywhere:
            self._place(tuple(self.np_random.uniform(-ARENA_M, ARENA_M, 4)))
            return self._observe(), self._info()
        done = MUG_GOALS_M[self.np_random.integers(len(MUG_GOALS_M))]
        self._place((0.0, 0.0, *done) if goal == BACKWARD else START)
        return self._observe(), self._info()

    def step(
        self, action: npt.NDArray[np.floating]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One move; what is out of -1..1 counts as the nearest in it."""
        right, up, grip = (min(max(float(part), -1.0), 1.0) for part in action)
        x_m, y_m, mug_x_m, mug_y_m = self._at_m
        near = math.hypot(mug_x_m - x_m, mug_y_m - y_m) < REACH_M
        self._held = grip > 0 and (self._held or near)
        to_x_m, to_y_m = _within(x_m + STEP_M * right), _within(y_m + STEP_M * up)
        if self._held:
            mug_x_m, mug_y_m = _within(mug_x_m + to_x_m - x_m), _within(mug_y_m + to_y_m - y_m)
        self._at_m = (to_x_m, to_y_m, mug_x_m, mug_y_m)
        info = self._info()
        success = bool(info["achieved"][self._goal])
        reward = 0.0 if success else -1.0
        return self._observe(), reward, success and self._end_on_success, False, info

    def save(self) -> dict[str, Any]:
        """Where everything is, and the chance that is left."""
        return {
            "at_m": np.array(self._at_m),
            "held": self._held,
            "chance": self.np_random.bit_generator.state,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes back to a saved state."""
        self._at_m = tuple(float(value) for value in state["at_m"])
        self._held = bool(state["held"])
        self.np_random.bit_generator.state = state["chance"]

    def _place(self, at_m: tuple[float, ...]) -> None:
        self._at_m, self._held = at_m, False

    def _observe(self) -> Observation:
        at_m = np.array(self._at_m, np.float32)
        attached = HELD if self._held else FREE
        return {
            "gripper_xy_m": at_m[:2],
            "mug_xy_m": at_m[2:],
            "attached": np.full(2, attached, np.float32),
        }

    def _info(self) -> Info:
        apart_m = self._wanted_m - self._at_m  # (5, 4)
        achieved = np.einsum("gk,gk->g", apart_m, apart_m) <= CLOSE_M**2
        return {"achieved": achieved, "irreversible": False}


def register() -> None:
    """Registers `reflexarc/Tabletop-v0`; called when this module is imported."""
    if "reflexarc/Tabletop-v0" not in gymnasium.registry:
        gymnasium.register(
            "reflexarc/Tabletop-v0",
            entry_point="sim.tabletop:TabletopEnv",
            max_episode_steps=EPISODE_STEPS,
        )


def _checked(goal: int) -> int:
    if not 0 <= goal < len(GOALS):
        listed = ", ".join(f"{index} {one.text!r}" for index, one in enumerate(GOALS))
        raise TabletopError(f"the table has no goal {goal}; valid goals: {listed}")
    return goal


def _within(along_m: float) -> float:
    """On the table."""
    return min(max(along_m, -ARENA_M), ARENA_M)


register()
