"""A camera's mount has bent: the image is that of a camera turned by an angle (decalibration).

A pure rotation moves pixels by the homography K R K^-1, whatever the scene (Hartley and Zisserman,
Multiple View Geometry, section 8.4), so no depth is needed. What comes in over the rim is the
image's own mirror.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from perception.corruption import CorruptionError, Side, on_side
from perception.quantities import GreyImage, StereoImages

AXES = {"pitch": (1.0, 0.0, 0.0), "yaw": (0.0, 1.0, 0.0), "roll": (0.0, 0.0, 1.0)}


@dataclass(frozen=True)
class Config:
    """Which way and how far."""

    degrees: float = 1.0  # either sign
    axis: str = "roll"  # roll (about the optical axis), pitch (nods), yaw
    focal_px: float = 115.459  # px; the default is that of configs/robots/ardrone.toml

    def __post_init__(self) -> None:
        if self.axis not in AXES:
            raise CorruptionError(f"axis is {self.axis!r}; valid: {', '.join(AXES)}")
        if not self.focal_px > 0:
            raise CorruptionError(f"focal_px is {self.focal_px:g}; it must be above 0")


class Rotated:
    """The eye looks another way."""

    Config = Config

    def __init__(self, config: Config, rng: np.random.Generator) -> None:
        del rng
        self.config = config

    def corrupt(self, images: StereoImages, side: Side) -> StereoImages:
        """The pair with the eyes of that side turned."""
        return on_side(images, side, self._turn)

    def _turn(self, image: GreyImage) -> GreyImage:
        height, width = image.shape
        moved = cv2.warpPerspective(
            image,
            self.homography(width, height),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        return np.asarray(moved, np.uint8)

    def homography(self, width: int, height: int) -> npt.NDArray[np.float64]:
        """(3, 3), pixels of the straight camera to those of the turned one."""
        focal_px = self.config.focal_px
        camera = np.array(
            [[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1]]
        )
        axis = np.array(AXES[self.config.axis]) * np.radians(self.config.degrees)
        rotation, _ = cv2.Rodrigues(axis)
        return camera @ rotation @ np.linalg.inv(camera)
