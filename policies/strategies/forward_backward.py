"""Forward-backward (FBRL): a forward goal is tried, then the initial state, and so on.

As published with EARL and MEDAL (Sharma et al., arXiv 2112.09605; github.com/architsharma97/medal,
fbrl.py): each phase lasts up to 300 steps and ends with success; the forward goal is drawn anew
each time. There each direction has a learner of its own; here one learner is told the goal.
"""

from dataclasses import dataclass

import numpy as np

from policies.strategy import Scene, Step, Verdict, usual_verdict
from policies.turns import Turns


@dataclass(frozen=True)
class Config:
    """When the turn goes over."""

    phase_steps: int = 300  # published, whatever the task


class ForwardBackward(Turns):
    """Takes turns."""

    Config = Config

    def __init__(self, config: Config, scene: Scene, rng: np.random.Generator) -> None:
        super().__init__(scene, rng)
        self._config = config

    def judge(self, step: Step) -> Verdict:
        """Success or the clock ends a phase."""
        verdict = usual_verdict(step, self._config.phase_steps)
        if verdict.ended:
            self.turn()
        return verdict
