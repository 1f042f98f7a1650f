"""What a frame looks like, as 21 numbers: histograms of small image patches, and their entropy.

The appearance cue of van Hecke et al. (arXiv 1603.08047), as in the authors' flight code
(`kevindehecker/paparazzi`, branch IC, `textons.cpp`). A dictionary holds 10 intensity and 10
gradient textons of 5 x 5 px. Each of 484 patches on a fixed grid votes for the nearest of either
kind; what is near looks different from what is far, and a regression on the votes tells how near.

All distances are whole numbers, so the kernel and `count_votes_reference` agree to the bit.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from perception.kernels import kernel
from perception.quantities import FloatArray, GreyImage, ImageError

SIDE_PX = 5
PATCH = SIDE_PX * SIDE_PX  # px of a patch
TEXTONS = 10  # of each kind
GRID = 22  # patches along each axis: the whole root of the 500 samples of the paper
PATCHES = GRID * GRID
FEATURES = 2 * TEXTONS + 1

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]


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
        return hashlib.sha256(
            encode_textons(self.intensity) + encode_textons(self.gradient)
        ).hexdigest()


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
            np.bincount(squared_distances(found, textons).argmin(axis=1), minlength=TEXTONS)
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


def squared_distances(
    patches: npt.NDArray[np.number], textons: npt.NDArray[np.number]
) -> npt.NDArray[np.number]:
    """From every patch (n, 25) to every texton (m, 25), (n, m)."""
    return np.stack([((patches - texton) ** 2).sum(axis=1) for texton in textons], axis=1)


def encode_textons(textons: Int16Array) -> bytes:
    """Little-endian int16, texton by texton, row by row."""
    return textons.astype("<i2").tobytes()
