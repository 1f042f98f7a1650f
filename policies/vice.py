"""A reward that learns while it is used: all that practice shows is a failure to it.

VICE (Fu et al., arXiv 1805.11686) as robots use it: a classifier tells the goals that demonstrators
reached from the states of practice, learns on all the while, and says yes above even odds. What it
said yes to is a failure in its next lessons, so a policy cannot please it for long by anything but
the goal. No person and no truth says how an attempt of practice ended, and nothing is promised.

It stands beside `classifier`, which is proved and does not change. It sees what the policy sees:
its inputs are tensors of the observation, by name, and never the truth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from perception.goal import Goal
from perception.torch_threads import one_thread
from policies.data_set import DataSet
from policies.episodes import Episode
from policies.observation import Observation
from policies.rewards import Judgement, RewardError, judgement

MOST_NUMBERS = 4096  # of a row: images are for `perception.image_features` to make numbers of
LEAST_SPREAD = 1e-3  # of an input, in its own unit: what never moved is not blown up


@dataclass(frozen=True)
class ViceConfig:
    """What it learns from, and how."""

    shown: str = ""  # folder of a data set: successes, and what came before them
    sees: tuple[str, ...] = ()  # tensors of an observation: numbers, such as features of images
    hidden: tuple[int, ...] = (128, 128)
    updates_before: int = 500  # before the first step, from what was shown
    updates_per_step: float = 0.5
    batch_size: int = 128  # half of it successes
    learning_rate: float = 3e-4
    mixing: float = 1.0  # alpha of mixup (Zhang et al., arXiv 1710.09412); 0: none
    memory: int = 20_000  # failures; the oldest of practice give way

    def __post_init__(self) -> None:
        """Refuses numbers that mean nothing.

        Raises:
            RewardError: naming the number.
        """
        for name in ("batch_size", "memory", "learning_rate"):
            if getattr(self, name) <= 0:
                raise RewardError(f"{name} = {getattr(self, name)}; must be above 0")
        for name in ("updates_before", "updates_per_step", "mixing"):
            if getattr(self, name) < 0:
                raise RewardError(f"{name} = {getattr(self, name)}; must be 0 or more")


class Vice:
    """Judges by a classifier that learns on.

    A row, (D + goals,): the tensors of `sees`, flattened, then a one for the goal. The network
    reads the former in units of their spread where it was shown what is to be done, and the latter
    times the root of D, so that it counts as much as all else. Rows of success of a goal are those
    demonstrated; rows of failure those before, and then all of practice.
    """

    Config = ViceConfig

    def __init__(self, config: ViceConfig, rng: np.random.Generator, goals: Sequence[Goal]) -> None:
        """Learns from what was shown.

        Raises:
            DataSetError: no data set, or a damaged one.
            RewardError: no folder or no tensor is named, a goal that nobody was shown to reach, or
                a tensor that the set does not hold.
        """
        if not config.shown or not config.sees:
            raise RewardError(
                "reward vice learns from demonstrations: give shown, the folder of a data set, and "
                "sees, the names of the tensors that it reads"
            )
        self.sees = tuple(config.sees)
        self._config, self._rng, self._goals = config, rng, len(goals)
        episodes = [*DataSet(Path(config.shown)).episodes()]
        self._successes, shown = _rows_of(episodes, config, goals)
        seen = np.concatenate([self._successes, shown])[:, : -len(goals)]
        self._middle, self._spread = seen.mean(0), np.maximum(seen.std(0), LEAST_SPREAD)
        self._failures = np.zeros((config.memory, shown.shape[1]), np.float32)
        self._kept = self._at = 0
        for row in rng.permutation(shown)[: config.memory]:
            self._remember(row)
        with torch.random.fork_rng():
            torch.manual_seed(int(rng.integers(2**31)))
            self._net = _net(shown.shape[1], config.hidden)
        self._optimiser = torch.optim.Adam(self._net.parameters(), config.learning_rate)
        self._due = 0.0
        with one_thread():
            for _ in range(config.updates_before):
                self._update()

    def begin(self) -> None:
        """Nothing: each step is judged by itself."""

    def judge(self, goal: int, observation: Observation, info: Mapping[str, Any]) -> Judgement:
        """What it says now; the step is a failure of its next lessons, whatever it says."""
        del info
        row = self._row(goal, observation)
        with one_thread():
            with torch.inference_mode():
                log_odds = float(self._net(self._scaled(row[None]))[0, 0])
            self._remember(row)
            self._due += self._config.updates_per_step
            while self._due >= 1:
                self._due -= 1
                self._update()
        return judgement(log_odds > 0)._replace(score=log_odds, looks=(log_odds,))

    def save(self) -> dict[str, Any]:
        """Weights, moments of their descent, failures and chance."""
        descent = self._optimiser.state_dict()["state"]
        return {
            "weights": [one.detach().numpy().copy() for one in self._net.parameters()],
            "descent": [
                [part.numpy().copy() for part in (one["step"], one["exp_avg"], one["exp_avg_sq"])]
                for one in descent.values()
            ],
            "failures": self._failures[: self._kept].copy(),
            "at": self._at,
            "due": self._due,
            "chance": self._rng.bit_generator.state,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on as if it had never stopped."""
        with torch.no_grad():
            for mine, saved in zip(self._net.parameters(), state["weights"], strict=True):
                mine.copy_(torch.from_numpy(np.array(saved)))
        whole = self._optimiser.state_dict()
        names = ("step", "exp_avg", "exp_avg_sq")
        whole["state"] = {
            number: {n: torch.from_numpy(np.array(v)) for n, v in zip(names, one, strict=True)}
            for number, one in enumerate(state["descent"])
        }
        self._optimiser.load_state_dict(whole)
        self._kept = len(state["failures"])
        self._failures[: self._kept] = state["failures"]
        self._at, self._due = state["at"], state["due"]
        self._rng.bit_generator.state = state["chance"]

    def _row(self, goal: int, observation: Observation) -> NDArray[np.float32]:
        """(D,) what it reads of an observation."""
        asked = np.eye(self._goals, dtype=np.float32)[goal]
        return np.concatenate([*(np.ravel(observation[n]) for n in self.sees), asked], None)

    def _remember(self, row: NDArray[np.float32]) -> None:
        self._failures[self._at] = row
        self._at = (self._at + 1) % len(self._failures)
        self._kept = max(self._kept, self._at, len(self._failures) * (self._at == 0))

    def _scaled(self, rows: NDArray[np.float32]) -> Tensor:
        seen, asked = np.split(rows, [-self._goals], 1)
        seen = (seen - self._middle) / self._spread
        return torch.from_numpy(np.concatenate([seen, asked * seen.shape[1] ** 0.5], 1))

    def _update(self) -> None:
        """One step down, of as many successes as failures, mixed with each other."""
        half, rng, mixing = max(1, self._config.batch_size // 2), self._rng, self._config.mixing
        rows = np.concatenate(
            [
                self._successes[rng.integers(len(self._successes), size=half)],
                self._failures[rng.integers(self._kept, size=half)],
            ]
        )
        inputs, truths = self._scaled(rows), torch.ones(2 * half, 1)
        truths[half:] = 0
        if mixing:
            parts = rng.beta(mixing, mixing, (2 * half, 1)).astype(np.float32)
            part, other = torch.from_numpy(parts), torch.from_numpy(rng.permutation(2 * half))
            inputs = part * inputs + (1 - part) * inputs[other]
            truths = part * truths + (1 - part) * truths[other]
        loss = nn.functional.binary_cross_entropy_with_logits(self._net(inputs), truths)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()


def _net(inputs: int, hidden: Sequence[int]) -> nn.Sequential:
    sizes, layers = [inputs, *hidden], []
    for size, after in zip(sizes, hidden, strict=False):
        layers += [nn.Linear(size, after), nn.LayerNorm(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 1))


def _rows_of(
    episodes: Sequence[Episode], config: ViceConfig, goals: Sequence[Goal]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, D) rows at which a demonstrator was at the goal, and (M, D) all else that was shown."""
    texts = [goal.text for goal in goals]
    reached: list[NDArray[np.float32]] = []
    before: list[NDArray[np.float32]] = []
    at_goal: set[int] = set()
    for one in episodes:
        if one.about.instruction not in texts:
            continue
        goal = texts.index(one.about.instruction)
        if missing := [name for name in config.sees if name not in one.observation]:
            raise RewardError(
                f"{config.shown} holds no {missing[0]!r}; it holds {', '.join(one.observation)}"
            )
        seen = [one.observation[name][1:].reshape(len(one), -1) for name in config.sees]
        asked = np.tile(np.eye(len(texts), dtype=np.float32)[goal], (len(one), 1))
        rows = np.concatenate([*seen, asked], 1, dtype=np.float32)
        if rows.shape[1] > MOST_NUMBERS:
            raise RewardError(
                f"{', '.join(config.sees)} are {rows.shape[1]} numbers, more than {MOST_NUMBERS}: "
                "see by features ('reflexarc export features') and name these"
            )
        reached.append(rows[one.success])
        before.append(rows[~one.success])
        if one.success.any():
            at_goal.add(goal)
    if unseen := [text for goal, text in enumerate(texts) if goal not in at_goal]:
        raise RewardError(
            f"{config.shown} shows nobody who reached {unseen[0]!r}; collect demonstrations of it"
        )
    return np.concatenate(reached), np.concatenate(before)
