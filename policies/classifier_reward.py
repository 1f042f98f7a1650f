"""A reward that the robot can read: a package looks through its cameras and says "reached" or not.

It knows nothing of the truth. It pays only if held-out attempts have proved how seldom it errs
(`perception/reward_bound.py`), for goals that it was taught.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from perception.goal import Goal
from perception.model_package import read_package
from perception.reward import Images
from perception.reward_look import Agreement
from perception.reward_package import RewardEye, threshold_of
from policies.observation import Observation
from policies.rewards import Judgement, RewardError, judgement


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
            RewardError: none is given, it is another than it was, or it promises nothing.
            RewardInputError: it was not taught a goal, or is none of a reward.
            ModelPackageError: it is missing or damaged.
        """
        del rng
        if not config.package:
            raise RewardError("the classifier needs its package: give package=reward_proved.onnx")
        self._eye = RewardEye(read_package(Path(config.package)))
        about, found = self._eye.about, self._eye.package.sha256
        if config.sha256 not in ("", found):
            raise RewardError(
                f"{config.package} is {found[:12]} and not {config.sha256[:12]}: it was replaced "
                "since this began; put the old one back, or begin anew"
            )
        refusal = self._eye.refusal()
        if refusal is not None:
            raise RewardError(f"{config.package} pays nothing: {refusal}")
        self._threshold = threshold_of(about)
        self._asked = [self._eye.asked(goal.text) for goal in goals]
        self._agreement = Agreement(about.rule)
        self.sees, self.sha256 = about.rule.views, found

    def begin(self) -> None:
        """Another attempt: what was seen in the last one does not count."""
        self._agreement.begin()

    def judge(self, goal: int, observation: Observation, info: Mapping[str, Any]) -> Judgement:
        """Whether every look agrees that the goal is reached."""
        del info
        asked, about = self._asked[goal], self._eye.about
        questions = (asked.question, *asked.opposites)
        if not about.rule.reverse:
            questions = questions[:1]
        said = [
            self._eye.log_odds(cast("Images", observation[view])[np.newaxis], view, questions)[0]
            for view in about.rule.views
        ]
        honest = about.calibration.honest(np.array(said))  # (v, 1 + o)
        score = self._agreement.score(honest[:, 0], honest[:, 1:])
        looks = (*honest[:, 0].tolist(), *(-honest[:, 1:]).ravel().tolist())
        return judgement(score > self._threshold)._replace(score=score, looks=looks)

    def save(self) -> dict[str, Any]:
        """The last moments of the attempt."""
        return {"moments": self._agreement.save()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on with them."""
        self._agreement.restore(state["moments"])
