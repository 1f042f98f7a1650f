"""What a frame looks like, as 21 numbers: histograms of small image patches, and their entropy.

The appearance cue of van Hecke et al. (arXiv 1603.08047), as in the authors' flight code
(`kevindehecker/paparazzi`, branch IC, `textons.cpp`). A dictionary holds 10 intensity and 10
gradient textons of 5 x 5 px. Each of 484 patches on a fixed grid votes for the nearest of either
kind; what is near looks different from what is far, and a regression on the votes tells how near.

All distances are whole numbers, so the kernel and `count_votes_reference` agree to the bit.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from perception.kernels import kernel
from perception.quantities import FloatArray, GreyImage, ImageError, InputError

SIDE_PX = 5
PATCH = SIDE_PX * SIDE_PX  # px of a patch
TEXTONS = 10  # of each kind
GRID = 22  # patches along each axis: the whole root of the 500 samples of the paper
PATCHES = GRID * GRID
FEATURES = 2 * TEXTONS + 1
HEADER = bytes((TEXTONS, SIDE_PX))  # of a dictionary file
LARGEST_GRADIENT = 255  # grey levels per px

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]


class TextonFileError(InputError):
    """A dictionary file that cannot be read or is not one."""


class TextonFrameError(ImageError):
    """A frame that is not of the size that the model was made for."""


@dataclass(frozen=True, eq=False)
class TextonDictionary:
    """The patches that the patches of a frame are compared with, row by row in each patch."""

    intensity: Int16Array  # (10, 25), grey levels 0..255
    gradient: Int16Array  # (10, 25), grey levels per px along x

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of both halves, hex: features of different dictionaries cannot be compared."""
        return hashlib.sha256(_encode(self.intensity) + _encode(self.gradient)).hexdigest()


class TextonFeatures:
    """Frames of one size to features, by one dictionary."""

    def __init__(self, dictionary: TextonDictionary, width: int, height: int) -> None:
        """Prepares the grid.

        Raises:
            TextonFrameError: if 22 patches do not fit along an axis.
        """
        self.dictionary = dictionary
        self.width, self.height = width, height
        self._columns, self._rows = grid_starts_px(width), grid_starts_px(height)
        self._intensity = dictionary.intensity.astype(np.int32)
        self._gradient = 2 * dictionary.gradient.astype(np.int32)

    def measure(self, image: GreyImage) -> FloatArray:
        """The feature of one frame, (21,): see `feature_of_votes`.

        Raises:
            TextonFrameError: if it is not a grey frame of the size given at the start.
        """
        check_frame(image, self.width, self.height)
        grey = np.ascontiguousarray(image)
        votes = count_votes(grey, self._rows, self._columns, self._intensity, self._gradient)
        return feature_of_votes(votes)


def check_frame(image: GreyImage, width: int, height: int) -> None:
    """Passes a grey frame of this size.

    Raises:
        TextonFrameError: otherwise, naming both.
    """
    if image.dtype != np.uint8 or image.shape != (height, width):
        raise TextonFrameError(
            f"the frame is {image.dtype} {image.shape}; the textons were set up for grey frames of "
            f"{width}x{height} px: uint8 ({height}, {width}); resize it, or learn anew at its size"
        )


def grid_starts_px(length_px: int) -> npt.NDArray[np.intp]:
    """The first pixel of each of the 22 patches along an axis, (22,).

    A step is (length - 5) // 22; the first patch begins half a step from the rim. The paper's grid
    leaves a rest at the far rim: 16 of 128 columns and 5 of 96 rows.

    Raises:
        TextonFrameError: if the step would be less than a pixel.
    """
    step_px = (length_px - SIDE_PX) // GRID
    if step_px < 1:
        raise TextonFrameError(
            f"an axis of {length_px} px is too short for textons; needed: {GRID + SIDE_PX} px"
        )
    return step_px * np.arange(GRID) + step_px // 2


def feature_of_votes(votes: Int32Array) -> FloatArray:
    """Votes (20,) to the feature (21,) float32: ten parts of 0.5, ten more, the entropy in bits."""
    part = votes / (2 * PATCHES)  # (20,), sums to 1
    voted = part[part > 0]
    entropy = -np.sum(voted * np.log2(voted))
    return np.append(part, entropy).astype(np.float32)


