"""Getting out of a corner: after a failure the next attempt begins at random.

A policy that failed stands where nothing was shown and no value tells one action from another; what
it does there it does again, and where nobody puts things back that is the end of practice. Steps at
random lead away from there, whatever the policy believes. Each action is held for some steps, which
lead farther than as many that take each other back.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.spec import AxisBound

HELD_STEPS = 4


class Astray:
    """Counts the steps at random that are left."""

    def __init__(self, steps: int, bounds: Sequence[AxisBound]) -> None:
        """Nothing has failed yet.

        Args:
            steps: at random after each failure; 0: none.
            bounds: of an action.
        """
        self._steps, self._left = steps, 0
        self._low = np.array([bound.minimum for bound in bounds])
        self._high = np.array([bound.maximum for bound in bounds])
        self._action = self._low

    def attempt_ended(self, *, success: bool) -> None:
        """Whether what comes next is at random hangs on it."""
        self._left = 0 if success else self._steps

    def action(self, rng: np.random.Generator) -> NDArray[np.float64] | None:
        """What is done in this step (n,); None: what the policy says."""
        if not self._left:
            return None
        if (self._steps - self._left) % HELD_STEPS == 0:
            self._action = self.anything(rng)
        self._left -= 1
        return self._action

    def anything(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """An action (n,) from the whole range, each as likely."""
        return rng.uniform(self._low, self._high)

    def save(self) -> dict[str, Any]:
        """What its further actions hang on besides chance."""
        return {"left": self._left, "action": self._action}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what was saved."""
        self._left, self._action = state["left"], state["action"]
