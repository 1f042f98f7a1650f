"""An ensemble of Q functions with its slow copy, from which targets are made."""

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from policies.networks import EnsembleMlp, flattened
from policies.optimised import Optimised


class Critics:
    """E networks Q_i(s, a), their optimiser, and their moving average Q̂_i."""

    def __init__(self, networks: EnsembleMlp, learning_rate: float) -> None:
        """The slow copy begins as an equal one.

        Args:
            networks: of one output; their parameters are taken over.
            learning_rate: Adam's.
        """
        self._slow = copy.deepcopy(networks)
        self._slow_flat = flattened(self._slow)
        self.online = Optimised(networks, learning_rate)

    def q(self, state: Tensor, action: Tensor, *, frozen: bool = False) -> Tensor:
        """Q_i(s, a), (E, B) or (E, B, K) for K actions at each state.

        Args:
            state: (B, F + D).
            action: (B, n) or (B, K, n) in -1..1.
            frozen: gradients for the action alone.
        """
        return self.online.module(state, action, frozen).squeeze(-1)

    def slow_q(self, state: Tensor, action: Tensor) -> Tensor:
        """Q̂_i(s, a), like `q`, without gradients."""
        with torch.no_grad():
            return self._slow(state, action).squeeze(-1)

    def descend(self, losses: Iterable[Tensor], rate: float) -> None:
        """One step down the gradient of a sum of losses, then Q̂ ← (1 - τ) Q̂ + τ Q, τ = `rate`."""
        self.online.descend(losses)
        self._slow_flat.data.lerp_(self.online.flat.data, rate)

    def restart(self) -> None:
        """Q̂ ← Q, after weights were given from outside."""
        self._slow_flat.data.copy_(self.online.flat.data)

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimiser and slow copy."""
        return {"online": self.online.state_dict(), "slow": self._slow.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self.online.load_state_dict(state["online"])
        self._slow.load_state_dict(state["slow"])
