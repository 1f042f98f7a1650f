"""From named tensors to the row of numbers that a network reads, normalised by data.

The normaliser is part of the policy: it is saved with the weights and exported inside the graph, so
a robot gives metres and radians and never needs to know what the training data looked like.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from policies.learner import Batch
from policies.spec import INSTRUCTION, PolicySpec, PolicySpecError, fixed_shape

LEAST_STD = 1e-3  # in the tensor's unit; what never moved in the data must not explode later
FARTHEST = 10.0  # standard deviations; farther off is read as this far


class ObservationInputs(nn.Module):
    """The order of the tensors, their mean and their spread."""

    mean: Tensor  # (F,)
    scale: Tensor  # (F,) 1 / standard deviation

    def __init__(self, spec: PolicySpec) -> None:
        """Passes numbers as they are until `fit`.

        Raises:
            PolicySpecError: a tensor that is not float32.
        """
        super().__init__()
        if strange := [t.name for t in spec.observation if t.dtype != "float32"]:
            raise PolicySpecError(
                f"this learner reads numbers (float32), but {', '.join(strange)} is not of these; "
                "leave it out (--sees), or choose a learner of images (drq)"
            )
        sizes = {t.name: math.prod(fixed_shape(t)) for t in spec.observation}
        self.instruction = sizes.pop(INSTRUCTION, 0)  # D
        self.names = tuple(sizes)
        self.features = sum(sizes.values())  # F
        self.register_buffer("mean", torch.zeros(self.features))
        self.register_buffer("scale", torch.ones(self.features))

    def fit(self, batch: Batch) -> None:
        """Takes mean and spread of each number from the batch."""
        flat = self._flat(batch, "").astype(np.float64)
        self.mean.copy_(torch.from_numpy(flat.mean(0)))
        self.scale.copy_(torch.from_numpy(1 / np.maximum(flat.std(0), LEAST_STD)))

    def states(self, batch: Batch, prefix: str = "") -> Tensor:
        """(B, F + D) of a batch; the instruction stays as it is, last.

        Args:
            batch: arrays by name.
            prefix: "" for the observation before the step, "next_" for the one after it.
        """
        plain = self.normalised(torch.from_numpy(self._flat(batch, prefix)))
        if not self.instruction:
            return plain
        return torch.cat([plain, torch.from_numpy(batch[prefix + INSTRUCTION])], dim=-1)

    def normalised(self, flat: Tensor) -> Tensor:
        """(..., F) from numbers in their units."""
        return ((flat - self.mean) * self.scale).clamp(-FARTHEST, FARTHEST)

    def _flat(self, batch: Batch, prefix: str) -> NDArray[np.float32]:
        rows = [batch[prefix + name] for name in self.names]
        return np.concatenate([values.reshape(len(values), -1) for values in rows], axis=1)
