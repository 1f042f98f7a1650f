"""``reflexarc evaluate mono``: how well a model package does on a recording."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tyro

from perception.model_package import ModelPackage, read_package
from perception.mono import IMAGE, INVERSE_DEPTH, SCALE, MonoDepth, MonoEye, spec_of
from perception.mono_labels import LabelledFrame, rows_of, split
from perception.mono_scores import JudgeConfig, judged
from perception.quantities import InputError
from robot.commands.train.mono import described, line
from robot.console import Console
from robot.stereo_pairs import Lesson, load_lesson

MS_PER_S = 1000


@dataclass(frozen=True)
class EvaluateMono:
    """Judge a depth network by what stereo sees in a recording.

    On the recording that it learned from, only the frames that were left out then are judged.

    Example: reflexarc evaluate mono runs/b --package mono.onnx
    """

    data: tyro.conf.Positional[Path]
    """A run folder, its log, or a EuRoC/ASL folder with cam0 and cam1."""
    package: Path
    """The model package (.onnx)."""
    obstacle_m: float = JudgeConfig.obstacle_m
    """A corridor shorter than this many metres is an obstacle."""
    json: bool = False
    """Print the scores as JSON, and no progress."""

    def __call__(self) -> int:
        """Reads, looks, judges."""
        if not 0 < self.obstacle_m < float("inf"):
            raise InputError(f"--obstacle-m {self.obstacle_m}: must be above 0 and finite")
        package = read_package(self.package)
        spec = spec_of(package)
        with Console(quiet=self.json).progress("stereo looks", None, "pairs") as progress:
            lesson = load_lesson(self.data, spec, progress)
        MonoEye(package, lesson.rig)  # refuses another calibration
        frames = judged_frames(package, lesson)
        times_s: list[float] = []
        predictions = looked(package, frames.image, times_s)
        scores = judged(lesson.view, frames, predictions, JudgeConfig(obstacle_m=self.obstacle_m))
        outcome = {
            "package": str(self.package),
            "sha256": package.sha256,
            "learned_from_this": has_learned_from(package, lesson),
            "infer_ms_p50": round(float(np.median(times_s)) * MS_PER_S, 3),
            **described(scores),
        }
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
        else:
            sys.stdout.write(_lines(outcome))
        return 0


def has_learned_from(package: ModelPackage, lesson: Lesson) -> bool:
    """Whether the network learned from these very images."""
    return package.manifest.extra.get("data_sha256") == lesson.sha256


def judged_frames(package: ModelPackage, lesson: Lesson) -> LabelledFrame:
    """All frames, or, where it has learned from them, those that were left out."""
    if not has_learned_from(package, lesson):
        return lesson.frames
    _, left_out = split(len(lesson.frames.image))
    return rows_of(lesson.frames, left_out)


def looked(
    package: ModelPackage, images: npt.NDArray[np.uint8], times_s: list[float]
) -> Iterator[MonoDepth]:
    """What the network says of each of N frames (N, 1, H, W); appends how long each took."""
    for image in images:
        began_s = time.perf_counter()
        found = package.model.infer({IMAGE: image[np.newaxis]})
        times_s.append(time.perf_counter() - began_s)
        yield MonoDepth(found[INVERSE_DEPTH][0], found[SCALE][0])


def _lines(outcome: dict[str, Any]) -> str:
    which = "frames left out of its learning" if outcome["learned_from_this"] else "all frames"
    return (
        f"{which}: {line(outcome)}\n"
        f"the network trusts itself in {100 * (outcome['trusted'] or 0):.0f} % of the pixels; "
        f"its expected error is {outcome['expected_over_error']} of the real one\n"
        f"{outcome['infer_ms_p50']} ms per frame\n"
    )
