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
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from perception.model_package import ModelPackage
from perception.mono import MonoDepth
from perception.quantities import FloatArray, GreyImage, InputError

BAD_ABS_REL = 0.25  # of a frame's median; above it the frame is called bad
GRID = (2, 2)  # cells of the image's statistics, across and down
COLUMNS = 4  # of the prediction
NEIGHBOURS = 5
MOST_KEPT = 500  # training frames kept for the neighbours
SHRINK = 0.05  # part of the covariance that is replaced by its diagonal
RIDGE = 0.1  # of the logistic fit, on weights of standardised scores
LEAST_FRAMES = 30
LEAST_MOTION = 0.03  # relative error; smaller ones that parallax shows are all alike
TRUST = "trust"  # in the manifest's extra
STEPS = 50  # of Newton's method, far more than it needs

Array = npt.NDArray[np.float64]


class TrustError(InputError):
    """Frames from which no trust can be fitted, or a file that holds none."""


class FrameTrust(NamedTuple):
    """What to think of one prediction."""

    bad_probability: float  # 0..1, that the median abs_rel of the frame exceeds 25 %
    expected_error: float  # median of scale over inverse depth, as the network says
    mahalanobis: float  # 1 is usual among the training frames
    neighbours: float  # distance to the fifth nearest training frame, 1 is usual
    motion: float  # error that parallax shows; NaN where it shows nothing


class TrustSpace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the training frames looked like; plain numbers, so that it travels as JSON."""

    mean: list[float]  # (d,) of the training frames' statistics
    whitening: list[list[float]]  # (d, d), rows applied to what differs from the mean
    kept: list[list[float]]  # (n, d) whitened training frames
    usual: list[float]  # (2,) median Mahalanobis and neighbour distance of the training frames


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How scores become a probability."""

    centre: list[float]  # (4,) of the scores
    spread: list[float]  # (4,)
    weights: list[float]  # (5,) of the standardised scores, the constant last


class TrustModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that was fitted; travels beside the package."""

    package_sha256: str  # of the network it belongs to
    space: TrustSpace
    calibration: Calibration


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
        self._space = _Space.of(space)
        self._centre, self._spread = np.array(calibration.centre), np.array(calibration.spread)
        self._weights = np.array(calibration.weights)

    def judge(self, image: GreyImage, mono: MonoDepth, motion: float = math.nan) -> FrameTrust:
        """How far to believe one prediction.

        Args:
            image: (H, W) uint8, what the network was shown.
            mono: what it said.
            motion: relative error that parallax shows; NaN where it shows nothing.
        """
        raw = self._space.scores(statistics(image, mono), expected_error(mono), motion)  # (4,)
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


def fit_trust(
    learned: list[tuple[GreyImage, MonoDepth]], judged: list[JudgedFrame], package_sha256: str
) -> TrustModel:
    """A trust for a network.

    Args:
        learned: frames that the network learned from, with what it says of them now.
        judged: frames it did not learn from, good and bad ones; the probability is fitted to them.
        package_sha256: hex, of the network.

    Raises:
        TrustError: if there are too few frames, or the judged ones are all good or all bad.
    """
    known = [frame for frame in judged if not math.isnan(frame.abs_rel)]
    bad = np.array([frame.abs_rel > BAD_ABS_REL for frame in known], bool)
    if min(len(learned), len(known)) < LEAST_FRAMES or bad.all() or not bad.any():
        raise TrustError(
            f"trust needs {LEAST_FRAMES} frames learned from and {LEAST_FRAMES} judged, good and "
            f"bad ones; given are {len(learned)} and {len(known)}, {int(bad.sum())} of them bad"
        )
    space = learned_space(learned)
    calibration = fit_calibration(scores_of(space, known), bad)
    return TrustModel(package_sha256=package_sha256, space=space, calibration=calibration)


def learned_space(
    learned: Sequence[tuple[GreyImage, MonoDepth]], most_kept: int = MOST_KEPT
) -> TrustSpace:
    """What the frames looked like that a network learned from.

    Args:
        learned: with what it says of them now.
        most_kept: frames kept for the neighbours, evenly from all.

    Raises:
        TrustError: there are too few.
    """
    if len(learned) < LEAST_FRAMES:
        raise TrustError(f"trust needs {LEAST_FRAMES} frames learned from; given {len(learned)}")
    return _Space.fit(np.array([statistics(*frame) for frame in learned]), most_kept).described()


def scores_of(space: TrustSpace, frames: Sequence[JudgedFrame]) -> Array:
    """(n, 4) of frames, as they are standardised and weighed; NaN where motion shows nothing."""
    found = _Space.of(space)
    return np.array(
        [
            found.scores(statistics(f.image, f.mono), expected_error(f.mono), f.motion)
            for f in frames
        ]
    )


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


def for_manifest(space: TrustSpace) -> dict[str, Any]:
    """The space as a manifest's extra field `TRUST` holds it: four digits are enough."""

    def rounded(values: Any) -> Any:
        if isinstance(values, list):
            return [rounded(value) for value in values]
        return float(f"{values:.4g}")

    return {name: rounded(values) for name, values in msgspec.to_builtins(space).items()}


