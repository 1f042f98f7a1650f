"""Reading grey images from files, with one clear line when that fails.

The bytes are read by Python and decoded by OpenCV: `cv2.imread` reports a missing file and a
broken one the same way, by returning nothing.
"""

from pathlib import Path

import cv2
import numpy as np

from perception.quantities import GreyImage, ImageError


def read_grey(path: Path | str) -> GreyImage:
    """The image file as (H, W) uint8; colour is turned to grey, 16 bits to 8.

    Raises:
        ImageError: if the file cannot be opened or is not an image.
    """
    try:
        encoded = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read image {path}: {error.strerror}") from error
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # an empty file, or a size beyond OpenCV's limit
        image = None
    if image is None:
        raise ImageError(f"{path} is not an image OpenCV can decode; use PNG, JPEG, PGM or TIFF")
    return np.asarray(image, np.uint8)
