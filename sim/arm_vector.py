"""Many workbenches at a time, each in a process of its own: stepping on all cores."""

import os
from typing import Any

import gymnasium
from gymnasium.vector import AsyncVectorEnv

from sim.arm_env import env_id


def make_vector(task: str, count: int | None = None, **options: Any) -> AsyncVectorEnv:
    """Environments of one task behind Gymnasium's vector interface; close it when done.

    Args:
        task: row of MANIPULATION_TASKS.
        count: how many; one per core by default.
        options: of each `ArmEnv`.
    """
    count = count or os.cpu_count() or 1
    spec = gymnasium.spec(env_id(task))

    def make_one() -> gymnasium.Env[Any, Any]:
        return gymnasium.make(spec, disable_env_checker=True, **options)

    return AsyncVectorEnv([make_one] * count)
