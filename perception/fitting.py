"""The part of a rectified image that a network sees, at the size that it was built for.

The largest centred window of the network's aspect ratio is scaled to its size, equally in x and y.
Stretching instead would give the image two focal lengths, and depth learned behind one field of
view is wrong behind another: the fitted view tells which one the network really had.
"""

import cv2
import numpy as np
import numpy.typing as npt

from perception.geometry import RectifiedView
from perception.quantities import FloatArray, InputError

ByteImage = npt.NDArray[np.uint8]  # (H, W) or (H, W, 3)


class FitError(InputError):
    """A size that cannot be cut out of the rectified view."""


class Fit:
    """Cuts a window out of rectified images and scales it; an equal size passes untouched."""

    def __init__(self, view: RectifiedView, width: int, height: int) -> None:
        """Finds the window.

        Args:
            view: the rectified view that images come in.
            width: px, of the fitted image.
            height: px, likewise.

        Raises:
            FitError: if the fitted image would be larger than the window.
        """
        scale = max(width / view.width, height / view.height)
        if scale > 1:
            raise FitError(
                f"a network for {width}x{height} px cannot see through a view of "
                f"{view.width}x{view.height}; choose a size that is not larger"
            )
        self._size = (width, height)
        wide, high = round(width / scale), round(height / scale)
        first_x, first_y = (view.width - wide) // 2, (view.height - high) // 2
        self._window = (slice(first_y, first_y + high), slice(first_x, first_x + wide))
        self.view = RectifiedView(
            *self._size,
            focal_px=view.focal_px * scale,
            cx_px=(view.cx_px - first_x + 0.5) * scale - 0.5,  # pixel centres lie at whole numbers
            cy_px=(view.cy_px - first_y + 0.5) * scale - 0.5,
            baseline_m=view.baseline_m,
        )

    def image(self, image: ByteImage) -> ByteImage:
        """The window of the image, averaged down, (height, width[, 3]) uint8."""
        window = image[self._window]
        if window.shape[1::-1] == self._size:
            return np.ascontiguousarray(window)
        return np.asarray(cv2.resize(window, self._size, interpolation=cv2.INTER_AREA), np.uint8)

    def values(self, values: FloatArray) -> FloatArray:
        """The window of a map, (height, width): the nearest sample, so that no edge is mixed."""
        window = values[self._window]
        rows, columns = (
            ((np.arange(fitted) + 0.5) * size / fitted).astype(np.intp)
            for size, fitted in zip(window.shape, self._size[::-1], strict=True)
        )
        return np.asarray(window[np.ix_(rows, columns)], np.float32)
