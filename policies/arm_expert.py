"""A scripted expert of an arm: what all of them share, apart from knowing what to carry where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from perception.model_package import TensorSpec
from perception.quantities import InputError
from policies.arm_moves import ARM_TENSORS, Hand, Mover
from policies.observation import Observation
from policies.spec import PolicySpec, bounds_of

Array = NDArray[np.float64]


class ExpertOptionError(InputError):
    """An option that an expert cannot follow."""


@dataclass(frozen=True)
class Config:
    """Options of every expert."""

    goal: int = 0  # which of the task's goals to bring about
    noise: float = 0.0  # of its commands: standard deviation over the greatest command

    def __post_init__(self) -> None:
        """Refuses noise that is none."""
        if not 0 <= self.noise <= 2:
            raise ExpertOptionError(f"noise is {self.noise}: give a number from 0 to 2")


class ArmExpert:
    """Reads the observation, adds noise to what `decide` commands, and keeps to the limits."""

    Config = Config
    tensors: ClassVar[tuple[TensorSpec, ...]] = ()  # what it reads beside ARM_TENSORS
    goal_count: ClassVar[int] = 2

    def __init__(self, config: Config, limits: Limits, rate_hz: float) -> None:
        """Fit for one robot.

        Raises:
            ExpertOptionError: the task has no such goal, or the robot is no arm.
        """
        units = [axis.unit for axis in limits.axes]
        if units != ["m/s", "m/s", "m/s", "m"]:
            raise ExpertOptionError(
                f"an arm's expert commands (m/s, m/s, m/s, m), the robot takes ({', '.join(units)})"
            )
        if config.goal not in range(self.goal_count):
            raise ExpertOptionError(f"goal is {config.goal}: give 0 to {self.goal_count - 1}")
        self.spec = PolicySpec((*ARM_TENSORS, *self.tensors), bounds_of(limits), rate_hz)
        self.goal = config.goal
        self.mover = Mover(rate_hz)
        greatest = np.array([axis.maximum for axis in limits.axes])
        self._deviation = config.noise * greatest * (1, 1, 1, 0.3)  # an open hand drops things
        self.reset(np.random.default_rng(0))

    def reset(self, rng: np.random.Generator) -> None:
        """Begins an attempt; `rng` draws the noise, and the place where something may lie."""
        self._rng = rng
        self.spot = rng.uniform(-1, 1, 2)  # (2,) of the area where any place will do

    def act(self, observation: Observation) -> Array:
        """The command (4,): tool velocity x, y, z in m/s, gripper opening in m."""
        command = self.decide(observation, Hand.of(observation))
        noise = self._rng.standard_normal(4) * self._deviation
        return self.spec.clip(command + noise)

    def decide(self, observation: Observation, hand: Hand) -> Array:
        """The command (4,) without noise and limits."""
        raise NotImplementedError


def objects(count: int, *, tip: bool) -> Sequence[TensorSpec]:
    """The tensors of so many objects, and where their z axes point if they can tip over."""
    position = TensorSpec("object_position_m", (count, 3), "float32", "m")
    return (position, TensorSpec("object_up", (count, 3), "float32", "1")) if tip else (position,)
