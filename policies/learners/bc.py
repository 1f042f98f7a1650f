"""Behaviour cloning: a small network that repeats what a pilot did.

A pilot that goes ahead, or turns left, or turns right must not be averaged: half a turn to each
side is flying on. So the network gives several actions, the modes, with a probability each, is
trained by the likelihood of what the pilot did (a mixture density network, Bishop 1994; for
cloning: Mandlekar et al., arXiv 2108.03298, with Gaussian modes; Laplace's here, which forgive an
odd sample), and acts by the likeliest mode.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from perception.model_package import write_package
from perception.onnx_export import check_parity, export_onnx
from policies.learner import Batch
from policies.observation import Observation
from policies.spec import ACTION, PolicySpec, fixed_shape

PARITY_ROWS = 8  # recorded observations on which an export is compared


@dataclass(frozen=True)
class Config:
    """Choices of the algorithm."""

    hidden: tuple[int, ...] = (128, 128)  # units per layer; a reflex is a small function
    learning_rate: float = 3e-3  # Adam's, falls to 0 along a cosine during `fit`
    batch_size: int = 256
    modes: int = 8  # actions to choose from; a pilot has few things to do at a time
    spread: float = 0.05  # half ranges; how far an action may be from the mode that it belongs to


class Network(nn.Module):
    """Observation tensors in, bounded action out; its normaliser is inside."""

    mean: Tensor  # (features,)
    deviation: Tensor  # (features,)
    middle: Tensor  # (actions,)
    half_range: Tensor  # (actions,)

    def __init__(self, spec: PolicySpec, hidden: tuple[int, ...], modes: int) -> None:
        super().__init__()
        self._shape = (modes, len(spec.action))
        features = sum(math.prod(fixed_shape(tensor)) for tensor in spec.observation)
        self._axes = [len(tensor.shape) for tensor in spec.observation]
        low = torch.tensor([bound.minimum for bound in spec.action])
        high = torch.tensor([bound.maximum for bound in spec.action])
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.register_buffer("middle", (high + low) / 2)
        self.register_buffer("half_range", (high - low) / 2)
        sizes = [features, *hidden]
        layers = [
            layer
            for inputs, outputs in pairwise(sizes)
            for layer in (nn.Linear(inputs, outputs), nn.ReLU())
        ]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], modes * (1 + len(spec.action))))

    def flatten(self, *observation: Tensor) -> Tensor:
        """(..., features) from the tensors in the order of the spec."""
        flat = [tensor.flatten(-axes) for tensor, axes in zip(observation, self._axes, strict=True)]
        return torch.cat(flat, dim=-1)

    def modes(self, *observation: Tensor) -> tuple[Tensor, Tensor]:
        """Each mode's logit (..., modes) and action (..., modes, actions).

        Actions are in half ranges from the middle, and not yet bounded.
        """
        out = self.layers((self.flatten(*observation) - self.mean) / self.deviation)
        modes, _ = self._shape
        return out[..., :modes], out[..., modes:].unflatten(-1, self._shape)

    def forward(self, *observation: Tensor) -> Tensor:
        """The action (..., actions) of the likeliest mode, within the bounds of the spec."""
        logits, actions = self.modes(*observation)
        likeliest = logits.argmax(-1, keepdim=True).unsqueeze(-1)  # (..., 1, 1)
        shape = (*likeliest.shape[:-1], actions.shape[-1])
        action = actions.gather(-2, likeliest.expand(shape)).squeeze(-2)
        return self.middle + self.half_range * action.clamp(-1.0, 1.0)


class BehaviorCloning:
    """Learns from pairs of observation and action."""

    Config = Config

    def __init__(self, spec: PolicySpec, config: Config, seed: int) -> None:
        """Equal seeds and equal data give equal policies."""
        self.spec = spec
        self.config = config
        self._rng = np.random.default_rng(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._network = Network(spec, config.hidden, config.modes)
        self._recorded = {
            tensor.name: np.zeros((1, *fixed_shape(tensor)), np.float32)
            for tensor in spec.observation
        }
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=config.learning_rate)

    def fit(
        self,
        observations: Batch,
        actions: NDArray[np.float32],
        steps: int,
        on_progress: Callable[[int, dict[str, float]], None] | None = None,
    ) -> dict[str, float]:
        """Sets the normaliser from the data, then learns for `steps` random batches.

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
        self._normalise(data)
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
        """One step on the likelihood; the loss is 0 where a mode of probability 1 hits."""
        self._recorded = {name: batch[name][:PARITY_ROWS] for name in self._names}
        target = (torch.from_numpy(batch[ACTION]) - self._network.middle) / self._network.half_range
        logits, actions = self._network.modes(*self._tensors(batch))
        error = (actions - target.unsqueeze(-2)).abs().sum(-1)  # (B, modes)
        likelihood = torch.logsumexp(
            logits.log_softmax(-1) - error / self.config.spread, -1
        )  # (B,)
        weight = torch.from_numpy(batch["weight"]) if "weight" in batch else torch.ones(len(target))
        loss = -(weight * likelihood).mean()
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        return {"loss": loss.item()}

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The action (n,) of what is learned so far."""
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

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(tensor.name for tensor in self.spec.observation)

    def _tensors(self, batch: Batch) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(batch[name]) for name in self._names)

    def _normalise(self, data: Batch) -> None:
        features = self._network.flatten(*self._tensors(data))  # (N, features)
        self._network.mean.copy_(features.mean(0))
        self._network.deviation.copy_(features.std(0).clamp(min=1e-3))  # constants stay finite


@contextmanager
def one_thread() -> Iterator[None]:
    """Lets torch work on one thread: in a network this small, more would wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
