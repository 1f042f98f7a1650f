"""What strategies share that try a forward goal and then undo it: whose turn it is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.strategy import Scene, goals_of


class Turns:
    """Draws a goal of the direction whose turn it is; forward comes first."""

    def __init__(self, scene: Scene, rng: np.random.Generator) -> None:
        """Draws from `rng`.

        Raises:
            StrategyError: a direction without a goal.
        """
        self._goals = (goals_of(scene, "forward"), goals_of(scene, "backward"))
        self._rng = rng
        self._turn = 0  # index in the pair above

    @property
    def is_backward(self) -> bool:
        """Whether the attempt undoes."""
        return self._turn == 1

    def next_goal(self, *, after_reset: bool) -> int:
        """One of the goals whose turn it is, each as likely; after a reset, a forward one."""
        if after_reset:
            self._turn = 0
        return int(self._rng.choice(self._goals[self._turn]))

    @property
    def goals_backward(self) -> list[int]:
        """Those that undo."""
        return self._goals[1]

    def turn(self) -> None:
        """The other direction is next."""
        self._turn = 1 - self._turn

    def relabel(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The batch itself: rewards stay as they were said."""
        return batch

    def save(self) -> dict[str, Any]:
        """Whose turn it is, and the chance that is left."""
        return {"turn": self._turn, "chance": self._rng.bit_generator.state}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what was saved."""
        self._turn = int(state["turn"])
        self._rng.bit_generator.state = state["chance"]
