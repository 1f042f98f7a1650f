"""The instruction is switched when the goal is said to be reached, or when time is up (RoboFuME).

Yang et al., arXiv 2310.15145: an attempt lasts as long as an episode of the task; the reward source
decides about success, so its false positives switch too early. SERL's relocation example tries the
same direction again after a failure; `retry` does that.
"""

from dataclasses import dataclass

import numpy as np

from policies.strategy import SUCCESS, Scene, Step, Verdict, usual_verdict
from policies.turns import Turns


@dataclass(frozen=True)
class Config:
    """When the turn goes over."""

    retry: bool = False  # a time-out leaves the turn where it is


class Switching(Turns):
    """Takes turns as the reward source says."""

    Config = Config

    def __init__(self, config: Config, scene: Scene, rng: np.random.Generator) -> None:
        super().__init__(scene, rng)
        self._config = config
        self._most_steps = scene.episode_steps

    def judge(self, step: Step) -> Verdict:
        """Success or the clock ends an attempt."""
        verdict = usual_verdict(step, self._most_steps)
        if verdict.ended == SUCCESS or (verdict.ended and not self._config.retry):
            self.turn()
        return verdict
