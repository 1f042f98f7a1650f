"""A reward for being where demonstrations were: a discriminator tells their states from one's own.

MEDAL (Sharma et al., arXiv 2205.05212; numbers of github.com/architsharma97/medal): C(s), with one
hidden layer of 128, is trained to tell states of forward demonstrations (1) from states that the
backward policy visits (0): cross-entropy on pairs that are mixed up (mixup with Beta(1, 1)), 400 of
each, Adam at 3e-4. The reward -log(1 - sigmoid(C(s'))) is high where they cannot be told apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from perception.torch_threads import one_thread

EPSILON = 1e-10  # published; bounds the reward at 23
CAPACITY = 100_000  # own states kept, the newest


@dataclass(frozen=True)
class MatchConfig:
    """Choices of the discriminator, as published."""

    hidden: int = 128
    learning_rate: float = 3e-4
    rows: int = 400  # of each kind in a batch


class StateMatcher:
    """C(s), its optimiser, and the states that it learns from."""

    def __init__(
        self, config: MatchConfig, wanted: NDArray[np.float32], rng: np.random.Generator
    ) -> None:
        """Knows no states of its own yet.

        Args:
            config: choices.
            wanted: (N, D) states of demonstrations.
            rng: all chance comes from here.
        """
        self._config = config
        self._rng = rng
        self._wanted = wanted.astype(np.float32)
        self._middle = self._wanted.mean(0)
        self._scale = np.maximum(self._wanted.std(0), 1e-3).astype(np.float32)
        size = wanted.shape[1]
        self._own = np.zeros((CAPACITY, size), np.float32)
        self._added = 0
        with torch.random.fork_rng():
            torch.manual_seed(int(rng.integers(2**31)))
            self._network = nn.Sequential(
                nn.Linear(size, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 1)
            )
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=config.learning_rate)

    def add(self, state: NDArray[np.float32]) -> None:
        """One state (D,) that was visited."""
        self._own[self._added % CAPACITY] = state
        self._added += 1

    def reward(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) of states (N, D), from 0, where no demonstration was, to 23."""
        with one_thread(), torch.no_grad():
            likely = torch.sigmoid(self._network(self._scaled(states))).squeeze(-1)
            return -torch.log(1 - likely + EPSILON).numpy()

    def update(self) -> float:
        """One step of learning; the loss. Needs a state of its own."""
        rows = self._config.rows
        own = self._own[self._rng.integers(min(self._added, CAPACITY), size=rows)]
        wanted = self._wanted[self._rng.integers(len(self._wanted), size=rows)]
        states = self._scaled(np.concatenate([wanted, own]))
        labels = torch.cat([torch.ones(rows, 1), torch.zeros(rows, 1)])
        part = torch.from_numpy(self._rng.beta(1.0, 1.0, (2 * rows, 1)).astype(np.float32))
        other = torch.from_numpy(self._rng.permutation(2 * rows))
        with one_thread():
            logits = self._network(part * states + (1 - part) * states[other])
            mixed = part * labels + (1 - part) * labels[other]
            loss = functional.binary_cross_entropy_with_logits(logits, mixed)
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
        return loss.item()

    def save(self) -> dict[str, Any]:
        """Everything but the demonstrations: arrays and JSON values."""
        moments = self._optimiser.state_dict()["state"]
        return {
            "network": {k: v.numpy().copy() for k, v in self._network.state_dict().items()},
            "moments": {
                str(index): {k: v.numpy().copy() for k, v in row.items()}
                for index, row in moments.items()
            },
            "own": self._own[: min(self._added, CAPACITY)].copy(),
            "added": self._added,
            "chance": self._rng.bit_generator.state,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what was saved by one with the same demonstrations."""
        self._network.load_state_dict(
            {k: torch.from_numpy(np.array(v)) for k, v in state["network"].items()}
        )
        self._optimiser.load_state_dict(
            {
                "state": {
                    int(index): {k: torch.from_numpy(np.array(v)) for k, v in row.items()}
                    for index, row in state["moments"].items()
                },
                "param_groups": self._optimiser.state_dict()["param_groups"],
            }
        )
        self._own[: len(state["own"])] = state["own"]
        self._added = int(state["added"])
        self._rng.bit_generator.state = state["chance"]

    def _scaled(self, states: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy((states - self._middle) / self._scale)
