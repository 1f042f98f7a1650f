"""What is observed of a workbench: named float32 tensors with units, in the arm's base frame.

    tool_position_m    (3,)    measured, from the joints
    tool_target_m      (3,)    where the controller wants the tool: commanded velocities, added up
    gripper_m          (1,)    measured, between the fingertips
    gripper_target_m   (1,)
    object_position_m  (K, 3)  of the task's objects, as a tracker would tell
    object_up          (K, 3)  where each object's own z axis points, if it can tip over
    slide_m            (S,)    how far what slides is out

Environments and the running robot observe the same, so that a policy of one acts in the other.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perception.model_package import TensorSpec
from perception.quantities import InputError
from sim.manipulation import Manipulation, Scene


class ObservationError(InputError):
    """A tensor that is not observed in a task."""


FELT = ("tool_position_m", "tool_target_m", "gripper_m", "gripper_target_m")  # by the arm itself
LARGEST_M = 2.0  # positions saturate there, beyond every reach


def tensors_of(task: Manipulation) -> tuple[TensorSpec, ...]:
    """The tensors that are observed in a task."""
    objects, slides = len(task.objects), len(task.slides)
    rows: list[tuple[str, tuple[int, ...], str]] = [
        ("tool_position_m", (3,), "m"),
        ("tool_target_m", (3,), "m"),
        ("gripper_m", (1,), "m"),
        ("gripper_target_m", (1,), "m"),
    ]
    rows += [("object_position_m", (objects, 3), "m")] if objects else []
    rows += [("object_up", (objects, 3), "1")] if task.tips else []
    rows += [("slide_m", (slides,), "m")] if slides else []
    return tuple(TensorSpec(name, shape, "float32", unit) for name, shape, unit in rows)


def chosen(tensors: Sequence[TensorSpec], names: Sequence[str]) -> tuple[TensorSpec, ...]:
    """The tensors of these names; none: all.

    Raises:
        ObservationError: a name that is not among them; lists those that are.
    """
    known = [tensor.name for tensor in tensors]
    if unknown := [name for name in names if name not in known]:
        raise ObservationError(f"{unknown[0]!r} is not observed; there are: {', '.join(known)}")
    return tuple(tensor for tensor in tensors if not names or tensor.name in names)


def values_of(scene: Scene, tensors: Sequence[TensorSpec]) -> dict[str, npt.NDArray[np.float32]]:
    """These tensors of a scene, by name."""
    values = {
        "tool_position_m": scene.tool_position_m,
        "tool_target_m": scene.tool_target_m,
        "gripper_m": np.array([scene.gripper_m]),
        "gripper_target_m": np.array([scene.gripper_target_m]),
        "object_position_m": scene.position_m,
        "object_up": scene.up,
        "slide_m": scene.slide_m,
    }
    return {
        tensor.name: values[tensor.name].astype(np.float32).clip(-LARGEST_M, LARGEST_M)
        for tensor in tensors
    }
