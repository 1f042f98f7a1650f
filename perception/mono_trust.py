"""How far one frame of the mono network can be believed: a probability that it is badly wrong.

A network is surest where it has never been, so its own uncertainty is not enough: what the frame
looks like is compared with the frames it learned from. Three scores per frame,

    expected error   log of the median of scale over inverse depth, as the network says itself
    Mahalanobis      of cheap statistics of image and prediction against those of the training
                     frames (Lee et al., arXiv 1807.03888, with plain features in place of layers)
    neighbours       distance to the fifth nearest training frame in the same, whitened statistics
                     (Sun et al., arXiv 2204.06507)
    motion           log of the error that parallax shows (`perception/motion_check.py`); where it
                     shows nothing, the mean of the frames that the rest was fitted to

are combined by a logistic function fitted to frames for which the teacher's answer is known (Platt
1999), so that the number means: the probability that the median abs_rel of the frame exceeds 25 %.
It holds for frames like those it was fitted to. All is NumPy; a robot runs it without torch.

The training frames change with each package that a robot in flight learns, so their statistics
travel in its manifest (`learned_space`, `trust_of`); how scores become a probability does not, and
stands here (`USUAL`), fitted by `benchmarks/mono_trust.py` to other networks and rooms.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from perception.model_package import ModelPackage
from perception.mono import MonoDepth
from perception.quantities import FloatArray, GreyImage
from perception.trust_space import FrameSpace, TrustError, TrustSpace, statistics

BAD_ABS_REL = 0.25  # of a frame's median; above it the frame is called bad
RIDGE = 0.1  # of the logistic fit, on weights of standardised scores
LEAST_MOTION = 0.03  # relative error; smaller ones that parallax shows are all alike
TRUST = "trust"  # in the manifest's extra
STEPS = 50  # of Newton's method, far more than it needs

Array = npt.NDArray[np.float64]


class FrameTrust(NamedTuple):
    """What to think of one prediction."""

    bad_probability: float  # 0..1, that the median abs_rel of the frame exceeds 25 %
    expected_error: float  # median of scale over inverse depth, as the network says
    mahalanobis: float  # 1 is usual among the training frames
    neighbours: float  # distance to the fifth nearest training frame, 1 is usual
    motion: float  # error that parallax shows; NaN where it shows nothing


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How scores become a probability."""

    centre: list[float]  # (4,) of the scores
    spread: list[float]  # (4,)
    weights: list[float]  # (5,) of the standardised scores, the constant last


USUAL = Calibration(
    centre=[-1.197, 0.76, 0.692, -0.868],
    spread=[0.325, 0.472, 0.456, 0.642],
    weights=[0.549, 0.302, 0.0, 2.023, 0.895],
)  # docs/results/mono_trust.json


class MonoTrust:
    """Judges predictions by the frames that a network learned from."""

    def __init__(self, space: TrustSpace, calibration: Calibration | None = None) -> None:
        """Of one network.

        Args:
            space: of its training frames.
            calibration: of the scores; None: the usual one.

        Raises:
            TrustError: the numbers of the space do not fit to each other.
        """
        calibration = calibration or USUAL
        self._space = FrameSpace.of(space)
        self._centre, self._spread = np.array(calibration.centre), np.array(calibration.spread)
        self._weights = np.array(calibration.weights)

    def judge(self, image: GreyImage, mono: MonoDepth, motion: float = math.nan) -> FrameTrust:
        """How far to believe one prediction.

        Args:
            image: (H, W) uint8, what the network was shown.
            mono: what it said.
            motion: relative error that parallax shows; NaN where it shows nothing.
        """
        raw = _scores(self._space, image, mono, motion)  # (4,)
        standard = np.nan_to_num((raw - self._centre) / self._spread)
        logit = float(standard @ self._weights[:-1] + self._weights[-1])
        expected, mahalanobis, neighbours = np.exp(raw[:3]).tolist()
        return FrameTrust(_logistic(logit), expected, mahalanobis, neighbours, motion)


