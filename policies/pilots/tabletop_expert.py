"""Shows how the mug is moved on EARL's table (`sim/tabletop.py`): take it, carry it, go home.

A person's demonstrations are slow and not straight, so its steps are shorter than they could be and
carry noise: with the defaults a demonstration has about as many steps as the published ones (106 on
average). Where the goals are stands here again, because pilots know no world; a test compares.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from perception.model_package import TensorSpec
from perception.quantities import InputError
from policies.observation import Observation
from policies.spec import PolicySpec, bounds_of

MUG_M = ((-2.5, -1.0), (-2.5, 1.0), (0.0, 2.0), (0.0, -2.0), (2.5, 0.0))  # wanted, by goal
HOME_M = (0.0, 0.0)  # of the gripper, at every goal
STEP_M = 0.2  # that an action of 1 moves it
TAKE_M = 0.25  # nearer than this it grips; the table allows 0.4
DONE_M = 0.1  # the mug stands well; half of what the goal allows

OBSERVATION = tuple(
    TensorSpec(name, (2,), "float32", unit)
    for name, unit in (("gripper_xy_m", "m"), ("mug_xy_m", "m"), ("attached", "1"))
)


class GoalError(InputError):
    """A goal that this pilot cannot show."""


@dataclass(frozen=True)
class Config:
    """What is shown, and how."""

    goal: int = 0  # index in the goals of the table
    noise: float = 0.2  # standard deviation added to each part of an action
    speed: float = 0.4  # part of the fastest


class TabletopExpert:
    """Looks where the mug is, at each step anew."""

    Config = Config

    def __init__(self, config: Config, limits: Limits, rate_hz: float) -> None:
        """Shows one goal.

        Raises:
            GoalError: the table has no such goal.
        """
        if not 0 <= config.goal < len(MUG_M):
            raise GoalError(f"tabletop_expert: no goal {config.goal}; give 0 to {len(MUG_M) - 1}")
        self.spec = PolicySpec(OBSERVATION, bounds_of(limits), rate_hz)
        self._config = config
        self._mug_goal_m = np.array(MUG_M[config.goal])
        self.reset(np.random.default_rng(0))

    def reset(self, rng: np.random.Generator) -> None:
        """Draws its noise from `rng` from here on."""
        self._rng = rng

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The action (3,) x, y, grip."""
        gripper_m, mug_m = observation["gripper_xy_m"], observation["mug_xy_m"]
        is_held = observation["attached"][0] >= 0
        if np.linalg.norm(self._mug_goal_m - mug_m) < DONE_M:
            way_m, grip = HOME_M - gripper_m, -1.0
        elif is_held:
            way_m, grip = self._mug_goal_m - mug_m, 1.0
        else:
            way_m = mug_m - gripper_m
            grip = 1.0 if np.linalg.norm(way_m) < TAKE_M else -1.0
        action = np.array([*self._slowly(way_m / STEP_M), grip])
        return self.spec.clip(action + self._config.noise * self._rng.standard_normal(3))

    def _slowly(self, way: NDArray[np.floating]) -> NDArray[np.float64]:
        """The way in actions, straight, its longer part within the speed."""
        return np.asarray(way / max(1.0, np.abs(way).max() / self._config.speed), np.float64)
