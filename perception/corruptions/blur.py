"""The lens is out of focus."""

from dataclasses import dataclass

import cv2
import numpy as np

from perception.corruption import Side, at_severity, on_side
from perception.quantities import StereoImages

SPREAD = (0.006, 0.01, 0.015, 0.02, 0.03)  # standard deviation over the image's width


@dataclass(frozen=True)
class Config:
    """How much."""

    severity: float = 3.0  # 1..5; 128 px wide: Gaussian of 0.8, 1.3, 1.9, 2.6, 3.8 px

    def __post_init__(self) -> None:
        at_severity(self.severity, SPREAD)


class Blur:
    """The eye sees a Gaussian blur."""

    Config = Config

    def __init__(self, config: Config, rng: np.random.Generator) -> None:
        del rng
        self._spread = at_severity(config.severity, SPREAD)

    def corrupt(self, images: StereoImages, side: Side) -> StereoImages:
        """The pair with the eyes of that side blurred."""
        return on_side(
            images,
            side,
            lambda image: np.asarray(
                cv2.GaussianBlur(image, (0, 0), self._spread * image.shape[1]), np.uint8
            ),
        )
