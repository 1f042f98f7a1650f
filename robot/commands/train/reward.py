"""``reflexarc train reward``: episodes teach a reward to see whether a goal is reached."""

import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import tyro

from perception.quantities import InputError
from perception.reward import Looks, LookSpec, Maker
from perception.reward_look import LookRule
from perception.reward_makers import REWARD_MAKERS
from perception.reward_open import open_reward
from perception.reward_package import EVEN, REWARD, RewardEye
from perception.tables import config_from_options, load_item
from policies.label_looks import WEIGHT, Labelled, read_labelled, with_labels
from policies.offline_data import open_offline
from policies.reward_frames import NEAR_MISSES, POSITIVE_FRAMES, NearMisses
from robot.console import Console
from robot.options import (
    parsed_options,
    require_at_least,
    require_folders,
    require_package_name,
)
from robot.reward_answers import answers_to
from robot.reward_lesson import RewardLesson, calibrated, described, read_lesson
from robot.reward_teacher import check_teacher, with_verdicts
from robot.training_library import with_training


@dataclass(frozen=True)
class TrainReward:
    """Teach a reward by episodes with images; write a model package.

    The last images of demonstrations that succeeded show success; all before, failures and the
    opposite instruction do not. A fifth of the episodes is left out and calibrates it. The package
    pays nothing yet: 'reflexarc export reward' proves by other attempts how seldom it errs.

    Example: reflexarc train reward data/lid_images data/lid_images_clumsy --out reward.onnx
    """

    data: tyro.conf.Positional[tuple[Path, ...]]
    """Folders that reflexarc collect filled, with cameras."""
    out: Path | None = None
    """The model package, its hash goes beside it; default: reward.onnx. Of the maker vlm a folder,
    default: reward."""
    maker: str = "embedded"
    """Who learns; a wrong name lists those there are."""
    updates: int = 400
    """Batches to learn from."""
    views: tuple[str, ...] = ()
    """Cameras that are looked through; default: all."""
    frames: int = 2
    """Images on end that have to agree before it says yes."""
    positive_frames: int = POSITIVE_FRAMES
    """How many of the last images of a demonstration show success; collect with --after 2."""
    near_weight: float = NEAR_MISSES.weight
    """How often each of the six moments before success is shown, beside 1 for any other moment;
    there a reward errs first (docs/results/robofume.md)."""
    labels: tuple[Path, ...] = ()
    """Runs in which 'reflexarc label' asked; what was said there teaches too."""
    label_weight: float = WEIGHT
    """How often a labelled image is shown, beside 1 for an image of the data."""
    teacher: Path | None = None
    """A reward whose verdicts teach in place of the outcomes of the data, such as that of the maker
    vlm; what persons said in --labels still counts."""
    lost: str = ""
    """A sentence such as "the lid is out of reach": the reward learns to say so too, from episodes
    that ended where only a person could put things right. Empty: it is not asked."""
    without_failures: bool = False
    """Learn from demonstrations alone, though no episode failed."""
    set: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="K=V")] = ()
    """An option of the maker, such as backbone=tiny; may be given several times."""
    seed: int = 0
    """Of weights, batches, disturbances and the split; equal seeds give equal networks."""
    json: bool = False
    """Print the outcome as JSON, and no progress."""

    def __call__(self) -> int:
        """Reads, learns, calibrates, writes."""
        out = self._check()
        console = Console(quiet=self.json)
        teacher = self._teacher()
        data = open_offline(self.data)
        lesson = read_lesson(
            data,
            self.views,
            self.seed,
            without_failures=self.without_failures,
            lost=self.lost,
        )
        labelled = [
            one for run in self.labels for one in read_labelled(run, lesson.spec, lesson.opposites)
        ]
        maker = self._maker(lesson.spec)
        looks = self._looks(lesson, labelled, teacher, console)
        began_s = time.monotonic()
        with console.progress("learning", self.updates, "updates") as progress:
            maker.fit(looks, self.updates, lambda done, _: progress(done))
        seconds = round(time.monotonic() - began_s, 1)
        with console.progress("judging what was left out", None):
            answers = [answers_to(maker, one, lesson.asked(one)) for one in lesson.left_out]
        calibration = calibrated(answers)
        rule = LookRule(lesson.spec.views, self.frames, reverse=True)
        about = lesson.about(calibration, rule, labelled)
        scores = described(answers, about, rule, EVEN)
        extra = {REWARD: msgspec.to_builtins(about), "left_out": scores, "labels": len(labelled)}
        if teacher:
            extra["teacher"] = teacher.sha256
        package = maker.export(out, looks, extra)
        outcome = {
            "package": str(out),
            "sha256": package.sha256,
            "bytes": sum(one.stat().st_size for one in [out, *out.glob("*")] if one.is_file()),
            "learned_from": len(lesson.learn),
            "looks": len(looks.row),
            "labels": len(labelled),
            "teacher": str(self.teacher) if self.teacher else None,
            "successes": int((looks.success > 0.5).sum()),
            "updates": self.updates,
            "seconds": seconds,
            "temperature": round(calibration.temperature, 4),
            "left_out": scores,
        }
        self._report(outcome)
        return 0

    def _check(self) -> Path:
        """Refuses options that mean nothing; where the package goes."""
        require_at_least(self, {"updates": 1, "frames": 1, "positive_frames": 1, "seed": 0})
        require_folders(self.data)
        weights = {"label-weight": self.label_weight, "near-weight": self.near_weight}
        for option, weight in weights.items():
            if not 0 < weight < math.inf:
                raise InputError(f"--{option} {weight}: must be above 0 and finite")
        ending = with_training(lambda: load_item(REWARD_MAKERS, "maker", self.maker)).ending
        out = self.out or Path(f"reward{ending}")
        if ending:
            require_package_name(out)
        elif out.suffix or out.is_file():
            raise InputError(f"--out {out}: the maker {self.maker} writes a folder; name one")
        return out

    def _maker(self, spec: LookSpec) -> Maker:
        options = parsed_options(self.set)

        def made() -> Maker:
            maker = load_item(REWARD_MAKERS, "maker", self.maker)
            config = config_from_options(maker.Config, options, f"maker {self.maker}")
            return maker(spec, config, self.seed)

        return with_training(made)

    def _teacher(self) -> RewardEye | None:
        path = self.teacher
        return None if path is None else with_training(lambda: open_reward(path))

    def _looks(
        self,
        lesson: RewardLesson,
        labelled: list[Labelled],
        teacher: RewardEye | None,
        console: Console,
    ) -> Looks:
        """What the data say, or a teacher of them, and what persons said of practice."""
        looks = lesson.looks(self.positive_frames, NearMisses(self.near_weight))
        if teacher is not None:
            check_teacher(teacher, lesson)
            with console.progress("asking the teacher", len(looks.row), "looks") as progress:
                looks = with_verdicts(looks, lesson.spec, teacher, progress)
        return with_labels(looks, labelled, lesson.spec, lesson.opposites, self.label_weight)

    def _report(self, outcome: dict[str, Any]) -> None:
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
            return
        left_out = outcome["left_out"]
        sys.stdout.write(
            f"learned from {outcome['looks']} looks ({outcome['successes']} of success) of "
            f"{outcome['learned_from']} episodes and {outcome['labels']} labels in "
            f"{outcome['seconds']} s\n"
            f"left out: {line(left_out)}\n"
            f"package: {outcome['package']}, {outcome['bytes'] / 1e6:.1f} MB; it pays nothing yet: "
            "'reflexarc export reward' proves by other attempts how seldom it errs\n"
        )


def line(scores: dict[str, Any]) -> str:
    """Scores for a person."""
    return (
        f"said yes in vain in {scores['false_attempts']} of {scores['attempts']} attempts (95 %: "
        f"at most {100 * scores['false_upper']:.1f} %; {scores['early_attempts']} of them just too "
        f"soon), saw {scores['found_attempts']} of {scores['reached_attempts']} successes; "
        f"calibration error {scores['ece']} ({scores['ece_uncalibrated']} before)"
    )