@kernel
def count_votes(
    image: GreyImage,
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    intensity: Int32Array,
    doubled_gradient: Int32Array,
) -> Int32Array:
    """How many patches are nearest to each texton, (20,); see `count_votes_reference`.

    Args:
        image: (H, W).
        rows: (22,) first rows of the patches.
        columns: (22,) first columns of the patches.
        intensity: (10, 25) grey levels.
        doubled_gradient: (10, 25), twice the grey levels per px.
    """
    votes = np.zeros(2 * TEXTONS, np.int32)
    grey, slope = np.empty(PATCH, np.int32), np.empty(PATCH, np.int32)
    for y in rows:
        for x in columns:
            for v in range(SIDE_PX):
                for u in range(SIDE_PX):
                    left, right = max(u - 1, 0), min(u + 1, SIDE_PX - 1)
                    rise = np.int32(image[y + v, x + right]) - np.int32(image[y + v, x + left])
                    grey[v * SIDE_PX + u] = image[y + v, x + u]
                    slope[v * SIDE_PX + u] = rise if right - left == 2 else 2 * rise
            votes[_nearest(grey, intensity)] += 1
            votes[TEXTONS + _nearest(slope, doubled_gradient)] += 1
    return votes


@kernel
def _nearest(patch: Int32Array, textons: Int32Array) -> int:
    """The first of the textons (10, 25) with the least squared distance to the patch (25,)."""
    least, best = 1 << 30, 0
    for index in range(TEXTONS):
        distance = 0
        for k in range(PATCH):
            difference = patch[k] - textons[index, k]
            distance += difference * difference
        if distance < least:
            least, best = distance, index
    return best


def count_votes_reference(image: GreyImage, dictionary: TextonDictionary) -> Int32Array:
    """The same in NumPy: squared distances of all patches to all textons, and the nearest's votes.

    Slopes are central differences; at the rims of a patch, where one neighbour is outside of it,
    the difference to the other. Both are doubled, so that they stay whole numbers.
    """
    patches = grid_patches(image)  # (484, 25)
    kinds = (
        (patches, dictionary.intensity),
        (doubled_slopes(patches), 2 * dictionary.gradient.astype(np.int32)),
    )
    return np.concatenate(
        [
            np.bincount(_squared_distances(found, textons).argmin(axis=1), minlength=TEXTONS)
            for found, textons in kinds
        ]
    ).astype(np.int32)


def grid_patches(image: GreyImage) -> Int32Array:
    """All patches of the grid, (484, 25), row by row."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (SIDE_PX, SIDE_PX))
    height, width = image.shape
    chosen = windows[np.ix_(grid_starts_px(height), grid_starts_px(width))]  # (22, 22, 5, 5)
    return chosen.reshape(PATCHES, PATCH).astype(np.int32)


def doubled_slopes(patches: Int32Array) -> Int32Array:
    """Twice the slope along x of every pixel of the patches, (n, 25)."""
    square = patches.reshape(-1, SIDE_PX, SIDE_PX)
    slopes = np.empty_like(square)
    slopes[:, :, 1:-1] = square[:, :, 2:] - square[:, :, :-2]
    slopes[:, :, 0] = 2 * (square[:, :, 1] - square[:, :, 0])
    slopes[:, :, -1] = 2 * (square[:, :, -1] - square[:, :, -2])
    return slopes.reshape(patches.shape)


def _squared_distances(
    patches: npt.NDArray[np.number], textons: npt.NDArray[np.number]
) -> npt.NDArray[np.number]:
    """(n, textons)."""
    return np.stack([((patches - texton) ** 2).sum(axis=1) for texton in textons], axis=1)


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
    labels = _squared_distances(points, first).argmin(axis=1).astype(np.int32)[:, np.newaxis]
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 0.01)
    flags = cv2.KMEANS_USE_INITIAL_LABELS  # so that OpenCV draws nothing from its own generator
    _, _, centres = cv2.kmeans(points, TEXTONS, labels, criteria, 1, flags)
    return np.rint(centres).astype(np.int16)


def _spread_centres(points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """k-means++ (Arthur and Vassilvitskii 2007): far points are likelier to be the next centre."""
    centres = [points[rng.integers(len(points))]]
    distances = np.full(len(points), np.inf)
    for _ in range(TEXTONS - 1):
        to_newest = _squared_distances(points, centres[-1][np.newaxis])[:, 0]
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
            Path(path).write_bytes(HEADER + _encode(textons))
        except OSError as error:
            raise TextonFileError(f"cannot write textons to {path}: {error.strerror}") from error


def _read_half(path: Path, kind: str, least: int, most: int) -> Int16Array:
    expected = f"{kind} textons: the bytes 10 and 5, then 250 little-endian int16 (502 bytes)"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TextonFileError(f"cannot read {path}: {error.strerror}; needed: {expected}") from error
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


def _encode(textons: Int16Array) -> bytes:
    return textons.astype("<i2").tobytes()
