"""Worlds to practise in, by the name of their task: where each is, its robot, and who shows it.

Listing them imports neither MuJoCo nor Gymnasium; making one does.
"""

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from perception.image_features import FeatureEye
from perception.model_package import read_package
from perception.quantities import InputError
from perception.tables import ChoiceError, load_item
from policies.featured_env import FeaturedEnv
from policies.instructions import ENCODERS, encode_instructions
from policies.practice_env import PracticeEnv
from sim.manipulation_tasks import MANIPULATION_TASKS

OWN_VECTORS = "world"  # in place of an encoder: what the world itself says of its goals in numbers


class WorldRow(NamedTuple):
    """One task."""

    target: str  # "module:Class", a Gymnasium environment with goals
    robot: str  # whose episodes are recorded in it
    expert: str  # row of PILOTS
    options: Mapping[str, Any] = {}  # of the class
    expert_options: Mapping[str, Any] = {}  # of the expert, besides goal and noise
    encoder: str = "minilm"  # that makes the vectors of its goals, unless something else is said

    def name_in(self, task: str) -> str:
        """What the world itself calls the task of this row: what is seen does not change it."""
        return str(self.options.get("task", task))


IMAGES = "images"  # option of worlds that have cameras

WORLDS: dict[str, WorldRow] = {
    "tabletop": WorldRow(
        "sim.tabletop:TabletopEnv", "tabletop", "tabletop_expert", encoder=OWN_VECTORS
    ),
    **{
        task: WorldRow("sim.arm_env:ArmEnv", "arm6", row.expert, {"task": task}, row.options)
        for task, row in MANIPULATION_TASKS.items()
    },
    **{  # two cameras beside the numbers
        f"{task}_images": WorldRow(
            "sim.arm_env:ArmEnv", "arm6", row.expert, {"task": task, IMAGES: True}, row.options
        )
        for task, row in MANIPULATION_TASKS.items()
    },
}


class WorldError(InputError):
    """A world that cannot be made here."""


def make_world(
    task: str,
    options: Mapping[str, Any] | None = None,
    features: str | Path = "",
    *,
    images: bool = True,
) -> PracticeEnv:
    """The world of a task; attempts in it end only when the loop says so.

    Args:
        task: row of WORLDS.
        options: of the world.
        features: package by which its images are also seen as numbers; empty: they are not.
        images: whether those of a task with cameras are drawn; all else is the same without.

    Raises:
        ChoiceError: no such task, or an option that the world does not have or that makes the task.
        WorldError: what the world needs is not installed.
        FeaturesError: a package of no features, or a task without such images.
        ModelPackageError: the package is missing or damaged.
    """
    row = world_row(task)
    options = options or {}
    try:
        world = load_item({task: row.target}, "task", task)
    except ModuleNotFoundError as error:
        raise WorldError(
            f"the world of {task!r} needs {error.name}: run 'pip install reflexarc[sim]'"
        ) from error
    _refuse_unknown(task, world, options)
    drawn = {} if images or IMAGES not in row.options else {IMAGES: False}
    options = {**row.options, **options, **drawn}
    made = cast("PracticeEnv", world(**options, end_on_success=False))
    return FeaturedEnv(made, FeatureEye(read_package(Path(features)))) if features else made


def world_row(task: str) -> WorldRow:
    """The row of a task.

    Raises:
        ChoiceError: no such task; lists those there are.
    """
    if task not in WORLDS:
        raise ChoiceError(f"no task is called {task!r}; valid tasks: {', '.join(sorted(WORLDS))}")
    return WORLDS[task]


def vectors_of(world: PracticeEnv, encoder: str) -> NDArray[np.float32]:
    """(goals, D) what a policy is told of each goal of a world.

    Args:
        world: whose goals.
        encoder: a row of ENCODERS, or "world": the world's own vectors.

    Raises:
        ChoiceError: no such encoder, or a world without vectors.
        EncoderError: the encoder is not installed.
    """
    if encoder == OWN_VECTORS:
        found = getattr(world, "goal_vectors", None)
        if found is None:
            raise ChoiceError(
                "this world has no vectors of its own for its goals; valid encoders: "
                f"{', '.join(ENCODERS)}"
            )
        return np.asarray(found, np.float32)
    encoded = encode_instructions(encoder, [goal.text for goal in world.goals])
    return np.array([encoded[goal.text] for goal in world.goals], np.float32)


def instructions_of(worlds: Iterable[PracticeEnv], encoder: str) -> dict[str, list[float]]:
    """The vectors of all goals of some worlds by text; raises as `vectors_of`."""
    if encoder != OWN_VECTORS:
        return encode_instructions(encoder, [goal.text for w in worlds for goal in w.goals])
    return {
        goal.text: [*map(float, vector)]
        for world in worlds
        for goal, vector in zip(world.goals, vectors_of(world, encoder), strict=True)
    }


def _refuse_unknown(task: str, world: Any, options: Mapping[str, Any]) -> None:
    """A world that takes any option names those it does not know itself."""
    parameters = inspect.signature(world).parameters
    own = world_row(task).options
    if taken := sorted(set(options) & own.keys()):
        free = [name for name in parameters if name not in own]
        raise ChoiceError(
            f"task {task} is made by {taken[0]} = {own[taken[0]]!r}, which cannot be set; choose "
            f"another task, or set one of {', '.join(free)}"
        )
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return
    if unknown := sorted(set(options) - set(parameters)):
        raise ChoiceError(
            f"task {task} has no option {', '.join(unknown)}; valid options: "
            f"{', '.join(parameters)}"
        )