def write_trust(model: TrustModel, path: Path) -> None:
    """As JSON."""
    path.write_bytes(msgspec.json.encode(model))


def read_trust(path: Path, package_sha256: str) -> MonoTrust:
    """The trust that belongs to a network.

    Raises:
        TrustError: if the file cannot be read, is damaged, or belongs to another network.
    """
    try:
        model = msgspec.json.decode(path.read_bytes(), type=TrustModel)
    except (OSError, msgspec.DecodeError) as error:
        raise TrustError(f"{path}: not a trust: {error}; fit it again") from error
    if model.package_sha256 != package_sha256:
        raise TrustError(
            f"{path} was fitted to network {model.package_sha256[:12]}, this is "
            f"{package_sha256[:12]}; fit it again"
        )
    return MonoTrust(model.space, model.calibration)


def statistics(image: GreyImage, mono: MonoDepth) -> Array:
    """What a frame looks like in a few numbers, (d,).

    Of the image in a grid of cells: mean, log contrast, log change along rows and along columns,
    log of what a 3 x 3 median takes away (noise). Of the prediction: log nearness by column, its
    spread, and the spread of the expected error; not its size, which a learner may recalibrate.
    """
    grey = image.astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    along, down = (np.abs(cv2.Sobel(smooth, cv2.CV_32F, *way)) for way in ((1, 0), (0, 1)))
    fine = np.abs(grey - cv2.medianBlur(image, 3))
    mean = _cells(grey)
    contrast = np.sqrt(np.maximum(_cells(grey * grey) - mean * mean, 0))
    logs = [np.log(_cells(values) + 0.5) for values in (along, down, fine)]
    inverse, scale = np.log(mono.inverse_depth_per_m), np.log(mono.scale_per_m)
    relative = scale - inverse
    columns = np.array_split(inverse, COLUMNS, axis=1)
    said = [*(part.mean() for part in columns), inverse.std(), relative.std()]
    return np.concatenate([mean / 64, np.log(contrast + 0.5), *logs, said]).astype(np.float64)


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


def auroc(doubt: Array, bad: npt.NDArray[np.bool_]) -> float:
    """Probability that a bad frame is doubted more than a good one, ties half; NaN without both.

    Mann and Whitney 1947. doubt, bad: (n,).
    """
    bads, goods = int(bad.sum()), int((~bad).sum())
    if not bads or not goods:
        return math.nan
    values, inverse, counts = np.unique(doubt, return_inverse=True, return_counts=True)
    del values
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # (n,), from 1, ties share
    return float((ranks[bad].sum() - bads * (bads + 1) / 2) / (bads * goods))


