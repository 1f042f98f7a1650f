"""The clone of a pilot: a small network that chooses among the commands that a pilot gave.

A pilot that goes ahead, or turns left, or turns right must not be averaged: half a turn to each
side is flying on. So the network does not give a number but picks one of a few dozen of the pilot's
own actions, its codes (after Shafiullah et al., Behavior Transformers, arXiv 2206.11251, without
their offsets). A clone of codes never gives a command that its pilot would not understand: where
the pilot keeps what it is doing in its previous command, so does the clone, to the digit. Numbers
enter as piecewise linear codes between quantiles (Gorishniy et al., arXiv 2203.05556), which lets a
small network draw sharp thresholds.
"""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from perception.model_package import write_package
from perception.onnx_export import check_parity, export_onnx
from perception.torch_threads import one_thread
from policies.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from policies.learner import Batch, Practice
from policies.observation import PREVIOUS_COMMAND, Observation
from policies.spec import ACTION, PolicySpec, fixed_shape

PARITY_ROWS = 8  # recorded observations on which an export is compared


@dataclass(frozen=True)
class Config:
    """Choices of the algorithm."""

    hidden: tuple[int, ...] = (128, 128)  # units per layer; a reflex is a small function
    learning_rate: float = 4e-3  # Adam's, falls to 0 along a cosine during `fit`
    batch_size: int = 256
    codes: int = 64  # actions to choose from
    quantiles: int = 24  # pieces per number that is observed


class Network(nn.Module):
    """Observation tensors in, one of the codes out; all that it knows of the data is inside."""

    codes: Tensor  # (codes, actions) in the units of the spec
    half_range: Tensor  # (actions,) of the spec; makes actions of different units comparable
    edges: Tensor  # (quantiles, features) where the pieces of each number begin
    per_width: Tensor  # (quantiles, features) 1 / width of the pieces; 0 where one is empty

    def __init__(self, spec: PolicySpec, config: Config) -> None:
        super().__init__()
        shapes = [fixed_shape(tensor) for tensor in spec.observation]
        names = [tensor.name for tensor in spec.observation]
        features = sum(math.prod(shape) for shape in shapes)
        self._axes = [len(shape) for shape in shapes]
        self._previous = names.index(PREVIOUS_COMMAND) if PREVIOUS_COMMAND in names else None
        low = torch.tensor([bound.minimum for bound in spec.action])
        high = torch.tensor([bound.maximum for bound in spec.action])
        self.register_buffer("codes", ((high + low) / 2).repeat(config.codes, 1))
        self.register_buffer("half_range", (high - low) / 2)
        self.register_buffer("edges", torch.zeros(config.quantiles, features))
        self.register_buffer("per_width", torch.zeros(config.quantiles, features))
        inputs = config.quantiles * features
        if self._previous is not None:
            inputs += config.codes
        sizes = [inputs, *config.hidden]
        layers = [
            layer
            for width, units in pairwise(sizes)
            for layer in (nn.Linear(width, units), nn.ReLU())
        ]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], config.codes))

    def flatten(self, *observation: Tensor) -> Tensor:
        """(..., features) from the tensors in the order of the spec."""
        flat = [tensor.flatten(-axes) for tensor, axes in zip(observation, self._axes, strict=True)]
        return torch.cat(flat, dim=-1)

    def nearest_code(self, action: Tensor) -> Tensor:
        """Which code (...) an action (..., actions) is nearest to, in half ranges."""
        apart = (action.unsqueeze(-2) - self.codes) / self.half_range
        return apart.abs().sum(-1).argmin(-1)

    def logits(self, *observation: Tensor) -> Tensor:
        """Of each code, (..., codes)."""
        flat = self.flatten(*observation)
        pieces = ((flat.unsqueeze(-2) - self.edges) * self.per_width).clamp(0.0, 1.0).flatten(-2)
        if self._previous is not None:
            code = self.nearest_code(observation[self._previous])
            pieces = torch.cat([pieces, functional.one_hot(code, len(self.codes)).float()], dim=-1)
        return self.layers(pieces)

    def forward(self, *observation: Tensor) -> Tensor:
        """The likeliest code (..., actions), an action of the pilot."""
        return self.codes[self.logits(*observation).argmax(-1)]


