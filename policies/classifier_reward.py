"""A reward that the robot can read: a package looks through its cameras and says "reached" or not.

It knows nothing of the truth. It pays only if held-out attempts have proved how seldom it errs
(`perception/reward_bound.py`), for goals that it was taught.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from perception.goal import Goal
from perception.reward import Images
from perception.reward_judge import RewardJudge
from policies.observation import Observation
from policies.rewards import Judgement, judgement


@dataclass(frozen=True)
class ClassifierConfig:
    """Which package, and which of its bytes."""

    package: str = ""  # path of a package that 'reflexarc export reward' wrote
    sha256: str = ""  # of it; empty: any


class Classifier:
    """Judges by a package."""

    Config = ClassifierConfig

    def __init__(
        self, config: ClassifierConfig, rng: np.random.Generator, goals: Sequence[Goal]
    ) -> None:
        """Reads the package.

        Raises:
            RewardInputError: none is given, it is another than it was, it promises nothing, or it
                was not taught a goal.
            ModelPackageError: it is missing or damaged.
        """
        del rng
        self._judge = RewardJudge(config.package, config.sha256)
        self._asked = [self._judge.asked(goal.text) for goal in goals]
        self.sees, self.sha256 = self._judge.rule.views, self._judge.sha256

    def begin(self) -> None:
        """Another attempt: what was seen in the last one does not count."""
        self._judge.begin()

    def judge(self, goal: int, observation: Observation, info: Mapping[str, Any]) -> Judgement:
        """Whether every look agrees that the goal is reached."""
        del info
        images = {view: cast("Images", observation[view]) for view in self.sees}
        glance = self._judge.look(self._asked[goal], images)
        return judgement(glance.is_yes)._replace(score=glance.score, looks=glance.looks)

    def save(self) -> dict[str, Any]:
        """The last moments of the attempt."""
        return {"moments": self._judge.save()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on with them."""
        self._judge.restore(state["moments"])
