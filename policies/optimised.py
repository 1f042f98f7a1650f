"""A network together with its optimiser: one vector, one step, one state to save."""

import copy
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from policies.networks import flattened

M = TypeVar("M", bound=nn.Module)


class Optimised(Generic[M]):
    """Adam on all parameters of a module (Kingma and Ba, arXiv 1412.6980)."""

    def __init__(self, module: M, learning_rate: float) -> None:
        """Takes the module's parameters over; the module goes on to be used as it was."""
        self.module = module
        self.flat = flattened(module)
        self._gradient = torch.zeros_like(self.flat) if self.flat.grad is None else self.flat.grad
        self._adam = torch.optim.Adam([self.flat], lr=learning_rate, fused=True)

    def descend(self, losses: Iterable[Tensor]) -> None:
        """One step down the gradient of a sum of losses, each made and forgotten in its turn."""
        self.begin()
        for loss in losses:
            loss.backward()
        self.step()

    def begin(self) -> None:
        """Forgets the gradient: what goes backward from here on counts."""
        self._gradient.zero_()

    def step(self) -> None:
        """One step down the gradient since `begin`."""
        self._adam.step()

    def state_dict(self) -> dict[str, Any]:
        """Weights and moments."""
        return {"module": self.module.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave; the learning rate stays the own one."""
        rate = self._adam.param_groups[0]["lr"]
        self.module.load_state_dict(state["module"])
        self._adam.load_state_dict(state["adam"])
        self._adam.param_groups[0]["lr"] = rate


class Steady(Generic[M]):
    """A copy of a network that follows it: the moving average of its weights.

    While an actor learns, each update decides a few close calls anew, such as whether a gripper
    opens here; weights averaged over many updates are what these updates agree on (Polyak and
    Juditsky, doi 10.1137/0330046).
    """

    def __init__(self, followed: Optimised[M], rate: float) -> None:
        """Begins as an equal copy.

        Args:
            followed: the network.
            rate: 0..1, of the way to it that is gone at each step.
        """
        self.module = copy.deepcopy(followed.module)
        self._flat, self._followed, self._rate = flattened(self.module), followed, rate

    def step(self) -> None:
        """Comes nearer, after each update."""
        self._flat.data.lerp_(self._followed.flat.data, self._rate)

    def restart(self) -> None:
        """An equal copy again, after weights were given from outside."""
        self._flat.data.copy_(self._followed.flat.data)

    def state_dict(self) -> dict[str, Any]:
        """Weights."""
        return self.module.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self.module.load_state_dict(state)


class Temperature(nn.Module):
    """log α, how much an actor is paid for being undecided."""

    def __init__(self, initial: float) -> None:
        """Begins at α = `initial`."""
        super().__init__()
        self.log_alpha = nn.Parameter(torch.tensor([initial]).log())

    def forward(self) -> Tensor:
        """α (1,), without gradient."""
        return self.log_alpha.detach().exp()
