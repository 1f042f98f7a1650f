"""Who acts in a world: its expert, another pilot, or a package, checked against the world."""

from pathlib import Path
from typing import Any

from perception.image_features import FeatureEye
from perception.model_package import read_package
from perception.quantities import InputError
from perception.tables import load_item
from policies.featured_policy import FeaturedPolicy
from policies.noisy_policy import NoisyPolicy
from policies.pilots import PILOTS
from policies.policy import PACKAGE, OnnxPolicy, Policy, make_policy
from policies.practice_env import PracticeEnv
from policies.recipe import EXPERT
from policies.spec import INSTRUCTION
from robot.policy_reads import refuse_other_eye
from robot.worlds import world_row


class ActorError(InputError):
    """Somebody who cannot act in a world."""


def actor_for(
    task: str,
    world: PracticeEnv,
    name: str,
    goal: int,
    noise: float | None = None,
    features: str = "",
) -> Policy:
    """A policy for one goal of a task.

    Args:
        task: row of WORLDS.
        world: of that task.
        name: "expert", a row of PILOTS, or the path of a package.
        goal: index in the world's goals; a package is told by the instruction instead.
        noise: of a pilot's actions; None: as it has it. Of a package, which has none of its own,
            the deviation before tanh with which a learner practises (`practice_noise`).
        features: package by which a policy sees; empty: it reads what the world shows.

    Raises:
        InputError: no such pilot or package, or it does not fit the world; the line says how.
    """
    row = world_row(task)
    name = row.expert if name == EXPERT else name
    is_package = name.endswith(PACKAGE)
    options: dict[str, Any] = {} if noise is None or is_package else {"noise": noise}
    if name == row.expert:
        options |= row.expert_options
    if name in PILOTS and hasattr(load_item(PILOTS, "pilot", name).Config, "goal"):
        options["goal"] = goal
    try:
        policy = make_policy(name, world.limits, world.rate_hz, options)
    except InputError:
        raise
    except ValueError as error:  # of a pilot that was made for other axes
        raise ActorError(f"{name} does not fit the robot of {task!r}: {error}") from error
    policy.spec.check_compatible(world.limits.axes, world.rate_hz)
    if isinstance(policy, OnnxPolicy):
        refuse_other_eye(policy, features)
    if features:
        policy = FeaturedPolicy(policy, FeatureEye(read_package(Path(features))))
    _check_seen(task, world, name, policy)
    return NoisyPolicy(policy, noise) if is_package and noise else policy


def _check_seen(task: str, world: PracticeEnv, name: str, policy: Policy) -> None:
    shown = {tensor.name: tensor for tensor in world.tensors}
    for tensor in policy.spec.observation:
        if tensor.name == INSTRUCTION:
            continue
        if tensor.name not in shown:
            raise ActorError(
                f"{name} reads {tensor.name!r}, which the world of {task!r} does not show; "
                f"it shows {', '.join(sorted(shown))}"
            )
        if (tensor.shape, tensor.dtype) != (shown[tensor.name].shape, shown[tensor.name].dtype):
            raise ActorError(
                f"{name} reads {tensor.name!r} as {tensor.dtype} {tensor.shape}, the world of "
                f"{task!r} shows {shown[tensor.name].dtype} {shown[tensor.name].shape}"
            )
