"""A policy that is told what to do in words, whatever it is: a package, or pilots that show goals.

A package carries the vectors of the instructions that it was taught (`INSTRUCTIONS` in its
manifest), so a robot needs no encoder. A pilot shows one goal; another one is made for the next.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from perception.quantities import InputError
from perception.tables import load_item
from policies.observation import Observation
from policies.pilots import PILOTS
from policies.policy import OnnxPolicy, Policy, make_policy
from policies.spec import INSTRUCTION, PolicySpec, fixed_shape

INSTRUCTIONS = "instructions"  # in a manifest's extra: {text: vector}
TASK = "task"  # likewise: the name of the task that it was taught


class InstructionError(InputError):
    """An instruction that a policy was not taught."""


class Instructed(Protocol):
    """Acts at one of several goals."""

    @property
    def reads(self) -> frozenset[str]:
        """Names of the tensors that it reads."""
        ...

    def begin(self, task: str, goal: int, text: str, rng: np.random.Generator) -> None:
        """Another attempt.

        Args:
            task: in which the goals are.
            goal: index among the goals of the task.
            text: of that goal.
            rng: all chance comes from it.

        Raises:
            InputError: it does not know this goal.
        """
        ...

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The action (n,) for the newest observation, which holds no instruction."""
        ...


def make_instructed(
    name_or_path: str, limits: Limits, rate_hz: float, options: Mapping[str, Any] | None = None
) -> Instructed:
    """The policy of a package, or a pilot of the table, fit for this robot.

    Args:
        name_or_path: a row of PILOTS, or a path that ends in .onnx.
        limits: of the robot.
        rate_hz: how often it acts.
        options: of the pilot's `Config` without its goal; a package has none.

    Raises:
        InputError: neither a pilot nor a package, or one that does not fit.
    """
    if not name_or_path.endswith(".onnx"):
        return _Pilots(name_or_path, limits, rate_hz, dict(options or {}))
    policy = make_policy(name_or_path, limits, rate_hz, options)
    assert isinstance(policy, OnnxPolicy)  # noqa: S101 - what ends in .onnx is one
    return _Package(policy, Path(name_or_path))


class _Pilots:
    def __init__(self, name: str, limits: Limits, rate_hz: float, options: dict[str, Any]) -> None:
        self._name, self._limits, self._rate_hz, self._options = name, limits, rate_hz, options
        if name in PILOTS and not hasattr(load_item(PILOTS, "pilot", name).Config, "goal"):
            raise InstructionError(f"pilot {name} shows no goals, so it cannot be told one")
        self._goal = 0
        self._pilot = self._make(0)
        self._is_checked = False

    @property
    def reads(self) -> frozenset[str]:
        return frozenset(tensor.name for tensor in self._pilot.spec.observation)

    def begin(self, task: str, goal: int, text: str, rng: np.random.Generator) -> None:
        del task, text
        if goal != self._goal:
            self._goal, self._pilot = goal, self._make(goal)
        self._pilot.reset(rng)

    def act(self, observation: Observation) -> NDArray[np.float64]:
        if not self._is_checked:  # a package checks each time, a pilot leaves that to who flies it
            self._pilot.spec.check_observation(observation)
            self._is_checked = True
        return self._pilot.act(observation)

    def _make(self, goal: int) -> Policy:
        options = {**self._options, "goal": goal}
        return make_policy(self._name, self._limits, self._rate_hz, options)


class _Package:
    def __init__(self, policy: OnnxPolicy, path: Path) -> None:
        self._policy, self._path = policy, path
        self._task = policy.extra.get(TASK)
        self._vectors = _vectors_of(policy.spec, policy.extra.get(INSTRUCTIONS, {}), path)
        self._told: dict[str, NDArray[np.float32]] = {}

    @property
    def reads(self) -> frozenset[str]:
        return frozenset(tensor.name for tensor in self._policy.spec.observation)

    def begin(self, task: str, goal: int, text: str, rng: np.random.Generator) -> None:
        del goal
        if self._task not in (None, task):
            raise InstructionError(f"{self._path} was taught the task {self._task}, not {task}")
        if self._vectors:
            if text not in self._vectors:
                known = ", ".join(repr(each) for each in self._vectors)
                raise InstructionError(f"{self._path} was not taught {text!r}; it knows {known}")
            self._told = {INSTRUCTION: self._vectors[text]}
        self._policy.reset(rng)

    def act(self, observation: Observation) -> NDArray[np.float64]:
        return self._policy.act({**observation, **self._told})


def _vectors_of(
    spec: PolicySpec, carried: Mapping[str, Any], path: Path
) -> dict[str, NDArray[np.float32]]:
    """Vectors by text; empty for a policy that reads no instruction.

    Raises:
        InstructionError: it reads one, and the package does not carry what each text stands for.
    """
    shapes = [fixed_shape(tensor) for tensor in spec.observation if tensor.name == INSTRUCTION]
    if not shapes:
        return {}
    try:
        vectors = {text: np.array(values, np.float32) for text, values in carried.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise InstructionError(f"{path}: its instructions are malformed: {error}") from error
    if not vectors or any(vector.shape != shapes[0] for vector in vectors.values()):
        raise InstructionError(
            f"{path} reads an instruction of {shapes[0][0]} numbers, and its manifest does not "
            "say what each text stands for; export it again with its instructions"
        )
    return vectors