class PilotClone:
    """Learns from pairs of observation and action."""

    name = "clone"
    Config = Config

    def __init__(self, spec: PolicySpec, config: Config, seed: int) -> None:
        """Equal seeds and equal data give equal policies."""
        self.spec = spec
        self.practice = Practice(config.batch_size, 1.0, learns_online=False)
        self.config = config
        self._rng = np.random.default_rng(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._network = Network(spec, config)
        self._recorded = {
            tensor.name: np.zeros((1, *fixed_shape(tensor)), np.float32)
            for tensor in spec.observation
        }
        self._prepared = False
        self.updates = 0
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=config.learning_rate)

    def fit(
        self,
        observations: Batch,
        actions: NDArray[np.float32],
        steps: int,
        on_progress: Callable[[int, dict[str, float]], None] | None = None,
    ) -> dict[str, float]:
        """Chooses codes and pieces from the data, then learns for `steps` random batches.

        Args:
            observations: the tensors of the spec, (N, ...) each.
            actions: (N, actions) what the pilot did.
            steps: number of updates.
            on_progress: called after each with the number of steps done and its metrics.

        Returns:
            The metrics of the last update.
        """
        data = {name: np.asarray(observations[name], np.float32) for name in self._names}
        data[ACTION] = np.asarray(actions, np.float32)
        self.prepare(data)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimiser, steps)
        metrics: dict[str, float] = {}
        with one_thread():
            for step in range(steps):
                rows = self._rng.integers(len(actions), size=self.config.batch_size)
                metrics = self.update({name: values[rows] for name, values in data.items()})
                schedule.step()
                if on_progress is not None:
                    on_progress(step + 1, metrics)
        return metrics

    def update(self, batch: Batch) -> dict[str, float]:
        """One step on the likelihood of the codes nearest to the actions (cross-entropy).

        Without a `fit` before, the first batch gives codes and pieces.
        """
        if not self._prepared:
            self.prepare(batch)
        self._recorded = {name: batch[name][:PARITY_ROWS] for name in self._names}
        code = self._network.nearest_code(torch.from_numpy(batch[ACTION]))
        loss = functional.cross_entropy(self._network.logits(*self._tensors(batch)), code)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self.updates += 1
        return {"loss": loss.item()}

    def act(self, observation: Observation, explore: bool = False) -> NDArray[np.float64]:
        """The action (n,) of what is learned so far; a clone does not explore."""
        del explore
        with torch.no_grad():
            action = self._network(*self._tensors(self.spec.check_observation(observation)))
        return action.numpy().astype(np.float64)

    def export(self, path: Path, **manifest: Any) -> None:
        """Writes the policy as a model package, if it acts there as it does here.

        Args:
            path: of the package, ends in .onnx.
            manifest: further fields of the manifest, such as `calibration_hash`.

        Raises:
            ExportParityError: the exported graph acts otherwise on observations last learned from.
        """
        rows = [
            {name: values[row] for name, values in self._recorded.items()}
            for row in range(len(self._recorded[self._names[0]]))
        ]
        onnx_bytes = export_onnx(self._network, rows[0], [ACTION])
        for row in rows[1:]:
            check_parity(self._network, onnx_bytes, row)
        config_hash = hashlib.sha256(json.dumps(asdict(self.config)).encode()).hexdigest()
        filled = self.spec.to_manifest(training_config_hash=config_hash, **manifest)
        write_package(path, onnx_bytes, filled)

    def save(self, path: Path) -> None:
        """Writes a checkpoint: see `policies.checkpoint`."""
        state = {
            "network": self._network.state_dict(),
            "adam": self._optimiser.state_dict(),
            "prepared": self._prepared,
            "updates": self.updates,
            "rng": json.dumps(self._rng.bit_generator.state),
            "recorded": {name: torch.from_numpy(v.copy()) for name, v in self._recorded.items()},
        }
        write_checkpoint(path, self.name, self.spec, self.config, state)

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint.

        Raises:
            CheckpointError: missing, damaged, or of another learner, version, spec or size.
        """
        state = read_checkpoint(path, (self.name,), self.spec)
        try:
            self._network.load_state_dict(state["network"])
            self._optimiser.load_state_dict(state["adam"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise CheckpointError(f"{path} is of a clone of another size") from error
        self._prepared, self.updates = state["prepared"], state["updates"]
        self._rng.bit_generator.state = json.loads(state["rng"])
        self._recorded = {name: values.numpy() for name, values in state["recorded"].items()}

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(tensor.name for tensor in self.spec.observation)

    def _tensors(self, batch: Batch) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(batch[name]) for name in self._names)

    def prepare(self, batch: Batch) -> None:
        """Chooses codes and pieces from observations and actions."""
        network = self._network
        flat = network.flatten(*self._tensors(batch)).numpy()  # (N, features)
        edges = np.quantile(flat, np.linspace(0.0, 1.0, self.config.quantiles + 1), axis=0)
        width = np.diff(edges, axis=0)
        per_width = np.divide(1.0, width, out=np.zeros_like(width), where=width > 0)
        network.edges.copy_(torch.from_numpy(edges[:-1]))
        network.per_width.copy_(torch.from_numpy(per_width))
        half_range = network.half_range.numpy()
        codes = half_range * farthest_first(batch[ACTION] / half_range, self.config.codes)
        low, high = ([getattr(b, end) for b in self.spec.action] for end in ("minimum", "maximum"))
        network.codes.copy_(torch.from_numpy(np.clip(codes, low, high)))
        self._prepared = True


def farthest_first(points: NDArray[np.floating], count: int) -> NDArray[np.floating]:
    """`count` of the points (N, D), each the farthest from those before it (Gonzalez 1985).

    Rare points far from the others count as much as common ones. The first point comes first; with
    fewer different points than `count` the last one repeats.
    """
    chosen = [points[0]]
    apart = np.abs(points - chosen[0]).sum(-1)
    while len(chosen) < count:
        chosen.append(points[apart.argmax()])
        apart = np.minimum(apart, np.abs(points - chosen[-1]).sum(-1))
    return np.stack(chosen)
