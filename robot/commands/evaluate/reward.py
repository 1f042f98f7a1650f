"""``reflexarc evaluate reward``: how often a reward errs on recorded attempts."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import tyro

from perception.quantities import InputError
from perception.reward_calibration import probability, reliability
from perception.reward_look import LookRule
from perception.reward_open import open_reward
from perception.reward_package import EVEN, RewardAbout, RewardEye, threshold_of
from perception.reward_scores import calibrating, calls
from policies.kept_attempts import FOLDER
from policies.offline_data import open_offline
from robot.commands.train.reward import line
from robot.console import Console
from robot.options import require_at_least, require_folders
from robot.reward_answers import Answers, answered
from robot.reward_keeping import keep_doubtful, require_room
from robot.reward_lesson import described
from robot.reward_pictures import draw_reward
from robot.training_library import with_training


@dataclass(frozen=True)
class EvaluateReward:
    """Judge a reward by attempts whose truth was recorded.

    Counted are images and, above all, attempts: in how many it says yes in vain. The same is told
    without each part of its second look, at even odds, so that it shows what each part buys.

    Example: reflexarc evaluate reward reward_proved.onnx data/test --out runs/reward
    """

    package: tyro.conf.Positional[Path]
    """The model package (.onnx), or the folder of a vision-language model."""
    data: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of attempts with images."""
    out: Path | None = None
    """Folder for pictures: reliability.svg, false_positives.png, false_negatives.png."""
    keep: int = 0
    """Attempts that it is unsure of, kept in OUT/attempts for 'reflexarc label OUT'; 0: none."""
    seed: int = 0
    """Of the random sample among those."""
    zero_shot: bool = False
    """Ask instructions too that it was not taught; nothing is promised of them."""
    json: bool = False
    """Print the outcome as JSON, and no progress."""

    def __call__(self) -> int:
        """Asks, counts."""
        require_folders(self.data, "attempts")
        kept_in = self._kept_in()
        eye = with_training(lambda: open_reward(self.package))
        data = open_offline(self.data)
        total = sum(len(one) for one in data.sets)
        with Console(quiet=self.json).progress("looking", total, "episodes") as progress:
            answers = answered(eye, data, zero_shot=self.zero_shot, progress=progress)
        outcome = self._outcome(eye, answers)
        pictures = draw_reward(self.out, eye, answers, outcome["threshold"]) if self.out else []
        outcome["pictures"] = [str(path) for path in pictures]
        if kept_in is not None:
            keep_doubtful(eye, data, answers, kept_in, self.keep, self.seed)
            outcome["kept"] = str(kept_in)
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
        else:
            sys.stdout.write(_lines(outcome))
        return 0

    def _kept_in(self) -> Path | None:
        """Where attempts are kept, if they are.

        Raises:
            InputError: fewer than none, or nowhere to keep them.
            KeptError: others are kept there.
        """
        require_at_least(self, {"keep": 0, "seed": 0})
        if not self.keep:
            return None
        if self.out is None:
            raise InputError(f"--keep {self.keep} needs --out FOLDER, where they are kept")
        folder = self.out / FOLDER
        require_room(folder)
        return folder

    def _outcome(self, eye: RewardEye, answers: Answers) -> dict[str, Any]:
        about, attempts = eye.about, answers.attempts
        threshold = threshold_of(about)
        raw, success = calibrating(attempts)
        bars = reliability(probability(about.calibration.honest(raw)), success)
        return {
            "package": str(self.package),
            "sha256": eye.sha256,
            "threshold": threshold,
            "refusal": eye.refusal(),
            "bound": msgspec.to_builtins(about.bound),
            **described(attempts, about, about.rule, threshold),
            "calls": _calls(about, answers),
            "abstained": answers.abstained(),
            "where_it_answers": described(answers.trusted(), about, about.rule, threshold),
            "rules": {
                rule.name: described(attempts, about, rule, EVEN)
                for rule in partial_rules(about.rule)
            },
            "reliability": [bar._asdict() for bar in bars],
        }


def partial_rules(rule: LookRule) -> list[LookRule]:
    """From one look to all of them: each camera alone, all, images on end, the opposite."""
    single = [LookRule((view,), 1, reverse=False) for view in rule.views]
    together = LookRule(rule.views, 1, reverse=False)
    on_end = LookRule(rule.views, rule.frames, reverse=False)
    opposite = LookRule(rule.views, 1, reverse=True)
    return [*dict.fromkeys([*single, together, on_end, opposite, rule])]


def _calls(about: RewardAbout, answers: Answers) -> dict[str, Any] | None:
    """How often it calls for a person; None: it was not taught to.

    One that has proved no threshold is asked at even odds, as are the parts of a rule.
    """
    if not about.lost:
        return None
    bound = about.lost_bound
    threshold = bound.threshold if bound and bound.threshold is not None else EVEN
    found = calls([one.honest(about.calibration) for one in answers.trusted_lost()], threshold)
    return {"proved": bound is not None, "threshold": threshold, **found._asdict()}


def _called(outcome: dict[str, Any]) -> str:
    """The same, for a person."""
    found = outcome["calls"]
    if found is None:
        return ""
    unproved = "" if found["proved"] else " (at even odds: it has not proved when to)"
    return (
        f"calls for a person in vain in {found['in_vain']} of {found['attempts']} attempts (at "
        f"most {100 * found['in_vain_upper']:.1f} % of such), in {found['found']} of the "
        f"{found['helpless']} that need one{unproved}\n"
    )


def _row(name: str, row: dict[str, Any]) -> str:
    return (
        f"  {name}: in vain in {row['false_attempts']} of {row['attempts']} attempts, "
        f"{row['false_positives']} images; saw {row['found_attempts']} of "
        f"{row['reached_attempts']}; at a threshold that sees half of them, in vain in "
        f"{row['false_attempts_at_half']} attempts"
    )


def _abstention(outcome: dict[str, Any]) -> str:
    found, left = outcome["abstained"], outcome["where_it_answers"]
    if not found["moments"]:
        return ""
    reasons = ", ".join(f"{why} {count} times" for why, count in found["reasons"].items())
    return (
        f"a robot would abstain at {found['moments']} of {outcome['moments']} moments ({reasons}), "
        f"in {found['whole_attempts']} attempts throughout; {line(left)}\n"
    )


def _kept(outcome: dict[str, Any]) -> str:
    """What to do with attempts that were kept."""
    if "kept" not in outcome:
        return ""
    folder = Path(outcome["kept"])
    return f"kept: {folder}; 'reflexarc label {folder.parent}' asks about them\n"


def _lines(outcome: dict[str, Any]) -> str:
    rows = [_row(name, row) for name, row in outcome["rules"].items()]
    refused = outcome["refusal"]
    pictures = "".join(f"{path}\n" for path in outcome["pictures"])
    return (
        f"{line(outcome)}\n"
        f"images: false positives {outcome['false_positive_rate']}, false negatives "
        f"{outcome['false_negative_rate']}, precision {outcome['precision']}, accuracy "
        f"{outcome['accuracy']}\n"
        "at even odds, look by look:\n"
        + "\n".join(rows)
        + "\n"
        + _called(outcome)
        + _abstention(outcome)
        + (f"pays nothing: {refused}\n" if refused else "")
        + pictures
        + _kept(outcome)
    )
