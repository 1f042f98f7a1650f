"""The lens has misted over: a bright veil with slow structure of its own lies over the image.

Real fog thickens with distance, which an image alone does not tell; as in RoboDepth the veil is
drawn over the whole image. It is drawn once and stays, and is another one in each eye.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from perception.corruption import Side, as_grey, at_severity, on_side
from perception.quantities import FloatArray, GreyImage, StereoImages

VEIL = (0.3, 0.45, 0.6, 0.7, 0.8)  # part of the light that comes from the veil
LEVEL, LEVEL_SPREAD = 200.0, 15.0  # grey levels of the veil, and how much they vary over it
CLOUD_PX = 16  # px, size of that variation


@dataclass(frozen=True)
class Config:
    """How thick."""

    severity: float = 3.0  # 1..5: 30, 45, 60, 70, 80 % of the light comes from the veil

    def __post_init__(self) -> None:
        at_severity(self.severity, VEIL)


class Fog:
    """The eye looks through a veil."""

    Config = Config

    def __init__(self, config: Config, rng: np.random.Generator) -> None:
        self._rng = rng
        self._part = at_severity(config.severity, VEIL)
        self._veils: list[FloatArray] = []

    def corrupt(self, images: StereoImages, side: Side) -> StereoImages:
        """The pair with the eyes of that side behind their veils."""
        seen = images.left if images.left.size else images.right
        veils = iter(self._drawn(seen.shape))
        return on_side(images, side, lambda image: self._veil(image, next(veils)))

    def _veil(self, image: GreyImage, veil: FloatArray) -> GreyImage:
        return as_grey(image * (1 - self._part) + veil * self._part)

    def _drawn(self, shape: tuple[int, ...]) -> list[FloatArray]:
        """One veil per eye, drawn at the first pair."""
        height, width = shape
        if not self._veils:
            grid = (height // CLOUD_PX + 2, width // CLOUD_PX + 2)
            for _ in StereoImages._fields:
                coarse = self._rng.normal(LEVEL, LEVEL_SPREAD, grid).astype(np.float32)
                veil = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
                self._veils.append(np.asarray(veil, np.float32))
        return self._veils
