"""From named tensors to the row of numbers that a network reads, normalised by data.

The normaliser is part of the policy: it is saved with the weights and exported inside the graph, so
a robot gives metres and radians and never needs to know what the training data looked like.

A small network learns slowly what changes within a tenth of the range of its inputs: such as where
a gripper must close. Waves show it what is near what: sine and cosine of each number, the first
wave four standard deviations long and each further one half as long (Fourier features, Tancik et
al., arXiv 2006.10739; for values of actions, Yang et al., arXiv 2206.04672).
"""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from perception.model_package import TensorSpec
from policies.learner import Batch
from policies.spec import INSTRUCTION, PolicySpec, PolicySpecError, fixed_shape

LEAST_STD = 1e-3  # in the tensor's unit; what never moved in the data must not explode later
FARTHEST = 10.0  # standard deviations; farther off is read as this far
LONGEST_WAVE = 4.0  # standard deviations: most of what there is lies within one


class ObservationInputs(nn.Module):
    """The order of the tensors, their mean and their spread."""

    mean: Tensor  # (M,) of each number that is observed
    scale: Tensor  # (M,) 1 / standard deviation

    def __init__(self, spec: PolicySpec, waves: int = 0, *, relative: bool = False) -> None:
        """Passes numbers as they are until `fit`.

        Args:
            spec: of the policy.
            waves: W, how many stand for each number besides itself.
            relative: whether it is told where places are from each other too.

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
        self.waves = waves
        seen = [tensor for tensor in spec.observation if tensor.name != INSTRUCTION]
        self.pairs = pairs_of_places(seen) if relative else ()
        numbers = sum(sizes.values()) + len(self.pairs)  # M
        self.features = numbers * (1 + 2 * waves)  # F
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("scale", torch.ones(numbers))

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
        flat = torch.from_numpy(self._flat(batch, prefix))
        plain = with_waves(self.normalised(flat), self.waves)
        if not self.instruction:
            return plain
        return torch.cat([plain, torch.from_numpy(batch[prefix + INSTRUCTION])], dim=-1)

    def normalised(self, flat: Tensor) -> Tensor:
        """(..., M) from numbers in their units."""
        return ((flat - self.mean) * self.scale).clamp(-FARTHEST, FARTHEST)

    def _flat(self, batch: Batch, prefix: str) -> NDArray[np.float32]:
        rows = [batch[prefix + name] for name in self.names]
        flat = np.concatenate([values.reshape(len(values), -1) for values in rows], axis=1)
        return with_differences(torch.from_numpy(flat), self.pairs).numpy()


def with_differences(flat: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    """Numbers (..., M), and behind them the difference of each pair of them."""
    if not pairs:
        return flat
    first, second = (list(numbers) for numbers in zip(*pairs, strict=True))
    return torch.cat([flat, flat[..., first] - flat[..., second]], dim=-1)


def pairs_of_places(tensors: Sequence[TensorSpec]) -> tuple[tuple[int, int], ...]:
    """Which numbers, counted through all tensors, are the same coordinate of two places.

    A place is a row of two or three numbers in metres; all pairs of places of equal size count.
    """
    places: list[tuple[int, int]] = []  # where it begins, and how many numbers it has
    begin = 0
    for tensor in tensors:
        shape = fixed_shape(tensor)
        count = math.prod(shape)
        if tensor.unit == "m" and shape and shape[-1] in (2, 3):
            places += [(at, shape[-1]) for at in range(begin, begin + count, shape[-1])]
        begin += count
    return tuple(
        (one + axis, other + axis)
        for (one, size), (other, other_size) in combinations(places, 2)
        if size == other_size
        for axis in range(size)
    )


def with_waves(plain: Tensor, waves: int) -> Tensor:
    """Normalised numbers and what W waves are at each of them.

    Args:
        plain: (..., M) in standard deviations.
        waves: W, 0 for none.

    Returns:
        (..., (1 + 2 W) M): the numbers, then the sines and cosines of all waves, longest first.
    """
    if not waves:
        return plain
    per_std = [2 * math.pi / LONGEST_WAVE * 2**wave for wave in range(waves)]  # rad
    phases = torch.cat([plain * rad for rad in per_std], dim=-1)  # (..., W M)
    return torch.cat([plain, phases.sin(), phases.cos()], dim=-1)
