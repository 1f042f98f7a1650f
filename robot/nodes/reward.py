"""Says whether the goal is reached, from what cameras see: a shell over a proved reward.

One verdict per observation, of the same moment. It judges the attempt that whoever sets the scene
says is under way, so a verdict on an old attempt cannot be taken for one on the next. Where images
of that moment are missing or are not to be believed (`perception/image_trust.py`) it abstains: it
says why, and the step is nobody's lesson. What it saw before does not count after that.

It knows nothing of the truth, of the task beyond its words, or of who practises.
"""

from dataclasses import dataclass, field

import numpy as np

from perception.image_trust import ImageTrust, TrustConfig
from perception.quantities import InputError
from perception.reward_judge import Glance, RewardJudge
from perception.reward_look import NEVER
from perception.reward_package import Asked
from policies.classifier_reward import UNSURE
from robot.clock import SECOND_NS
from robot.messages import CameraImage, Instruction, Observed, StepJudgement, Verdict
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output
from robot.observed import tensor_of

VIEWS = ("front", "wrist")  # cameras, each a port
BLIND = Glance(np.empty(0), np.empty((0, 0)), NEVER, is_yes=False)


@dataclass(frozen=True)
class RewardConfig:
    """Parameters of one who judges."""

    package: str = ""  # path of a package that 'reflexarc export reward' wrote
    sha256: str = ""  # of it; empty: any
    tool: str = "tool_position_m"  # tensor by which the robot feels whether it moves
    most_apart_s: float = 0.05  # s between an observation and its images
    hesitates: bool = False  # says nothing where a "no" may be a success
    trust: TrustConfig = field(default_factory=TrustConfig)


class RewardNode(Node[RewardConfig]):
    """One verdict per observation, once it was told what is asked."""

    inputs = {
        "observed": Input(Observed),
        "instruction": Input(Instruction, wakes=False),
        "front": Input(CameraImage),
        "wrist": Input(CameraImage, required=False),
    }
    outputs = {"verdict": Output(Verdict), "judged": Output(StepJudgement)}
    Config = RewardConfig

    def __init__(self, config: RewardConfig, context: NodeContext) -> None:
        """Opens the package, so that one that promises nothing is refused before anything moves."""
        super().__init__(config, context)
        self._judge = RewardJudge(config.package, config.sha256, hesitates=config.hesitates)
        self._views = self._judge.rule.views
        if strange := [view for view in self._views if view not in VIEWS]:
            raise InputError(
                f"{config.package} looks through {strange[0]!r}; a reward node has the cameras "
                f"{', '.join(VIEWS)}"
            )
        self._trust = ImageTrust(config.trust, self._judge.usual)
        self._images: dict[str, CameraImage] = {}  # newest by camera
        self._observed: Observed | None = None  # not yet judged
        self._told: tuple[Instruction, Asked] | None = None
        self._verdicts = self._yes = self._abstained = 0

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Judges an observation once all images of its moment are there, or cannot come any more.

        In lockstep they come with it; by wall clock a newer observation says that they are late.

        Raises:
            RewardInputError: an instruction that it was not taught, or images that it cannot take.
        """
        del now_ns
        for asked in inputs.all("instruction"):
            self._told = asked, self._judge.asked(asked.text)
            self._judge.begin()
        for view in self._views:
            self._take(view, inputs.newest(view))
        emissions: list[Emission] = []
        for observed in inputs.all("observed"):
            emissions += self._answer()  # one that was waited for in vain
            self._observed = observed
        if self.context.lockstep or all(self._of_moment(view) for view in self._views):
            emissions += self._answer()
        return emissions

    def gauges(self) -> dict[str, float]:
        """What was said so far."""
        return {
            "verdicts": float(self._verdicts),
            "yes": float(self._yes),
            "abstained": float(self._abstained),
        }

    def _take(self, view: str, image: CameraImage | None) -> None:
        if image is not None:
            self._judge.check(view, image.image)
            self._images[view] = image

    def _of_moment(self, view: str) -> CameraImage | None:
        """The image of a camera that belongs to the observation; None: there is none."""
        image, observed = self._images.get(view), self._observed
        if image is None or observed is None or not image.valid:
            return None
        apart_s = abs(observed.captured_ns - image.captured_ns) / SECOND_NS
        return image if apart_s <= self.config.most_apart_s else None

    def _answer(self) -> list[Emission]:
        """Verdict on the observation that waits, if there is one and it is known what is asked."""
        observed = self._observed
        if observed is None or self._told is None:
            return []
        told, asked = self._told
        found = {view: self._of_moment(view) for view in self._views}
        images = {view: image and image.image for view, image in found.items()}
        self._observed = None
        doubt = self._trust.doubt(images, tensor_of(observed, self.config.tool))
        if doubt is None:
            glance = self._judge.look(asked, {v: i for v, i in images.items() if i is not None})
        else:
            self._judge.begin()
            glance = BLIND
        reason = "" if doubt is None else str(doubt)
        if glance.unsure:
            reason = UNSURE
        self._count(glance, abstained=bool(reason))
        return self._said(observed.captured_ns, told, glance, reason)

    def _count(self, glance: Glance, *, abstained: bool) -> None:
        self._verdicts += 1
        self._yes += glance.is_yes
        self._abstained += abstained

    def _said(self, at_ns: int, told: Instruction, glance: Glance, reason: str) -> list[Emission]:
        bound = self._judge.bound
        verdict = Verdict(
            captured_ns=at_ns,
            attempt=told.attempt,
            goal=told.goal,
            text=told.text,
            views=self._views,
            probability=glance.yes,
            against=glance.against,
            score=glance.score,
            threshold=self._judge.threshold,
            yes=glance.is_yes,
            abstained=bool(reason),
            reason=reason,
            package=self._judge.sha256,
            upper=bound.upper,
            confidence=bound.confidence,
            proving_attempts=bound.episodes,
        )
        judged = StepJudgement(
            captured_ns=at_ns,
            attempt=told.attempt,
            goal=told.goal,
            success=glance.is_yes,
            lost=bool(glance.lost),
            abstained=bool(reason),
        )
        return [("verdict", verdict), ("judged", judged)]
