"""What a manipulation task is: things on a table, goals in words, and the truth about them.

A task is a frozen dataclass whose fields are its options. It adds its things to the model, draws
where they lie before an attempt at a goal, and says from their true places which of its goals are
reached and whether a person must put something back. It knows nothing of arm, physics or learning.
"""

import math
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from perception.goal import Goal

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

REACH_M = ((0.13, -0.23), (0.41, 0.23))
"""Least and greatest x, y where the gripper can still take hold of things, base frame."""


class Scene(NamedTuple):
    """Where everything is at one moment; all positions in the arm's base frame."""

    tool_position_m: FloatArray  # (3,) measured, from the joints
    tool_target_m: FloatArray  # (3,) where the controller wants the tool to be
    gripper_m: float  # measured, between the fingertips
    gripper_target_m: float  # what the controller wants it to be
    position_m: FloatArray  # (K, 3) of the task's objects
    up: FloatArray  # (K, 3) where each object's own z axis points
    slide_m: FloatArray  # (S,) how far each of the task's slides is out


class Layout(NamedTuple):
    """Where a task's things are when an attempt begins."""

    position_m: FloatArray  # (K, 3)
    slide_m: FloatArray  # (S,)


class Manipulation(Protocol):
    """A frozen dataclass whose fields are the task's options."""

    @property
    def goals(self) -> tuple[Goal, ...]:
        """What may be asked for; at least one forward and one backward."""
        ...

    @property
    def episode_steps(self) -> int:
        """Usual length of an attempt, in steps of 0.2 s."""
        ...

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of the K bodies that are observed; each is free, fixed by mocap, or on slides."""
        ...

    @property
    def slides(self) -> tuple[str, ...]:
        """Names of the S slide joints that are observed."""
        ...

    @property
    def tips(self) -> bool:
        """Whether objects can tip over, so that `up` is worth observing."""
        ...

    def add_to(self, spec: Any) -> None:
        """Adds bodies to a MuJoCo specification that holds table and arm."""
        ...

    def draw(self, goal: int, rng: np.random.Generator) -> Layout:
        """Where things are before an attempt at a goal: that goal is not reached, the other is."""
        ...

    def achieved(self, scene: Scene) -> BoolArray:
        """(G,) which goals are reached: things lie where they should, and nothing is held."""
        ...

    def irreversible(self, scene: Scene) -> bool:
        """Whether the arm can no longer reach either goal: only a person can put it back."""
        ...


def is_free(scene: Scene, grasp_m: npt.ArrayLike, width_m: float) -> bool:
    """Whether the gripper does not hold what is this wide at this point (3,)."""
    away_m = math.dist(scene.tool_position_m.tolist(), np.asarray(grasp_m).tolist())
    return away_m > 0.04 or scene.gripper_m > width_m + 0.006


def out_of_reach(position_m: FloatArray) -> bool:
    """Whether one of the objects (K, 3) lies where the gripper cannot take hold of it."""
    (least_x, least_y), (most_x, most_y) = REACH_M
    return any(
        not (least_x <= x <= most_x and least_y <= y <= most_y) for x, y, _ in position_m.tolist()
    )


def tipped(up: FloatArray, most_rad: float = 0.6) -> bool:
    """Whether one of the objects (K, 3) leans by more than the gripper sets right."""
    return min(up[:, 2].tolist()) < math.cos(most_rad)


def within(xy_m: npt.ArrayLike, center_m: npt.ArrayLike, radius_m: float) -> bool:
    """Whether a point (2,) lies within a circle."""
    return math.dist(np.asarray(xy_m).tolist(), np.asarray(center_m).tolist()) < radius_m
