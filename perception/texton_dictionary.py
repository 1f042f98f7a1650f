"""Texton dictionaries: learned from frames, read from files, written to files.

The files have the format of the original flights (`kevindehecker/paparazzi`, branch IC), so that
the authors' dictionaries and ours can stand side by side.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from perception.quantities import FloatArray, GreyImage, InputError
from perception.textons import (
    PATCH,
    SIDE_PX,
    TEXTONS,
    Int16Array,
    TextonDictionary,
    TextonFrameError,
    doubled_slopes,
    encode_textons,
    grid_patches,
    squared_distances,
)

HEADER = bytes((TEXTONS, SIDE_PX))
LARGEST_GRADIENT = 255  # grey levels per px


class TextonFileError(InputError):
    """A dictionary file that cannot be read or is not one."""


def learn_dictionary(
    images: Sequence[GreyImage], rng: np.random.Generator, *, most_patches: int = 20_000
) -> TextonDictionary:
    """Ten intensity and ten gradient textons by k-means over the patches of the images' grids.

    They are rounded to whole grey levels, as the authors' files hold them.

    Args:
        images: of any sizes that hold the grid.
        rng: draws the patches, and the first centres by k-means++.
        most_patches: drawn from all patches if there are more.

    Raises:
        TextonFrameError: if there is no image or one is too small.
    """
    if not images:
        raise TextonFrameError("no image to learn textons from; give at least one")
    patches = np.concatenate([grid_patches(image) for image in images])  # (n, 25)
    if len(patches) > most_patches:
        patches = rng.choice(patches, most_patches, replace=False)
    slopes = doubled_slopes(patches) / 2
    return TextonDictionary(_cluster(patches, rng), _cluster(slopes, rng))


def _cluster(patches: npt.NDArray[np.number], rng: np.random.Generator) -> Int16Array:
    """Ten centres (10, 25) of the patches (n, 25): k-means++, then Lloyd by OpenCV."""
    points = patches.astype(np.float32)
    first = _spread_centres(points, rng)
    labels = squared_distances(points, first).argmin(axis=1).astype(np.int32)[:, np.newaxis]
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 0.01)
    flags = cv2.KMEANS_USE_INITIAL_LABELS  # so that OpenCV draws nothing from its own generator
    _, _, centres = cv2.kmeans(points, TEXTONS, labels, criteria, 1, flags)
    return np.rint(centres).astype(np.int16)


def _spread_centres(points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """k-means++ (Arthur and Vassilvitskii 2007): far points are likelier to be the next centre."""
    centres = [points[rng.integers(len(points))]]
    distances = np.full(len(points), np.inf)
    for _ in range(TEXTONS - 1):
        to_newest = squared_distances(points, centres[-1][np.newaxis])[:, 0]
        distances = np.minimum(distances, to_newest.astype(np.float64))
        total = distances.sum()
        likely = distances / total if total > 0 else None  # all points are alike: any will do
        centres.append(points[rng.choice(len(points), p=likely)])
    return np.stack(centres)


def load_dictionary(intensity: Path | str, gradient: Path | str) -> TextonDictionary:
    """Reads two files in the format of the original flights.

    Each holds two bytes (10 textons, side 5), then 250 little-endian int16, texton by texton.

    Raises:
        TextonFileError: if a file is missing, of another format, or holds the other kind.
    """
    return TextonDictionary(
        _read_half(Path(intensity), "intensity", 0, 255),
        _read_half(Path(gradient), "gradient", -LARGEST_GRADIENT, LARGEST_GRADIENT),
    )


def save_dictionary(
    dictionary: TextonDictionary, intensity: Path | str, gradient: Path | str
) -> None:
    """Writes the two files that `load_dictionary` reads.

    Raises:
        TextonFileError: if one cannot be written.
    """
    halves = ((intensity, dictionary.intensity), (gradient, dictionary.gradient))
    for path, textons in halves:
        try:
            Path(path).write_bytes(HEADER + encode_textons(textons))
        except OSError as error:
            raise TextonFileError(f"cannot write textons to {path}: {error.strerror}") from error


def _read_half(path: Path, kind: str, least: int, most: int) -> Int16Array:
    expected = f"{kind} textons: the bytes 10 and 5, then 250 little-endian int16 (502 bytes)"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TextonFileError(
            f"cannot read {path}: {error.strerror}; needed: {expected}"
        ) from error
    if content[:2] != HEADER or len(content) != len(HEADER) + 2 * TEXTONS * PATCH:
        raise TextonFileError(
            f"{path} ({len(content)} bytes, first {list(content[:2])}) is no file of {expected}"
        )
    textons = np.frombuffer(content, "<i2", offset=len(HEADER)).reshape(TEXTONS, PATCH)
    if textons.min() < least or textons.max() > most:
        raise TextonFileError(
            f"{path} holds values {textons.min()}..{textons.max()}; {kind} textons lie in "
            f"{least}..{most}; were the two files swapped?"
        )
    if kind == "gradient" and textons.min() >= 0:
        raise TextonFileError(
            f"{path} holds no falling gradient, so it is no file of gradient textons; were the "
            "two files swapped?"
        )
    return textons.astype(np.int16)
