"""A proved reward at work: it looks moment by moment at an attempt, and says yes or no.

One that promises nothing is refused when it is opened, and an instruction that it was not taught
when it is asked. Who uses it (`policies/classifier_reward.py` in a loop that owns its world,
`robot/nodes/reward.py` on a robot) adds nothing to that.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.image_trust import Usual
from perception.model_package import read_package
from perception.reward import RewardInputError
from perception.reward_bound import Bound
from perception.reward_calibration import probability
from perception.reward_look import NEVER, Agreement, LookRule, helplessness, moment_score
from perception.reward_package import Asked, RewardEye


class Glance(NamedTuple):
    """What was made of one moment, by calibrated log-odds of "yes"."""

    own: NDArray[np.float64]  # (v,) to the instruction, through each camera of the rule
    opposite: NDArray[np.float64]  # (v, o) to each of its opposites, as far as they are asked
    score: float  # of the look that agrees least, over the last images
    is_yes: bool
    unsure: bool = False  # "no" is said where successes were, too
    lost: bool | None = None  # only a person can put things right; None: it was not taught to tell

    @property
    def yes(self) -> tuple[float, ...]:
        """Probability of "yes", by camera."""
        return tuple(probability(self.own).tolist())

    @property
    def against(self) -> tuple[float, ...]:
        """Probability that the likeliest opposite is the case, by camera; empty: not asked."""
        worst = self.opposite.max(axis=1) if self.opposite.size else np.empty(0)
        return tuple(probability(worst).tolist())

    @property
    def looks(self) -> tuple[float, ...]:
        """How each look agrees, log-odds: by each camera, then by each opposite."""
        return (*self.own.tolist(), *(-self.opposite).ravel().tolist())


class RewardJudge:
    """Judges attempts one after the other."""

    def __init__(self, package: str, sha256: str = "", *, hesitates: bool = False) -> None:
        """Reads the package.

        Args:
            package: path of what 'reflexarc export reward' wrote.
            sha256: of it; empty: any.
            hesitates: whether it is unsure where a "no" may be a success.

        Raises:
            RewardInputError: none is given, it is another than it was, it promises nothing, it does
                not know where successes were and is to hesitate, or it is none of a reward.
            ModelPackageError: it is missing or damaged.
        """
        if not package:
            raise RewardInputError(
                "the classifier needs its package: give package=reward_proved.onnx"
            )
        self._eye = RewardEye(read_package(Path(package)))
        self.sha256 = self._eye.package.sha256
        if sha256 not in ("", self.sha256):
            raise RewardInputError(
                f"{package} is {self.sha256[:12]} and not {sha256[:12]}: it was replaced "
                "since this began; put the old one back, or begin anew"
            )
        self.bound, self.threshold = _promise(self._eye)
        self._agreement = Agreement(self.rule)
        about = self._eye.about
        self._unsure = about.unsure if hesitates else None
        if hesitates and about.unsure is None:
            raise RewardInputError(
                f"{package} does not know where it may miss a success: prove it again with "
                "'reflexarc export reward'"
            )
        self._lost_bound = about.lost_bound
        self._lost = self._eye.asked(about.lost) if about.lost_bound else None

    @property
    def rule(self) -> LookRule:
        """Which looks have to agree; its cameras are those that it looks through."""
        return self._eye.about.rule

    @property
    def can_hesitate(self) -> bool:
        """Whether its package knows where successes were that it may miss."""
        return self._eye.about.unsure is not None

    @property
    def tells_lost(self) -> bool:
        """Whether it says when only a person can put things right."""
        return self._lost is not None

    @property
    def usual(self) -> Mapping[str, Usual]:
        """By camera, what images of the attempts that proved it look like."""
        return self._eye.about.usual

    def asked(self, text: str) -> Asked:
        """The question that an instruction is.

        Raises:
            RewardInputError: it was not taught.
        """
        return self._eye.asked(text)

    def check(self, view: str, image: NDArray[np.uint8]) -> None:
        """Passes if an image is one of those that it takes.

        Raises:
            RewardInputError: another camera, size or kind of image.
        """
        self._eye.spec.check(view, image.shape, str(image.dtype))

    def begin(self) -> None:
        """Another attempt, or a moment that was not looked at: what was seen does not count."""
        self._agreement.begin()

    def blind(self, asked: Asked) -> Glance:
        """A moment whose images are not believed: nothing is said; the last ones are forgotten."""
        self.begin()
        views, opposites = len(self.rule.views), len(asked.opposites) * self.rule.reverse
        own, opposite = np.full(views, NEVER), np.full((views, opposites), -NEVER)
        lost = False if self.tells_lost else None  # who cannot see does not call either
        return Glance(own, opposite, NEVER, is_yes=False, lost=lost)

    def look(self, asked: Asked, images: Mapping[str, NDArray[np.uint8]]) -> Glance:
        """Whether every look agrees at this moment.

        Args:
            asked: of the instruction.
            images: (H, W, 3) by camera, those of the rule at least.

        Raises:
            RewardInputError: an image of another size or kind.
        """
        own, opposite = self._answers(asked, images)
        score = self._agreement.score(own, opposite)
        is_yes, doubtful = score > self.threshold, self._unsure
        unsure = not is_yes and doubtful is not None and moment_score(own, opposite) > doubtful
        return Glance(own, opposite, score, is_yes, unsure, self._is_lost(images))

    def save(self) -> list[float]:
        """The last moments of the attempt."""
        return self._agreement.save()

    def restore(self, moments: Sequence[float]) -> None:
        """Goes on with them."""
        self._agreement.restore(moments)

    def _is_lost(self, images: Mapping[str, NDArray[np.uint8]]) -> bool | None:
        bound = self._lost_bound
        if self._lost is None or bound is None or bound.threshold is None:
            return None
        own, _ = self._answers(self._lost, images)
        return bool(helplessness(own) > bound.threshold)

    def _answers(
        self, asked: Asked, images: Mapping[str, NDArray[np.uint8]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(v,) calibrated log-odds of "yes", and (v, o) of "yes" to the opposites that count."""
        questions = (asked.question, *asked.opposites)[: None if self.rule.reverse else 1]
        said = [
            self._eye.log_odds(images[view][np.newaxis], view, questions)[0]
            for view in self.rule.views
        ]
        honest = self._eye.about.calibration.honest(np.array(said))  # (v, 1 + o)
        return honest[:, 0], honest[:, 1:]


def _promise(eye: RewardEye) -> tuple[Bound, float]:
    """What a reward promises, and its threshold in log-odds.

    Raises:
        RewardInputError: nothing.
    """
    refusal, bound = eye.refusal(), eye.about.bound
    if refusal is not None or bound is None or bound.threshold is None:
        raise RewardInputError(f"{eye.package.path} pays nothing: {refusal}")
    return bound, bound.threshold
