"""``reflexarc export mono``: a network in eight bits, if that is worth having."""

import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import tyro

from perception.calibration import calibration_hash
from perception.model_package import ModelPackage, read_package, write_package
from perception.mono import IMAGE, MonoEye, spec_of
from perception.mono_labels import rows_of, split
from perception.mono_scores import MonoScores, judged
from perception.onnx_model import OnnxModel
from perception.quantities import InputError
from robot.commands.evaluate.mono import looked
from robot.commands.train.mono import described, line
from robot.console import Console
from robot.stereo_pairs import Lesson, load_lesson

CALIBRATION_FRAMES = 64  # spread over the recording; more change nothing that can be measured
MAX_WORSE = 1.02  # of abs_rel; beyond, accuracy counts as lost
MAX_RATE_LOST = 0.01  # of tpr, or gained in fpr
MS_PER_S = 1000


@dataclass(frozen=True)
class ExportMono:
    """Write a depth network in eight bits, if that is worth having.

    Both variants are measured, frame by frame in turn, on one thread. A variant that is slower or
    worse is not written; the reason is printed.

    Example: reflexarc export mono runs/a --package mono.onnx --out mono_int8.onnx
    """

    data: tyro.conf.Positional[Path]
    """A recording to measure on: a run folder, its log, or a EuRoC/ASL folder."""
    package: Path
    """The float32 package."""
    out: Path = Path("mono_int8.onnx")
    """The package to write."""
    json: bool = False
    """Print the outcome as JSON, and no progress."""

    def __call__(self) -> int:
        """Reads, quantises, measures, decides."""
        if self.out.suffix != ".onnx":
            raise InputError(f"--out {self.out}: the name of a package ends in .onnx")
        package = read_package(self.package)
        spec = spec_of(package)
        quantiser = quantising_library()
        with Console(quiet=self.json).progress("stereo looks", None, "pairs") as progress:
            lesson = load_lesson(self.data, spec, progress)
        MonoEye(package, lesson.rig)  # refuses another calibration
        onnx_bytes = quantiser.quantised(package.path.read_bytes(), calibration_inputs(lesson))
        small = package._replace(path=self.out, model=OnnxModel(onnx_bytes))
        plain, int8 = compare((package, small), lesson)
        reason = why_not(plain, int8)
        written = None if reason else self._write(onnx_bytes, package, lesson, int8.scores)
        self._report(plain, int8, reason, written)
        return 0

    def _write(
        self, onnx_bytes: bytes, parent: ModelPackage, lesson: Lesson, scores: MonoScores
    ) -> str:
        """The package; its sha256."""
        manifest = msgspec.structs.replace(
            parent.manifest,
            parent=parent.sha256,
            calibration_hash=calibration_hash(lesson.rig),
            extra={**parent.manifest.extra, "weights": "int8", "scores": described(scores)},
        )
        return write_package(self.out, onnx_bytes, manifest).sha256

    def _report(
        self, plain: "Measured", int8: "Measured", reason: str | None, sha256: str | None
    ) -> None:
        outcome: dict[str, Any] = {
            "float32": {"ms_p50": plain.ms_p50, **described(plain.scores)},
            "int8": {"ms_p50": int8.ms_p50, **described(int8.scores)},
            "written": None if reason else str(self.out),
            "sha256": sha256,
            "reason": reason,
        }
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
            return
        for name in ("float32", "int8"):
            sys.stdout.write(f"{name}: {outcome[name]['ms_p50']} ms, {line(outcome[name])}\n")
        sys.stdout.write(f"not written: {reason}\n" if reason else f"package: {self.out}\n")


class Measured(NamedTuple):
    """One variant on the frames left out."""

    scores: MonoScores
    ms_p50: float  # per frame


def quantising_library() -> Any:
    """`perception.int8`; by name, because a robot has no onnx.

    Raises:
        InputError: onnx is not installed.
    """
    try:
        return importlib.import_module("perception.int8")
    except ModuleNotFoundError as error:
        raise InputError(
            f"eight bits need {error.name}: run 'pip install reflexarc[train]'"
        ) from error


def calibration_inputs(lesson: Lesson) -> list[dict[str, Any]]:
    """Frames to measure ranges on, from the part that is not judged."""
    learn, _ = split(len(lesson.frames.image))
    rows = np.unique(np.linspace(0, len(learn) - 1, CALIBRATION_FRAMES).astype(np.intp))
    return [{IMAGE: image[np.newaxis]} for image in lesson.frames.image[learn[rows]]]


def compare(packages: Sequence[ModelPackage], lesson: Lesson) -> list[Measured]:
    """Scores and time of each package on the frames left out, in turn for every frame."""
    _, left_out = split(len(lesson.frames.image))
    frames = rows_of(lesson.frames, left_out)
    times_s: list[list[float]] = [[] for _ in packages]
    eyes = [looked(p, frames.image, times) for p, times in zip(packages, times_s, strict=True)]
    seen = list(zip(*eyes, strict=True))  # the variants of each frame
    return [
        Measured(
            judged(lesson.view, frames, predictions),
            round(float(np.median(times)) * MS_PER_S, 3),
        )
        for predictions, times in zip(zip(*seen, strict=True), times_s, strict=True)
    ]


def why_not(plain: Measured, int8: Measured) -> str | None:
    """Why the variant is not worth having; None if it is."""
    if int8.ms_p50 >= plain.ms_p50:
        return f"int8 takes {int8.ms_p50} ms per frame here, float32 {plain.ms_p50} ms"
    before, after = plain.scores, int8.scores
    if not after.abs_rel <= MAX_WORSE * before.abs_rel:  # also for NaN
        return f"abs_rel rises from {before.abs_rel:.4f} to {after.abs_rel:.4f}"
    if after.tpr < before.tpr - MAX_RATE_LOST or after.fpr > before.fpr + MAX_RATE_LOST:
        return (
            f"obstacles found: {before.tpr:.3f} becomes {after.tpr:.3f}; false ones: "
            f"{before.fpr:.3f} becomes {after.fpr:.3f}"
        )
    return None