class JudgedFrame(NamedTuple):
    """A frame with what the network said and how wrong that was."""

    image: GreyImage  # (H, W), what the network was shown
    mono: MonoDepth
    abs_rel: float  # median over the pixels that the teacher knows; NaN where it knows none
    motion: float = math.nan  # error that parallax shows; NaN where it shows nothing


def scores_of(space: TrustSpace, frames: Sequence[JudgedFrame]) -> Array:
    """(n, 4) of frames, as they are standardised and weighed; NaN where motion shows nothing."""
    found = FrameSpace.of(space)
    return np.array([_scores(found, f.image, f.mono, f.motion) for f in frames])


def fit_calibration(scores: Array, bad: npt.NDArray[np.bool_]) -> Calibration:
    """How scores (n, 4) tell bad frames (n,) from good ones; NaN counts as the mean.

    No score counts against its own meaning: one whose weight would be below 0, because another
    says the same, is left out.
    """
    known = ~np.isnan(scores)
    counts = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, scores, 0).sum(axis=0) / counts
    differences = np.where(known, scores - centre, 0)
    spread = np.sqrt((differences**2).sum(axis=0) / counts) + 1e-9
    standard = differences / spread
    weights = _fit_logistic(standard, bad)
    while weights[:-1].min() < 0:
        standard[:, weights[:-1].argmin()] = 0
        weights = _fit_logistic(standard, bad)
    return Calibration(centre=centre.tolist(), spread=spread.tolist(), weights=weights.tolist())


def trust_of(package: ModelPackage) -> MonoTrust | None:
    """The trust that a package carries in its manifest; None when it carries none.

    Raises:
        TrustError: what it carries is malformed.
    """
    carried = package.manifest.extra.get(TRUST)
    if carried is None:
        return None
    try:
        return MonoTrust(msgspec.convert(carried, TrustSpace))
    except (msgspec.ValidationError, TrustError) as error:
        raise TrustError(f"{package.path}: its trust is malformed: {error}") from error


def expected_error(mono: MonoDepth) -> float:
    """Median over the image of the error that the network expects, relative to the depth."""
    return float(np.median(mono.scale_per_m / mono.inverse_depth_per_m))


def median_abs_rel(mono: MonoDepth, target_per_m: FloatArray, weight: FloatArray) -> float:
    """Median of |z - z*| / z* over the cells that the teacher knows; NaN where it knows none.

    Args:
        mono: (h, w) each.
        target_per_m: (h, w) 1/m, the teacher's answer on the network's grid.
        weight: (h, w), 0 where there is none.
    """
    known = weight > 0
    if not known.any():
        return math.nan
    return float(np.median(np.abs(target_per_m[known] / mono.inverse_depth_per_m[known] - 1)))


def _fit_logistic(scores: Array, bad: npt.NDArray[np.bool_]) -> Array:
    """Weights (k + 1,) by Newton's method with a ridge, none on the constant."""
    inputs = np.column_stack([scores, np.ones(len(scores))])  # (n, k + 1)
    ridge = RIDGE * np.diag([*np.ones(scores.shape[1]), 0.0])
    weights = np.zeros(inputs.shape[1])
    for _ in range(STEPS):
        said = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (said - bad) + ridge @ weights
        curve = (inputs.T * (said * (1 - said) + 1e-6)) @ inputs + ridge
        step = np.linalg.solve(curve, slope)
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-max(min(logit, 30.0), -30.0)))


def _scores(space: FrameSpace, image: GreyImage, mono: MonoDepth, motion: float) -> Array:
    """Logs of expected error, Mahalanobis and neighbour distance, and motion's error, (4,)."""
    values = [expected_error(mono), *space.distances(statistics(image, mono))]
    return np.append(np.log(np.array(values) + 1e-9), math.log(motion + LEAST_MOTION))