class RiskCoverage(NamedTuple):
    """What is left of the error when the most doubted frames are left out."""

    coverage: Array  # (n,) 1/n .. 1, part of the frames that is kept
    risk: Array  # (n,) mean error of those


def risk_coverage(error: Array, doubt: Array) -> RiskCoverage:
    """The curve of Geifman and El-Yaniv, arXiv 1705.08500; error, doubt: (n,)."""
    ordered = error[np.argsort(doubt, kind="stable")]
    count = np.arange(1, len(error) + 1)
    return RiskCoverage(count / len(error), np.cumsum(ordered) / count)


def calibration_error(probability: Array, bad: npt.NDArray[np.bool_], bins: int = 10) -> float:
    """Mean distance of said and true share over equal bins, weighted (Naeini et al., AAAI 2015)."""
    chosen = np.minimum((probability * bins).astype(np.intp), bins - 1)
    gaps = [
        abs(float(probability[chosen == b].mean() - bad[chosen == b].mean())) * (chosen == b).mean()
        for b in range(bins)
        if (chosen == b).any()
    ]
    return float(sum(gaps))


class _Space(NamedTuple):
    """The statistics of the training frames."""

    mean: Array  # (d,)
    whitening: Array  # (d, d)
    kept: Array  # (n, d)
    usual: Array  # (2,)

    @classmethod
    def fit(cls, seen: Array, most_kept: int) -> "_Space":
        """From (n, d) statistics."""
        mean = seen.mean(axis=0)
        covariance = np.cov(seen.T)
        diagonal = np.diag(np.diag(covariance) + 1e-6)
        values, vectors = np.linalg.eigh((1 - SHRINK) * covariance + SHRINK * diagonal)
        whitening = vectors.T / np.sqrt(values)[:, np.newaxis]
        white = (seen - mean) @ whitening.T
        kept = white[:: math.ceil(len(white) / most_kept)]
        unscaled = cls(mean, whitening, kept, np.ones(2))
        # a kept frame's nearest is itself, so one more neighbour is counted for all of them
        near = [_nearest(kept, row, NEIGHBOURS + 1) for row in kept]
        usual = [float(np.median(np.linalg.norm(white, axis=1))), float(np.median(near))]
        return unscaled._replace(usual=np.array(usual))

    @classmethod
    def of(cls, space: TrustSpace) -> "_Space":
        """As it was fitted.

        Raises:
            TrustError: the numbers do not fit to each other.
        """
        try:
            found = cls(*map(np.array, (space.mean, space.whitening, space.kept, space.usual)))
        except ValueError as error:  # rows of several lengths
            raise TrustError("its rows differ in length") from error
        (size,) = found.mean.shape
        shapes = (found.whitening.shape, found.kept.shape[1:], found.usual.shape)
        if shapes != ((size, size), (size,), (2,)) or len(found.kept) <= NEIGHBOURS:
            raise TrustError(f"shapes {shapes} do not belong to {size} statistics")
        return found

    def described(self) -> TrustSpace:
        """As plain numbers."""
        return TrustSpace(**{name: array.tolist() for name, array in self._asdict().items()})

    def scores(self, seen: Array, error: float, motion: float) -> Array:
        """Logs of expected error, Mahalanobis and neighbour distance, and motion's error, (4,)."""
        white = self.whitening @ (seen - self.mean)
        distances = [float(np.linalg.norm(white)), _nearest(self.kept, white, NEIGHBOURS)]
        logs = np.log(np.array([error, *(distances / self.usual)]) + 1e-9)
        return np.append(logs, math.log(motion + LEAST_MOTION))


def _nearest(kept: Array, row: Array, rank: int) -> float:
    """Distance of the rank-th nearest of the kept rows."""
    squares = ((kept - row) ** 2).sum(axis=1)
    return math.sqrt(float(np.partition(squares, rank - 1)[rank - 1]))


def _cells(values: FloatArray) -> FloatArray:
    return np.asarray(cv2.resize(values, GRID, interpolation=cv2.INTER_AREA), np.float32).ravel()


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
