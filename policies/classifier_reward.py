"""A reward that the robot can read: a package looks through its cameras and says "reached" or not.

It knows nothing of the truth. It pays only if held-out attempts have proved how seldom it errs
(`perception/reward_bound.py`), for goals that it was taught. Of images that are not to be believed
(`perception/image_trust.py`) it says nothing, as the node of a graph does: it abstains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from perception.goal import Goal
from perception.image_trust import ImageTrust, TrustConfig
from perception.reward import Images
from perception.reward_judge import RewardJudge
from policies.observation import Observation
from policies.rewards import Judgement, judgement

UNSURE = "it may be a success"
STILL_M = np.zeros(3, np.float32)  # a tool of which nothing is felt


@dataclass(frozen=True)
class ClassifierConfig:
    """Which package, and which of its bytes."""

    package: str = ""  # path of a package that 'reflexarc export reward' wrote
    sha256: str = ""  # of it; empty: any
    tool: str = "tool_position_m"  # by which the robot feels whether it moves
    trust: TrustConfig = field(default_factory=TrustConfig)


class Classifier:
    """Judges by a package."""

    Config = ClassifierConfig

    hesitates = False  # a "no" that may be a success is a "no"

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
        self._judge = RewardJudge(config.package, config.sha256, hesitates=self.hesitates)
        self._asked = [self._judge.asked(goal.text) for goal in goals]
        self._trust, self._tool = ImageTrust(config.trust, self._judge.usual), config.tool
        self.sees, self.sha256 = self._judge.rule.views, self._judge.sha256
        self.promised = self._judge.bound.limit  # most of all attempts that are paid in vain, 0..1

    def begin(self) -> None:
        """Another attempt: what was seen in the last one does not count."""
        self._judge.begin()

    def judge(self, goal: int, observation: Observation, info: Mapping[str, Any]) -> Judgement:
        """Whether every look agrees that the goal is reached.

        In a world without the tensor `tool` a frozen camera is not noticed.
        """
        del info
        images = {view: cast("Images", observation[view]) for view in self.sees}
        tool_m = np.asarray(observation.get(self._tool, STILL_M), np.float32)
        doubt, asked = self._trust.doubt(images, tool_m), self._asked[goal]
        glance = self._judge.look(asked, images) if doubt is None else self._judge.blind(asked)
        said = judgement(glance.is_yes)._replace(
            score=glance.score, looks=glance.looks, lost=glance.lost
        )
        if doubt is not None:
            return said._replace(doubt=f"{doubt.view} is {doubt.reason}")
        return said._replace(doubt=UNSURE) if glance.unsure else said

    def save(self) -> dict[str, Any]:
        """The last moments of the attempt."""
        return {"moments": self._judge.save(), "trust": self._trust.save()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on with them."""
        self._judge.restore(state["moments"])
        self._trust.restore(state.get("trust", {}))  # of a run from before it could abstain: none


class HesitantClassifier(Classifier):
    """Judges by a package, and says nothing where its "no" may be a success.

    A promise of few yeses in vain costs most of the successes. Seen by the held-out attempts they
    lie between its threshold and `unsure`; taught as failures they would unlearn what reached them.
    """

    hesitates = True
