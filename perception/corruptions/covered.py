"""Something lies on the lens: a finger, a leaf, dirt. Out of focus, so dim and without edges."""

from dataclasses import dataclass

import cv2
import numpy as np

from perception.corruption import CorruptionError, Side, as_grey, on_side
from perception.quantities import GreyImage, StereoImages


@dataclass(frozen=True)
class Config:
    """How much is covered, and by what."""

    part: float = 1.0  # 0..1 of the image's width, from its right rim
    level: float = 40.0  # grey level of what covers it
    edge_px: float = 4.0  # px, how soft its rim is
    read_noise: float = 1.0  # grey levels, standard deviation, of the sensor

    def __post_init__(self) -> None:
        if not 0 < self.part <= 1:
            raise CorruptionError(f"part is {self.part:g}; valid: above 0, to 1 (all of the image)")


class Covered:
    """A part of the eye sees a dim blur."""

    Config = Config

    def __init__(self, config: Config, rng: np.random.Generator) -> None:
        self.config, self._rng = config, rng

    def corrupt(self, images: StereoImages, side: Side) -> StereoImages:
        """The pair with the eyes of that side covered."""
        return on_side(images, side, self._cover)

    def _cover(self, image: GreyImage) -> GreyImage:
        height, width = image.shape
        mask = np.zeros((height, width), np.float32)
        mask[:, round(width * (1 - self.config.part)) :] = 1
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), self.config.edge_px), np.float32)
        noise = self._rng.normal(0, self.config.read_noise, image.shape)
        return as_grey(image * (1 - mask) + mask * (self.config.level + noise))
