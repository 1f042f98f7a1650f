"""What a policy reads, what it commands and how often: checked where policy and robot meet.

A spec is part of the manifest of every exported policy. It is compared with the robot when a
learner is built, at export, and when the node that flies the policy starts, so that a policy made
for another robot is refused on the ground, in one line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import AxisLimit, Limits
from perception.model_package import Bound, Manifest, TensorSpec
from perception.quantities import InputError

KIND = "policy"  # of the manifest
ACTION = "action"  # name of the action in batches, and of the output of an exported policy
INSTRUCTION = "instruction"  # reserved observation: the vector that stands for the goal's words

IMAGE_DTYPE = "uint8"  # of tensors that are images and not numbers
EXPLORATION = "exploration"  # reserved observation: (n,) standard normal numbers, or zeros


class PolicySpecError(InputError):
    """A policy that does not fit the robot or the observation it is given."""


@dataclass(frozen=True)
class AxisBound:
    """What a policy may command on one axis."""

    name: str
    unit: str
    minimum: float  # unit
    maximum: float  # unit


@dataclass(frozen=True)
class PolicySpec:
    """The contract of a policy."""

    observation: tuple[TensorSpec, ...]
    action: tuple[AxisBound, ...]
    rate_hz: float  # how often it acts

    @classmethod
    def from_manifest(cls, manifest: Manifest) -> "PolicySpec":
        """Reads the policy's part of a manifest.

        Raises:
            PolicySpecError: the manifest is not of a policy, or lacks its bounds or rate.
        """
        if manifest.kind != KIND:
            raise PolicySpecError(f"the package is a {manifest.kind!r}; a {KIND!r} is needed")
        if manifest.rate_hz is None or not manifest.limits:
            raise PolicySpecError(
                "the package of a policy needs rate_hz and limits in its manifest"
            )
        return cls(
            manifest.inputs,
            tuple(AxisBound(**bound) for bound in manifest.limits),
            manifest.rate_hz,
        )

    def to_manifest(self, **rest: Any) -> Manifest:
        """The manifest of a package with this policy; `rest` are the other fields of Manifest."""
        action = TensorSpec(ACTION, (len(self.action),), "float32", self._action_unit())
        return Manifest(
            kind=KIND,
            inputs=self.observation,
            outputs=(action,),
            rate_hz=self.rate_hz,
            limits=[Bound(**asdict(bound)) for bound in self.action],
            **rest,
        )

    def check_observation(self, observation: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The part of an observation that the policy reads.

        Raises:
            PolicySpecError: a tensor that is missing, or of another shape or dtype.
        """
        for spec in self.observation:
            if spec.name not in observation:
                observed = ", ".join(observation)
                raise PolicySpecError(
                    f"the policy reads {spec.name!r}, but what is observed is {observed}"
                )
            value = observation[spec.name]
            if value.shape != fixed_shape(spec) or value.dtype != np.dtype(spec.dtype):
                raise PolicySpecError(
                    f"the policy reads {spec.name!r} as {spec.dtype} {spec.shape}, "
                    f"but {value.dtype} {value.shape} is observed"
                )
        return {spec.name: observation[spec.name] for spec in self.observation}

    def check_compatible(self, axes: Sequence[AxisLimit], rate_hz: float) -> None:
        """Refuses a robot, or a rate, that the policy was not made for.

        Raises:
            PolicySpecError: other axes, bounds outside the robot's, or another rate.
        """
        made_for = [f"{bound.name} {bound.unit}" for bound in self.action]
        robot = [f"{axis.name} {axis.unit}" for axis in axes]
        if made_for != robot:
            raise PolicySpecError(
                f"the policy commands ({', '.join(made_for)}), the robot takes ({', '.join(robot)})"
            )
        for bound, axis in zip(self.action, axes, strict=True):
            if bound.minimum < axis.minimum or bound.maximum > axis.maximum:
                raise PolicySpecError(
                    f"the policy commands {bound.name} within {bound.minimum}..{bound.maximum} "
                    f"{bound.unit}, the robot allows {axis.minimum}..{axis.maximum}"
                )
        if rate_hz != self.rate_hz:
            raise PolicySpecError(
                f"the policy acts at {self.rate_hz:g} Hz, the graph runs it at {rate_hz:g} Hz"
            )

    def clip(self, action: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) within the bounds."""
        return np.clip(
            action,
            [bound.minimum for bound in self.action],
            [bound.maximum for bound in self.action],
        )

    def _action_unit(self) -> str:
        return ", ".join(bound.unit for bound in self.action)


def fixed_shape(tensor: TensorSpec) -> tuple[int, ...]:
    """The shape of a tensor of an observation.

    Raises:
        PolicySpecError: a size is open; a policy acts on one observation of fixed size.
    """
    sizes = tuple(size for size in tensor.shape if size is not None)
    if len(sizes) < len(tensor.shape):
        raise PolicySpecError(f"{tensor.name!r} has an open size in {tensor.shape}; give a number")
    return sizes


def with_instruction(spec: PolicySpec, size: int) -> PolicySpec:
    """The spec of a policy that also reads the vector (size,) of its goal's words."""
    instruction = TensorSpec(INSTRUCTION, (size,), "float32", "1")
    return replace(spec, observation=(*spec.observation, instruction))


def seeing(spec: PolicySpec, names: tuple[str, ...]) -> PolicySpec:
    """The spec of a policy that reads these tensors alone, and its instruction; none: all.

    Raises:
        PolicySpecError: a tensor that is not observed; lists those that are.
    """
    observed = [tensor.name for tensor in spec.observation]
    if unknown := [name for name in names if name not in observed]:
        raise PolicySpecError(f"{unknown[0]!r} is not observed; there are: {', '.join(observed)}")
    wanted = {*names, INSTRUCTION} if names else {*observed}
    return replace(spec, observation=tuple(t for t in spec.observation if t.name in wanted))


def with_exploration(spec: PolicySpec) -> PolicySpec:
    """The spec of a policy that is given its chance; what it does with zeros is likeliest."""
    chance = TensorSpec(EXPLORATION, (len(spec.action),), "float32", "1")
    return replace(spec, observation=(*spec.observation, chance))


def bounds_of(limits: Limits) -> tuple[AxisBound, ...]:
    """The whole range that a robot allows."""
    return tuple(
        AxisBound(axis.name, axis.unit, axis.minimum, axis.maximum) for axis in limits.axes
    )
