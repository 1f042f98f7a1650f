"""From a learned actor to the model package that a robot runs: one graph from units to units.

The graph normalises what is observed, runs the network, and scales its answer to the range of the
action: nobody on the robot needs to know what happened in training. An export by torch takes
seconds, so it is done once for each shape of network; from then on weights are filled in, fast
enough to send a package to an actor while learning goes on. Such a package explores: its chance is
one more input, so that it acts exactly as the learner would have.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from perception.model_package import ModelPackage, write_package
from perception.onnx_export import check_parity
from perception.onnx_template import OnnxTemplate
from policies.image_encoder import EncoderConfig, ImageEncoder
from policies.image_inputs import ImageInputs
from policies.networks import Actor, bounded_log_std
from policies.observation_inputs import (
    FARTHEST,
    ObservationInputs,
    with_differences,
    with_waves,
)
from policies.spec import (
    ACTION,
    EXPLORATION,
    INSTRUCTION,
    PolicySpec,
    fixed_shape,
    with_exploration,
)

Inputs = ObservationInputs | ImageInputs


class DeployedPolicy(nn.Module):
    """Normaliser, network and scaling, for one observation; everything is a named parameter."""

    encoder: ImageEncoder  # where it sees

    def __init__(self, spec: PolicySpec, inputs: Inputs, actor: Actor) -> None:
        """Copies what was learned.

        Args:
            spec: of the policy; with "exploration" it is a policy that explores.
            inputs: the fitted normaliser.
            actor: the network.
        """
        super().__init__()
        mlp = actor.mlp
        self._names = [tensor.name for tensor in spec.observation]
        low, high = action_range(spec)
        self.mean, self.scale = _fixed(inputs.mean), _fixed(inputs.scale)
        self.centre, self.half_range = _fixed((low + high) / 2), _fixed((high - low) / 2)
        self.low, self.high = _fixed(low), _fixed(high)
        self.observed = _fixed(mlp.observed[0])
        self._waves, self._pairs = inputs.waves, inputs.pairs
        self._images: tuple[str, ...] = ()
        if isinstance(inputs, ImageInputs):
            self._images = inputs.images
            self.encoder = copy.deepcopy(inputs.encoder).requires_grad_(False)
        if inputs.instruction:
            self.project, self.instructed = _fixed(mlp.project[0]), _fixed(mlp.instructed[0])
        self.weights, self.biases, self.gains, self.offsets = (
            nn.ParameterList(_fixed(p[0]) for p in several)
            for several in (mlp.weights, mlp.biases, mlp.gains, mlp.offsets)
        )

    def forward(self, *observation: Tensor) -> Tensor:
        """The action (n,) in the units of the spec, from its tensors in its order."""
        given = dict(zip(self._names, observation, strict=True))
        instruction, noise = given.pop(INSTRUCTION, None), given.pop(EXPLORATION, None)
        seen = [self.encoder(given.pop(name).unsqueeze(0)) for name in self._images]
        plain = with_differences(
            torch.cat([tensor.flatten() for tensor in given.values()]).unsqueeze(0), self._pairs
        )
        plain = ((plain - self.mean) * self.scale).clamp(-FARTHEST, FARTHEST)
        plain = with_waves(plain, self._waves)
        plain = torch.cat([plain, *seen], dim=-1)
        hidden = plain @ self.observed + self.biases[0]  # (1, H)
        if instruction is not None:
            hidden = hidden + instruction.unsqueeze(0) @ self.project @ self.instructed
        hidden = self._activated(hidden, 0)
        *between, last = self.weights
        for layer, weight in enumerate(between, start=1):
            hidden = self._activated(hidden @ weight + self.biases[layer], layer)
        mean, log_std = (hidden @ last + self.biases[-1])[0].chunk(2)
        if noise is not None:
            mean = mean + bounded_log_std(log_std).exp() * noise
        return (self.centre + self.half_range * mean.tanh()).maximum(self.low).minimum(self.high)

    def _activated(self, hidden: Tensor, layer: int) -> Tensor:
        if len(self.gains):
            normed = functional.layer_norm(hidden, hidden.shape[-1:])
            hidden = normed * self.gains[layer] + self.offsets[layer]
        return hidden.relu()


def action_range(spec: PolicySpec) -> tuple[Tensor, Tensor]:
    """Lowest and highest action, (n,) each, in the units of the spec."""
    low = torch.tensor([bound.minimum for bound in spec.action])
    high = torch.tensor([bound.maximum for bound in spec.action])
    return low, high


def write_policy(
    path: Path,
    spec: PolicySpec,
    inputs: Inputs,
    actor: Actor,
    rows: Sequence[Mapping[str, NDArray[Any]]],
    *,
    explores: bool = False,
    **manifest: Any,
) -> ModelPackage:
    """Writes the package, if it acts as the network does.

    Args:
        path: of the package, ends in .onnx.
        spec: of the policy.
        inputs: the fitted normaliser.
        actor: the network.
        rows: observations on which both are compared.
        explores: whether it reads the chance of its actions, as the tensor "exploration".
        manifest: further fields of the manifest.

    Raises:
        ExportParityError: the exported graph acts otherwise on one of the rows.
        ModelPackageError: the package cannot be written.
    """
    if explores:
        spec = with_exploration(spec)
        chance = np.linspace(-1, 1, len(spec.action), dtype=np.float32)
        rows = [{**row, EXPLORATION: chance} for row in rows]
    deployed = DeployedPolicy(spec, inputs, actor).eval()
    mlp = actor.mlp
    hidden = tuple(bias.shape[-1] for bias in mlp.biases)[:-1]
    encoder = inputs.config if isinstance(inputs, ImageInputs) else None
    shape = Shape(hidden, mlp.layer_norm, inputs.waves, bool(inputs.pairs), encoder)
    onnx_bytes = _template(spec, shape).filled(deployed)
    for row in rows:
        check_parity(deployed, onnx_bytes, row)
    return write_package(path, onnx_bytes, spec.to_manifest(**manifest))


class Shape(NamedTuple):
    """What an exported graph hangs on besides the spec and its weights."""

    hidden: tuple[int, ...]
    layer_norm: bool
    waves: int
    relative: bool
    encoder: EncoderConfig | None


@lru_cache(maxsize=8)
def _template(spec: PolicySpec, shape: Shape) -> OnnxTemplate:
    blank = {t.name: np.zeros(fixed_shape(t), t.dtype) for t in spec.observation}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        seen = [tensor for tensor in spec.observation if tensor.name != EXPLORATION]
        plain = replace(spec, observation=tuple(seen))
        waves, relative = shape.waves, shape.relative
        inputs = (
            ObservationInputs(plain, waves, relative=relative)
            if shape.encoder is None
            else ImageInputs(plain, shape.encoder, waves, relative=relative)
        )
        actions, norm = len(spec.action), shape.layer_norm
        actor = Actor(inputs.features, inputs.instruction, actions, shape.hidden, layer_norm=norm)
        return OnnxTemplate(DeployedPolicy(spec, inputs, actor), blank, [ACTION])


def _fixed(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().clone(), requires_grad=False)
