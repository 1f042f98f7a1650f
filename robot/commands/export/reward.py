"""``reflexarc export reward``: a reward that may pay, because attempts prove how seldom it errs."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import tyro

from perception.model_package import read_package, write_package
from perception.quantities import InputError
from perception.reward_bound import CALLS, CONFIDENCE, LIMIT, Bound
from perception.reward_package import REWARD, RewardEye, threshold_of
from perception.reward_scores import Answered, doubtful, proved, proved_helpless
from policies.offline_data import OfflineData, open_offline
from robot.commands.train.reward import line
from robot.console import Console
from robot.options import require_folders, require_package_name
from robot.reward_answers import answered
from robot.reward_lesson import calibrated, described
from robot.training_library import with_training


@dataclass(frozen=True)
class ExportReward:
    """Write a reward that may pay: its threshold and its promise come from held-out attempts.

    The attempts must be such as the robot will make: of the policy that will practise, behind the
    same cameras, none of them in the lesson. With 95 % confidence it says yes in vain in at most
    2 % of such attempts, or nothing is written and the line says how many more would do.

    Example: reflexarc export reward reward.onnx data/held --out reward_proved.onnx
    """

    package: tyro.conf.Positional[Path]
    """Of reflexarc train reward."""
    data: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of attempts that it did not learn from."""
    out: Path = Path("reward_proved.onnx")
    """The package to write."""
    most: float = LIMIT
    """Part of the attempts in which it may say yes in vain, 0 to 1."""
    most_calls: float = CALLS
    """Likewise, in which it may call for a person in vain, if it was taught to (--lost)."""
    json: bool = False
    """Print the outcome as JSON, and no progress."""

    def __call__(self) -> int:
        """Asks, calibrates, proves, writes."""
        self._check()
        eye = self._eye()
        data = open_offline(self.data)
        self._refuse_learned(eye, data)
        total = sum(len(one) for one in data.sets)
        with Console(quiet=self.json).progress("looking", total, "episodes") as progress:
            answers = answered(eye, data, zero_shot=False, progress=progress)
        attempts = answers.attempts
        calibration, rule = calibrated(attempts), eye.about.rule
        honest = [one.honest(calibration) for one in attempts]
        bound = proved(honest, rule, eye.spec.views, self.most, CONFIDENCE)
        refusal = bound.refusal()
        if refusal is None:
            lost = self._helpless([one.honest(calibration) for one in answers.lost])
            about = msgspec.structs.replace(
                eye.about,
                calibration=calibration,
                bound=bound,
                held=[one.about.recipe_sha256 for one in data.sets],
                unsure=doubtful(honest, rule, eye.spec.views),
                usual=answers.usual,
                lost_bound=lost if lost and lost.refusal() is None else None,
            )
            scores = described(attempts, about, rule, threshold_of(about))
            manifest = msgspec.structs.replace(
                eye.package.manifest,
                parent=eye.package.sha256,
                extra={
                    **eye.package.manifest.extra,
                    REWARD: msgspec.to_builtins(about),
                    "held": scores,
                },
            )
            content = self.package.read_bytes()
            with_training(lambda: write_package(self.out, content, manifest))
            self._report(bound, scores, None, lost)
            return 0
        self._report(bound, None, refusal)
        return 1

    def _helpless(self, asked: Sequence[Answered]) -> Bound | None:
        """What is proved of calls for a person; None: it was not taught to call."""
        return proved_helpless(asked, self.most_calls) if asked else None

    def _check(self) -> None:
        for option, most in (("most", self.most), ("most-calls", self.most_calls)):
            if not 0 < most < 1:
                raise InputError(f"--{option} {most}: must be between 0 and 1")
        require_package_name(self.out)
        require_folders(self.data, "attempts")

    def _eye(self) -> RewardEye:
        """What is to be proved.

        Raises:
            InputError: the folder of a vision-language model, which no robot carries.
        """
        if self.package.is_dir():
            raise InputError(
                f"{self.package} is a folder; a robot carries a package (.onnx). If it holds a "
                "vision-language model, let that teach one: 'reflexarc train reward DATA --teacher "
                f"{self.package} --out reward.onnx'"
            )
        return RewardEye(read_package(self.package))

    def _refuse_learned(self, eye: RewardEye, data: OfflineData) -> None:
        for one in data.sets:
            if one.about.recipe_sha256 in eye.about.data:
                raise InputError(
                    f"{one.folder} taught {self.package}, itself or by labels; what it learned "
                    "proves nothing: collect other attempts, with another --seed"
                )

    def _report(
        self,
        bound: Bound,
        scores: dict[str, Any] | None,
        refusal: str | None,
        lost: Bound | None = None,
    ) -> None:
        written = None if refusal else str(self.out)
        outcome = {
            "package": written,
            "bound": msgspec.to_builtins(bound),
            "held": scores,
            "refusal": refusal,
            "lost": msgspec.to_builtins(lost),
        }
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
        elif scores is None:
            sys.stdout.write(f"not written: {refusal}\n")
        else:
            told = f"{_of_lost(lost)}\n" if lost else ""
            sys.stdout.write(f"{line(scores)}\n{promise(bound)}\n{told}package: {written}\n")


def _of_lost(bound: Bound) -> str:
    """What is promised of calls for a person, for a person."""
    if refusal := bound.refusal():
        return f"it does not call for a person: {refusal}"
    return (
        f"calls for a person in vain in at most {100 * bound.upper:.2f} % of such attempts; it "
        f"sees {100 * (bound.recall or 0):.0f} % of the {bound.recall_episodes} that need one"
    )


def promise(bound: Bound) -> str:
    """What is promised, for a person."""
    return (
        f"promise: yes in vain in at most {100 * bound.upper:.2f} % of such attempts "
        f"({100 * bound.confidence:g} % confidence, {bound.episodes} attempts); it sees "
        f"{100 * (bound.recall or 0):.0f} % of {bound.recall_episodes} successes"
    )
