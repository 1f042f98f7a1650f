"""What perception measures, as small typed values whose field names carry the unit.

Every field says its frame and shape, so that a number never travels without its meaning. Images
are checked once, by `check_pair`, where they enter the library; everything behind trusts them.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

GreyImage = npt.NDArray[np.uint8]  # (H, W), 0 black .. 255 white
FloatArray = npt.NDArray[np.float32]


class InputError(ValueError):
    """What the user gave is wrong. One line: what, the valid choices, how to mend it."""

    exit_code = 2


class ImageError(InputError):
    """An image that cannot be read, or two images that are not a stereo pair."""


class StereoImages(NamedTuple):
    """One stereo pair, both halves taken at the same moment."""

    left: GreyImage  # (H, W) uint8
    right: GreyImage  # (H, W) uint8


class Disparity(NamedTuple):
    """What a matcher found for each pixel of the rectified left image.

    The pixel (x, y) on the left shows what (x - disparity_px, y) shows on the right.
    """

    disparity_px: FloatArray  # (H, W), >= 0, NaN where no match was found
    confidence: FloatArray  # (H, W), 0..1; >= 0.5 where the match passed every test of its matcher


class StereoDepth(NamedTuple):
    """Disparity turned into metres, in the rectified left camera frame (z forward)."""

    disparity_px: FloatArray  # (H, W), as the matcher gave it, NaN where no match was found
    depth_m: FloatArray  # (H, W), along z; inf at disparity 0, NaN where unknown or not trusted
    confidence: FloatArray  # (H, W), 0..1


class Proximity(NamedTuple):
    """How near things are: the few numbers a pilot flies on. Larger proximity is nearer."""

    proximity_px: float  # disparity that a quarter of the seen pixels exceed; NaN if none is seen
    sectors_per_m: FloatArray  # (S,), 1/m, inverse depth of each sector's nearest part, left first
    sector_valid: FloatArray  # (S,), 0..1, part of the sector's pixels whose depth is known
    corridor_m: float  # m, to the nearest thing in the corridor ahead; inf when none was seen
    corridor_seen: float  # 0..1, part of the corridor's pixels whose depth is known


def check_pair(images: StereoImages) -> StereoImages:
    """The pair itself, if both images are grey (H, W) uint8 arrays of one size.

    Raises:
        ImageError: if one is not a grey image, is empty, or the sizes differ.
    """
    for side, image in zip(StereoImages._fields, images, strict=True):
        _check_grey(side, image)
    if images.left.shape != images.right.shape:
        sizes = " and ".join(f"{image.shape[1]}x{image.shape[0]}" for image in images)
        raise ImageError(f"left and right differ in size ({sizes}); a stereo pair has one size")
    return images


def _check_grey(side: str, image: Any) -> None:
    is_array = isinstance(image, np.ndarray)
    if not is_array or image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
        found = f"{image.dtype} {image.shape}" if is_array else type(image).__name__
        raise ImageError(f"the {side} image is {found}; needed is grey: uint8 (height, width)")
