"""The simulated arm as loops of practice see it: with the spec of a policy that acts there.

Worlds and policies do not know each other, and Gymnasium keeps `spec` for itself; so what a policy
reads and commands in an `ArmEnv` is said here, where both are known.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from perception.goal import Goal
from policies.observation import Observation
from policies.spec import PolicySpec, bounds_of

if TYPE_CHECKING:
    from sim.arm_env import ArmEnv, EnvState


class ArmPractice:
    """An `ArmEnv` with goals, a spec, and nothing of Gymnasium to be known by who uses it."""

    def __init__(self, env: "ArmEnv") -> None:
        """`env`: success must not end its attempts; loops look at `info` alone.

        Raises:
            ValueError: it ends them.
        """
        if env.end_on_success:
            raise ValueError("make the environment with end_on_success=False")
        self._env = env
        self.spec = PolicySpec(env.tensors, bounds_of(env.limits), env.rate_hz)
        self.goals: tuple[Goal, ...] = env.goals
        self.episode_steps = env.episode_steps

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins an attempt, see `ArmEnv.reset`."""
        return self._env.reset(seed=seed, options=options)

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Lets 0.2 s pass, see `ArmEnv.step`."""
        return self._env.step(self.spec.clip(np.asarray(action, np.float64)))

    def save(self) -> "EnvState":
        """A copy of this moment."""
        return self._env.save()

    def restore(self, state: "EnvState") -> Observation:
        """Goes back to a saved moment; what was observed then."""
        return self._env.restore(state)

    def close(self) -> None:
        """Frees OpenGL."""
        self._env.close()
