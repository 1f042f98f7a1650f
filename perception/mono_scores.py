"""How well a single camera sees, judged by the teacher on frames it did not learn from.

    abs_rel     mean |z - z*| / z* over the pixels that the teacher trusts; delta_125 the part of
                them with max(z / z*, z* / z) < 1.25; both as in Eigen et al., arXiv 1406.2283
    obstacle    the corridor ahead is shorter than a threshold; the paper's is about 1 m
                (arXiv 1603.08047); tpr = TP / (TP + FN), fpr = FP / (FP + TN), counted in frames

Every trusted pixel counts, also those where the network doubts: leaving them out would reward a
network that is never sure. The obstacle is what a pilot would be told, so there its doubt counts.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perception.geometry import RectifiedView, depth_from_disparity
from perception.mono import MonoConfig, MonoDepth, depth_of, upsampled
from perception.mono_labels import LabelledFrame, rows_of
from perception.proximity import ProximityConfig, corridor_ahead
from perception.quantities import FloatArray

FACTOR = 1.25


@dataclass(frozen=True)
class JudgeConfig:
    """What counts as an obstacle."""

    obstacle_m: float = 1.0  # a corridor shorter than this; 8 px of disparity in the paper
    mono: MonoConfig = field(default_factory=MonoConfig)  # what the network lets through
    proximity: ProximityConfig = field(default_factory=ProximityConfig)  # the corridor


class MonoScores(NamedTuple):
    """Errors over all frames; NaN where nothing could be counted."""

    frames: int
    pixels: int  # that the teacher trusts
    abs_rel: float  # 0 is perfect
    delta_125: float  # 0..1, 1 is perfect
    expected_over_error: float  # predicted scale over actual error, means; 1 is honest doubt
    trusted: float  # 0..1, part of those pixels that the network lets through
    obstacles: int  # frames in which the teacher sees one
    tpr: float  # 0..1
    fpr: float  # 0..1


class Judge:
    """Sums up frame after frame."""

    def __init__(self, view: RectifiedView, config: JudgeConfig | None = None) -> None:
        """Nothing seen yet; `view` is the fitted view of frames and predictions."""
        self._view = view
        self._config = config or JudgeConfig()
        self._sums = np.zeros(6)  # pixels, relative error, within, |error|, scale, trusted
        self._obstacles: list[tuple[bool, bool]] = []  # for the teacher, for the network

    def see(self, teacher_per_m: FloatArray, mono: MonoDepth) -> None:
        """Takes one frame in: the teacher's inverse depth (H, W), NaN unknown; the network's."""
        depth_m = depth_of(mono, self._view, self._config.mono).depth_m
        known = ~np.isnan(teacher_per_m)
        truth = teacher_per_m[known]  # (n,)
        found, scale = (values[known] for values in upsampled(mono))
        ratio = truth / found  # z / z*
        within = np.maximum(ratio, 1 / ratio) < FACTOR
        sums = (np.abs(ratio - 1), within, np.abs(truth - found), scale, ~np.isnan(depth_m[known]))
        self._sums += [truth.size, *(np.sum(values, dtype=np.float64) for values in sums)]
        view = self._view
        taught_m = depth_from_disparity(teacher_per_m * view.focal_px * view.baseline_m, view)
        self._obstacles.append((self._is_obstacle(taught_m), self._is_obstacle(depth_m)))

    def scores(self) -> MonoScores:
        """All frames so far."""
        pixels, relative, within, error, scale, trusted = self._sums
        taught, found = np.array(self._obstacles, np.bool_).reshape(-1, 2).T  # (n,) each
        return MonoScores(
            frames=len(taught),
            pixels=int(pixels),
            abs_rel=_part(relative, pixels),
            delta_125=_part(within, pixels),
            expected_over_error=_part(scale, error),
            trusted=_part(trusted, pixels),
            obstacles=int(taught.sum()),
            tpr=_part(int((taught & found).sum()), int(taught.sum())),
            fpr=_part(int((~taught & found).sum()), int((~taught).sum())),
        )

    def _is_obstacle(self, depth_m: FloatArray) -> bool:
        config = self._config
        distance_m, _ = corridor_ahead(depth_m, self._view, config.proximity)
        return distance_m < config.obstacle_m


def judged(
    view: RectifiedView,
    frames: LabelledFrame,
    predictions: Iterable[MonoDepth],
    config: JudgeConfig | None = None,
) -> MonoScores:
    """The scores of one prediction per frame of N."""
    judge = Judge(view, config)
    for teacher_per_m, mono in zip(frames.teacher_per_m, predictions, strict=True):
        judge.see(teacher_per_m, mono)
    return judge.scores()


def constant_prediction(frames: LabelledFrame, rows: npt.NDArray[np.intp]) -> MonoDepth:
    """What a network without eyes would say: the median answer of each cell over these frames.

    A score means something only beside this one.
    """
    taught = rows_of(frames, rows)
    answers = np.where(taught.weight > 0, taught.target_per_m, np.float32(np.nan))
    known = ~np.isnan(answers).all(0)
    usual = np.nanmedian(answers)
    median = np.where(known, np.nanmedian(np.where(known, answers, usual), axis=0), usual)
    spread = np.nanmean(np.abs(np.where(np.isnan(answers), median, answers) - median), axis=0)
    least = np.float32(1e-3)
    return MonoDepth(*(np.maximum(v, least).astype(np.float32) for v in (median, spread)))


def _part(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else math.nan
