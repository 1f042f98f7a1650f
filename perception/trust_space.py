"""What the frames looked like that a network learned from, and how far another is from them.

Cheap statistics of image and prediction, whitened; plain numbers, so that they travel in the
manifest of a model package as JSON.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from perception.mono import MonoDepth
from perception.quantities import FloatArray, GreyImage, InputError

GRID = (2, 2)  # cells of the image's statistics, across and down
COLUMNS = 4  # of the prediction
NEIGHBOURS = 5
MOST_KEPT = 500  # training frames kept for the neighbours
SHRINK = 0.05  # part of the covariance that is replaced by its diagonal
LEAST_FRAMES = 30

Array = npt.NDArray[np.float64]


class TrustError(InputError):
    """Frames from which no trust can be made, or numbers that hold none."""


class TrustSpace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the training frames looked like; plain numbers, so that it travels as JSON."""

    mean: list[float]  # (d,) of the training frames' statistics
    whitening: list[list[float]]  # (d, d), rows applied to what differs from the mean
    kept: list[list[float]]  # (n, d) whitened training frames
    usual: list[float]  # (2,) median Mahalanobis and neighbour distance of the training frames


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
    return FrameSpace.fit(
        np.array([statistics(*frame) for frame in learned]), most_kept
    ).described()


def for_manifest(space: TrustSpace) -> dict[str, Any]:
    """The space as a manifest's extra field `TRUST` holds it: four digits are enough."""

    def rounded(values: Any) -> Any:
        if isinstance(values, list):
            return [rounded(value) for value in values]
        return float(f"{values:.4g}")

    return {name: rounded(values) for name, values in msgspec.to_builtins(space).items()}


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


class FrameSpace(NamedTuple):
    """The statistics of the training frames."""

    mean: Array  # (d,)
    whitening: Array  # (d, d)
    kept: Array  # (n, d)
    usual: Array  # (2,)

    @classmethod
    def fit(cls, seen: Array, most_kept: int) -> "FrameSpace":
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
    def of(cls, space: TrustSpace) -> "FrameSpace":
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

    def distances(self, seen: Array) -> Array:
        """Mahalanobis and distance to the fifth nearest of statistics (d,); 1 is usual, (2,)."""
        white = self.whitening @ (seen - self.mean)
        far = [float(np.linalg.norm(white)), _nearest(self.kept, white, NEIGHBOURS)]
        return np.array(far) / self.usual


def _nearest(kept: Array, row: Array, rank: int) -> float:
    """Distance of the rank-th nearest of the kept rows."""
    squares = ((kept - row) ** 2).sum(axis=1)
    return math.sqrt(float(np.partition(squares, rank - 1)[rank - 1]))


def _cells(values: FloatArray) -> FloatArray:
    return np.asarray(cv2.resize(values, GRID, interpolation=cv2.INTER_AREA), np.float32).ravel()
