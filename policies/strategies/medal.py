"""Backward is wherever demonstrations were: the robot returns to states from which it can go on.

MEDAL (Sharma et al., arXiv 2205.05212): forward attempts have the task's reward and last up to 300
steps or to success; backward attempts last 300 steps and are paid by `state_matching`. That reward
changes while the discriminator learns, so it is worked out anew for each batch.

Other than published: one learner that is told the goal does both, where there were two, so backward
rewards are brought to the -1..0 of all others, unless `as_published`; and the backward attempt is
not told the next forward goal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.observation import Observation
from policies.spec import INSTRUCTION
from policies.state_matching import MatchConfig, StateMatcher
from policies.strategy import SWITCH, Scene, Step, StrategyError, Verdict, usual_verdict
from policies.turns import Turns

NEXT = "next_"  # before a tensor's name in a batch: after the step


@dataclass(frozen=True)
class Config:
    """When the turn goes over, and how the way back is paid."""

    phase_steps: int = 300  # published, whatever the task
    update_every: int = 10  # steps of the world between two updates of the discriminator
    as_published: bool = False  # rewards of the way back from 0 to 23
    match: MatchConfig = field(default_factory=MatchConfig)


class Medal(Turns):
    """Takes turns; learns what demonstrations look like."""

    Config = Config

    def __init__(self, config: Config, scene: Scene, rng: np.random.Generator) -> None:
        """Needs demonstrations.

        Raises:
            StrategyError: the scene has none.
        """
        super().__init__(scene, rng)
        if not scene.demonstrated:
            raise StrategyError("medal returns to states of demonstrations: give forward ones")
        self._config = config
        self._names = sorted(scene.demonstrated)
        self._backward = scene.instructions[self.goals_backward]  # (goals, D)
        states = self._states(scene.demonstrated, "")
        self._matcher = StateMatcher(config.match, states, rng)
        self._steps_back = 0

    def judge(self, step: Step) -> Verdict:
        """The task's verdict forward; backward the match, and the clock alone ends it."""
        if not self.is_backward:
            verdict = usual_verdict(step, self._config.phase_steps)
        else:
            state = self._states(_batch_of_one(step.observation), "")
            self._learn(state[0])
            ended = SWITCH if step.steps >= self._config.phase_steps else ""
            verdict = Verdict(float(self._paid(state)[0]), ended=ended)
        if verdict.ended:
            self.turn()
        return verdict

    def relabel(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Backward steps are paid by the discriminator of today, and none ends anything.

        What they returned was paid by that of the past, or by the task in a demonstration, and so
        bounds nothing.
        """
        told = batch[INSTRUCTION]  # (N, D)
        is_back = (told[:, None] == self._backward).all(-1).any(-1)  # (N,)
        paid = self._paid(self._states(batch, NEXT))
        return {
            **batch,
            "reward": np.where(is_back, paid, batch["reward"]).astype(np.float32),
            "mask": np.where(is_back, 1.0, batch["mask"]).astype(np.float32),
            "mc_return": np.where(is_back, -np.inf, batch["mc_return"]).astype(np.float32),
        }

    def save(self) -> dict[str, Any]:
        """Whose turn it is, and the discriminator."""
        return {**super().save(), "steps_back": self._steps_back, "matcher": self._matcher.save()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what was saved."""
        super().restore(state)
        self._steps_back = int(state["steps_back"])
        self._matcher.restore(state["matcher"])

    def _learn(self, state: NDArray[np.float32]) -> None:
        self._matcher.add(state)
        self._steps_back += 1
        if self._steps_back % self._config.update_every == 0:
            self._matcher.update()

    def _paid(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        reward = self._matcher.reward(states)
        return (
            reward
            if self._config.as_published
            else np.minimum(reward, np.float32(1)) - np.float32(1)
        )

    def _states(self, tensors: Mapping[str, NDArray[Any]], prefix: str) -> NDArray[np.float32]:
        """(N, D) all tensors of the demonstrations side by side."""
        flat = [
            np.reshape(tensors[prefix + n], (len(tensors[prefix + n]), -1)) for n in self._names
        ]
        return np.concatenate(flat, axis=1).astype(np.float32)


def _batch_of_one(observation: Observation) -> dict[str, NDArray[Any]]:
    return {name: value[None] for name, value in observation.items()}
