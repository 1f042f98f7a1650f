"""What a task is: a scene drawn from a seed, and what counts as doing well in it."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sim.room_map import RoomMap


@dataclass(frozen=True)
class StartPose:
    """Where the vehicle begins, level and at rest."""

    position_w_m: tuple[float, float, float]
    yaw_rad: float


class Scene(Protocol):
    """One drawn instance of a task's surroundings."""

    @property
    def map(self) -> RoomMap:
        """Plan of the scene."""
        ...

    @property
    def start(self) -> StartPose:
        """Where the vehicle begins."""
        ...

    def add_to(self, spec: Any) -> None:
        """Adds everything that stands still to a MuJoCo specification.

        Geoms are named after what they are ("wall east", "pillar 0"); collisions report the name.
        """
        ...


class Task(Protocol):
    """A frozen dataclass whose fields are the task's options."""

    def draw(self, rng: np.random.Generator) -> Scene:
        """A scene; equal generators give equal scenes."""
        ...

    def reward(self, forward_m: float, collided: bool, put_back: bool) -> float:
        """Reward of one step.

        Args:
            forward_m: metres flown along the vehicle's own nose.
            collided: a collision began in this step.
            put_back: it could not recover and was put back.
        """
        ...
