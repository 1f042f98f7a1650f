"""What can be practised: the world of each task and the pilot that shows it.

Worlds and policies are neighbours that do not know each other; here they meet.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.quantities import InputError
from perception.tables import load_item
from policies.policy import Policy, make_policy
from policies.practice_env import PracticeEnv


class PracticeTask(NamedTuple):
    """One task."""

    world: str  # "module:Class" of a `PracticeEnv`
    expert: str  # row of PILOTS with an option `goal`
    options: Mapping[str, Any] = {}  # of the world, besides `end_on_success`


PRACTICE_TASKS = {
    "tabletop": PracticeTask("sim.tabletop:TabletopEnv", "tabletop_expert"),
}


def make_world(task: str) -> PracticeEnv:
    """A world of its own, in which attempts end when a loop says so.

    Raises:
        ChoiceError: no such task; lists those there are.
    """
    worlds = {name: row.world for name, row in PRACTICE_TASKS.items()}
    return load_item(worlds, "task", task)(end_on_success=False, **PRACTICE_TASKS[task].options)


def expert_for(task: str, world: PracticeEnv, goal: int) -> Policy:
    """The pilot that shows a goal of the task, with its usual noise."""
    name = PRACTICE_TASKS[task].expert
    return make_policy(name, world.limits, world.rate_hz, {"goal": goal})


def instructions_of(task: str, world: PracticeEnv) -> NDArray[np.float32]:
    """(goals, D) what a policy is told of each goal.

    Raises:
        InputError: the world has no vectors of its own.
    """
    vectors = getattr(world, "goal_vectors", None)
    if vectors is None:
        raise InputError(f"task {task}: its goals have words and no vectors yet")
    return vectors
