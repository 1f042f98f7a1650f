"""The newest frames of a moving camera, and how well one looks like another from where it was.

A frame is moved onto another by the depth of its pixels and by the way between them; what differs
then is either a wrong depth (`perception/motion_check.py`) or another place
(`perception/scene_cut.py`). Images are small and levelled, so that light does not count.
"""

import math
from collections import deque
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from perception.ego_motion import Motion
from perception.geometry import RectifiedView
from perception.quantities import GreyImage

SMOOTH_PX = 3.0  # sd of the window that brightness and contrast are levelled over
FLOOR = 4.0  # grey levels added to the contrast, so that noise stays small
LEAST_CONTRAST = 3.0  # grey levels; a plainer place tells nothing
WINDOW_PX = 5
MOST_DIFFERENCE = 1.5  # of levelled images; more is an occlusion, and counts as so much
LENS_B_M = (0.20, 0.03, 0.0)  # of the left camera of the simulated vehicle, body frame
# The body's x is forward, y left, z up; the camera's x right, y down, z forward.
CAMERA_FROM_BODY = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])

Map = npt.NDArray[np.floating]  # float32 throughout


class Levelled(NamedTuple):
    """An image without its local brightness and contrast."""

    values: Map  # (h, w)
    contrast: Map  # (h, w) grey levels


class Way(NamedTuple):
    """What takes a ray of the newest frame into an older one."""

    turned: Map  # (h, w, 3), its rays in the axes of the older frame
    shift_m: Map  # (3,), from there to here, camera axes of the older frame
    turn_rad: float  # between them


class FrameHistory:
    """Sees every frame of one camera, in order."""

    def __init__(
        self, view: RectifiedView, width: int, frames: int, lens_b_m: tuple[float, float, float]
    ) -> None:
        """Nothing seen yet.

        Args:
            view: of the frames.
            width: px that they are compared at.
            frames: kept behind the newest.
            lens_b_m: where the lens sits, body frame.
        """
        scale = width / view.width
        self.size = (width, round(view.height * scale))  # px
        self._lens_b_m = np.array(lens_b_m)
        self._focal_px = view.focal_px * scale
        self._centre_px = ((view.cx_px + 0.5) * scale - 0.5, (view.cy_px + 0.5) * scale - 0.5)
        rows, columns = np.mgrid[0 : self.size[1], 0 : self.size[0]].astype(np.float32)
        x, y = (
            (pixels - centre) / self._focal_px
            for pixels, centre in zip((columns, rows), self._centre_px, strict=True)
        )
        self._rays = np.stack([x, y, np.ones_like(x)], -1).astype(np.float32)  # (h, w, 3), z = 1
        self._images: deque[Levelled] = deque(maxlen=frames + 1)  # newest last
        self._steps: deque[Motion] = deque(maxlen=frames)  # of the body, newest last

    def __len__(self) -> int:
        return len(self._images)

    def see(self, image: GreyImage, moved: Motion | None) -> None:
        """The next frame of the camera.

        Args:
            image: (H, W) uint8 of the view.
            moved: of the body since the frame before; None: unknown, what was before is forgotten.
        """
        if moved is None:
            self.forget()
        else:
            self._steps.append(moved)
        self._images.append(_levelled(image, self.size))

    def forget(self) -> None:
        """Nothing that was seen tells anything any more."""
        self._images.clear()
        self._steps.clear()

    @property
    def newest(self) -> Levelled:
        """The frame that was seen last."""
        return self._images[-1]

    def way(self, back: int) -> Way:
        """From the newest frame to the one so many before it."""
        motion = Motion(np.eye(3), np.zeros(3))
        for step in list(self._steps)[-back:]:
            motion = motion.then(step)
        lens = self._lens_b_m
        shift = motion.translation_m + motion.rotation @ lens - lens
        rotation = (CAMERA_FROM_BODY @ motion.rotation @ CAMERA_FROM_BODY.T).astype(np.float32)
        cosine = (float(np.trace(motion.rotation)) - 1) / 2
        return Way(
            self._rays @ rotation.T,
            (CAMERA_FROM_BODY @ shift).astype(np.float32),
            math.acos(min(max(cosine, -1.0), 1.0)),
        )

    def moved_px(self, way: Way, inverse_per_m: Map) -> Map:
        """How far each pixel (h, w) is from where it would be at no inverse depth."""
        places = way.turned + inverse_per_m[..., np.newaxis] * way.shift_m
        apart = (a - b for a, b in zip(self._px(places), self._px(way.turned), strict=True))
        return np.hypot(*apart)

    def difference(self, back: int, way: Way, inverse_per_m: Map) -> Map:
        """Mean difference in a window around each pixel, (h, w); NaN where it left the image."""
        columns, rows = self._px(way.turned + inverse_per_m[..., np.newaxis] * way.shift_m)
        there = cv2.remap(
            self._images[-1 - back].values,
            columns,
            rows,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=float("nan"),
        )
        apart = np.minimum(np.abs(self.newest.values - there), np.float32(MOST_DIFFERENCE))
        inside = ~np.isnan(apart)
        share = cv2.blur(inside.astype(np.float32), (WINDOW_PX, WINDOW_PX))
        mean = cv2.blur(np.where(inside, apart, np.float32(0)), (WINDOW_PX, WINDOW_PX))
        return np.where(share >= 0.5, mean / np.maximum(share, 0.5), np.float32(np.nan))

    def _px(self, places: Map) -> tuple[Map, Map]:
        """Columns and rows of points (h, w, 3) in the camera frame."""
        z = np.maximum(places[..., 2], np.float32(1e-3))
        columns, rows = (
            (np.float32(self._focal_px) * places[..., axis] / z + np.float32(centre)).astype(
                np.float32
            )
            for axis, centre in enumerate(self._centre_px)
        )
        return columns, rows


def _levelled(image: GreyImage, size: tuple[int, int]) -> Levelled:
    grey = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    mean = cv2.GaussianBlur(grey, (0, 0), SMOOTH_PX)
    square = cv2.GaussianBlur(grey * grey, (0, 0), SMOOTH_PX)
    contrast = np.sqrt(np.maximum(square - mean * mean, 0))
    return Levelled((grey - mean) / (contrast + FLOOR), np.asarray(contrast, np.float32))
