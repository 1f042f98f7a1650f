"""A package that draws its actions: what a robot practises by, opened and tried before it acts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.limits import Limits
from perception.quantities import InputError
from policies.instructed import INSTRUCTIONS, TASK
from policies.observation import Observation
from policies.policy import OnnxPolicy
from policies.spec import EXPLORATION, INSTRUCTION, fixed_shape


class ExploringError(InputError):
    """A package by which nobody can practise this task."""


class ExploringPolicy:
    """Acts at one of the goals of a task, by chance that it is given."""

    def __init__(
        self, path: Path, task: str, texts: Sequence[str], limits: Limits, rate_hz: float
    ) -> None:
        """Opens a package and tries it.

        Args:
            path: of the package.
            task: that is practised.
            texts: of its goals.
            limits: of the robot.
            rate_hz: how often it acts.

        Raises:
            InputError: it is damaged, of another robot, rate or task, was not taught a goal, does
                not explore, or answers with numbers that are none.
        """
        policy = OnnxPolicy(path)
        policy.spec.check_compatible(limits.axes, rate_hz)
        if policy.extra.get(TASK, task) != task:
            raise ExploringError(f"{path} was taught the task {policy.extra[TASK]}, not {task}")
        if EXPLORATION not in {tensor.name for tensor in policy.spec.observation}:
            raise ExploringError(
                f"{path} does not explore; begin practice with the learner's checkpoint (start)"
            )
        carried = policy.extra.get(INSTRUCTIONS, {})
        if missing := [text for text in texts if text not in carried]:
            known = ", ".join(map(repr, carried)) or "none"
            raise ExploringError(f"{path} was not taught {missing[0]!r}; it knows {known}")
        self._vectors = [np.array(carried[text], np.float32) for text in texts]
        self._policy = policy
        self.sha256 = policy.sha256
        self._try()

    def act(
        self, observation: Observation, goal: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """The action (n,), drawn."""
        chance = rng.standard_normal(len(self._policy.spec.action)).astype(np.float32)
        told = {**observation, INSTRUCTION: self._vectors[goal], EXPLORATION: chance}
        return self._policy.act(told)

    def _try(self) -> None:
        """One action on an observation of zeros."""
        spec = self._policy.spec
        blank = {t.name: np.zeros(fixed_shape(t), t.dtype) for t in spec.observation}
        if not np.isfinite(self._policy.act(blank)).all():
            raise ExploringError(f"{self._policy.path} commands numbers that are not finite")
