"""The optimiser of a network that learns in flight: Muon for its filters, AdamW for the rest.

Muon gives every singular value of a matrix's momentum the same size (Jordan et al. 2024,
https://kellerjordan.github.io/posts/muon/, as `torch.optim.Muon` has it), so a filter that few
images speak of learns as fast as one of which all do. A robot that learns while it flies is short
of time, not of memory: half of the updates then teach as much (docs/decisions/0019). Muon takes
matrices; a filter (outputs, inputs, k, k) is seen as one of (outputs, k k inputs). The first and
the last layer are AdamW's, as its authors advise.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from perception.mono_net import MonoNet

MUON_RATE = 10.0  # of AdamW's rate; its steps have a length of their own


class MonoOptimiser(torch.optim.Optimizer):
    """Two optimisers that step together; a scheduler sees two groups, each with its rate."""

    def __init__(self, net: MonoNet, learning_rate: float, weight_decay: float) -> None:
        """Nothing stepped yet.

        Args:
            net: with its filters in channels-last order; what needs no gradient is left alone.
            learning_rate: AdamW's; Muon's is `MUON_RATE` times that.
            weight_decay: of both, times the rate at each step.

        Raises:
            ValueError: a filter lies in another order, so that a step would not reach it.
        """
        ends = {id(weight) for end in (net.to_half, net.head) for weight in end.parameters()}
        learned = [weight for weight in net.parameters() if weight.requires_grad]
        self._filters = [w for w in learned if w.ndim == 4 and id(w) not in ends]
        rest = [w for w in learned if w.ndim != 4 or id(w) in ends]
        self._matrices = [nn.Parameter(_as_matrix(weight)) for weight in self._filters]
        for weight, matrix in zip(self._filters, self._matrices, strict=True):
            if weight.data_ptr() != matrix.data_ptr():
                raise ValueError(f"a filter {tuple(weight.shape)} is not in channels-last order")
        muon_rate = MUON_RATE * learning_rate
        super().__init__(
            [{"params": self._filters, "lr": muon_rate}, {"params": rest, "lr": learning_rate}], {}
        )
        self._inner: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(self._matrices, lr=muon_rate, weight_decay=weight_decay),
            torch.optim.AdamW(rest, lr=learning_rate, weight_decay=weight_decay, fused=True),
        )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both, by the gradients that the parameters have now."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimiser, group in zip(self._inner, self.param_groups, strict=True):
            optimiser.param_groups[0]["lr"] = group["lr"]
        for weight, matrix in zip(self._filters, self._matrices, strict=True):
            matrix.grad = None if weight.grad is None else _as_matrix(weight.grad)
        for optimiser in self._inner:
            optimiser.step()
        return loss


def _as_matrix(values: Tensor) -> Tensor:
    """(outputs, inputs, k, k) as (outputs, k k inputs), of a channels-last filter as a view."""
    return values.detach().permute(0, 2, 3, 1).flatten(1)
