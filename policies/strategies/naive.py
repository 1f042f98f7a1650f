"""Nothing is ever put back: a forward goal is drawn at fixed times, whatever came of the last.

The baseline of EARL: learning as if there were resets. What was pushed into a corner stays there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.strategy import SWITCH, Scene, Step, Verdict, goals_of


@dataclass(frozen=True)
class Config:
    """When the goal changes."""

    goal_steps: int = 400  # EARL's, for its tabletop


class Naive:
    """A goal for a fixed time; success ends nothing, but to the learner nothing follows it."""

    Config = Config

    def __init__(self, config: Config, scene: Scene, rng: np.random.Generator) -> None:
        self._config = config
        self._goals = goals_of(scene, "forward")
        self._rng = rng

    def next_goal(self, *, after_reset: bool) -> int:  # noqa: ARG002  it draws as ever
        """Any forward goal, each as likely."""
        return int(self._rng.choice(self._goals))

    def judge(self, step: Step) -> Verdict:
        """Ends by the clock alone."""
        ended = SWITCH if step.steps >= self._config.goal_steps else ""
        return Verdict(step.judged.reward, step.judged.success, ended)

    def relabel(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The batch itself."""
        return batch

    def save(self) -> dict[str, Any]:
        """The chance that is left."""
        return {"chance": self._rng.bit_generator.state}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what was saved."""
        self._rng.bit_generator.state = state["chance"]
