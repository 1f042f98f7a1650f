"""A person puts everything back after each attempt: the oracle that others are measured against."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.strategy import Scene, Step, Verdict, goals_of, usual_verdict


@dataclass(frozen=True)
class Config:
    """What is tried."""

    both_directions: bool = False  # backward goals too, which then begin where things are done


class Episodic:
    """Goals in turn, each from its own initial state."""

    Config = Config

    def __init__(self, config: Config, scene: Scene, rng: np.random.Generator) -> None:
        del rng
        self._goals = goals_of(scene, "forward")
        if config.both_directions:
            self._goals += goals_of(scene, "backward")
        self._most_steps = scene.episode_steps
        self._attempts = 0

    def next_goal(self, *, after_reset: bool) -> int:  # noqa: ARG002  it draws as ever
        """The next in turn."""
        self._attempts += 1
        return self._goals[(self._attempts - 1) % len(self._goals)]

    def judge(self, step: Step) -> Verdict:
        """Ends with success or the clock, and asks for a reset."""
        return usual_verdict(step, self._most_steps, reset=True)

    def relabel(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The batch itself."""
        return batch

    def save(self) -> dict[str, Any]:
        """How many attempts there were."""
        return {"attempts": self._attempts}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what was saved."""
        self._attempts = int(state["attempts"])
