"""``reflexarc train mono``: a recording teaches a network, which becomes a model package."""

import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tyro

from perception.calibration import calibration_hash
from perception.mono import MonoDepth, MonoSpec
from perception.mono_labels import LabelledFrame, rows_of, split
from perception.mono_scores import MonoScores, constant_prediction, judged
from robot.console import Console
from robot.options import require_at_least, require_package_name
from robot.stereo_pairs import Lesson, load_lesson
from robot.training_library import training_library

TRAINING = "perception.mono_training"


@dataclass(frozen=True)
class TrainMono:
    """Teach one camera depth by what stereo saw in a recording; write a model package.

    Every fifth part of the recording is left out of the learning and then judged by stereo.

    Example: reflexarc train mono runs/a --out mono.onnx --updates 3000
    """

    data: tyro.conf.Positional[Path]
    """A run folder, its log, or a EuRoC/ASL folder with cam0 and cam1."""
    out: Path = Path("mono.onnx")
    """The model package; its hash goes beside it."""
    updates: int = 3000
    """Batches to learn from; 1000 take less than a minute."""
    seed: int = 0
    """Of weights, batches and disturbances; equal seeds give equal networks."""
    width: int = MonoSpec.width
    """Pixels of the network's input, a multiple of 16; frames are cropped and scaled to it."""
    height: int = MonoSpec.height
    """Pixels, likewise."""
    json: bool = False
    """Print the outcome as JSON, and no progress."""

    def __call__(self) -> int:
        """Reads, learns, judges, writes."""
        self._check()
        spec = MonoSpec(self.width, self.height)
        training = training_library(TRAINING)
        console = Console(quiet=self.json)
        with console.progress("stereo looks", None, "pairs") as progress:
            lesson = load_lesson(self.data, spec, progress, both=True)
        learn, left_out = split(len(lesson.frames.image))
        learner = training.MonoLearner(spec, lesson.view, training.Config(), self.seed)
        began_s = time.monotonic()
        with console.progress("learning", self.updates, "updates") as progress:
            learner.fit(taught(lesson, learn), self.updates, lambda done, _: progress(done))
        seconds = time.monotonic() - began_s
        held = rows_of(lesson.frames, left_out)
        predictions = map(MonoDepth, *learner.infer(held.image))
        scores = judged(lesson.view, held, predictions)
        blind = constant_prediction(lesson.frames, learn)
        outcome = {
            "package": str(self.out),
            "learned_from": len(learn),
            "updates": self.updates,
            "seconds": round(seconds, 1),
            "left_out": described(scores),
            "constant": described(judged(lesson.view, held, [blind] * len(left_out))),
        }
        extra = {"data_sha256": lesson.sha256, "scores": outcome["left_out"]}
        package = learner.export(
            self.out, held, calibration_hash=calibration_hash(lesson.rig), extra=extra
        )
        self._report({**outcome, "sha256": package.sha256}, lesson)
        return 0

    def _check(self) -> None:
        require_at_least(self, {"updates": 1, "seed": 0})
        require_package_name(self.out)

    def _report(self, outcome: dict[str, Any], lesson: Lesson) -> None:
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
            return
        known = float(np.mean(~np.isnan(lesson.frames.teacher_per_m)))
        sys.stdout.write(
            f"learned from {outcome['learned_from']} frames in {outcome['seconds']} s; stereo "
            f"answered for {100 * known:.0f} % of their pixels\n"
            f"left out:        {line(outcome['left_out'])}\n"
            f"same every time: {line(outcome['constant'])}\n"
            f"package: {self.out}\n"
        )


def taught(lesson: Lesson, rows: npt.NDArray[np.intp]) -> LabelledFrame:
    """These frames (n,) of both eyes."""
    eyes = [rows_of(eye, rows) for eye in (lesson.frames, lesson.right) if eye is not None]
    return LabelledFrame._make(np.concatenate(arrays) for arrays in zip(*eyes, strict=True))


def described(scores: MonoScores) -> dict[str, float | int | None]:
    """Scores for JSON, which knows no NaN."""
    return {
        name: None if math.isnan(value) else round(value, 4)
        for name, value in scores._asdict().items()
    }


def line(scores: dict[str, Any]) -> str:
    """Scores for a person."""
    rates = (scores["tpr"], scores["fpr"])
    tpr, fpr = ("none" if rate is None else f"{rate:.2f}" for rate in rates)
    return (
        f"abs_rel {scores['abs_rel']}, within 25 %: {scores['delta_125']}; obstacles in "
        f"{scores['obstacles']} of {scores['frames']} frames: found {tpr}, false {fpr}"
    )
