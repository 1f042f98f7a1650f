"""The sensor is hot or badly lit and its gain turned up: white noise, drawn anew in each image."""

from dataclasses import dataclass

import numpy as np

from perception.corruption import Side, as_grey, at_severity, on_side
from perception.quantities import StereoImages

SPREAD = (5.0, 10.0, 16.0, 24.0, 36.0)  # grey levels, standard deviation


@dataclass(frozen=True)
class Config:
    """How much."""

    severity: float = 3.0  # 1..5: 5, 10, 16, 24, 36 grey levels

    def __post_init__(self) -> None:
        at_severity(self.severity, SPREAD)


class Noise:
    """The eye sees white noise over the image."""

    Config = Config

    def __init__(self, config: Config, rng: np.random.Generator) -> None:
        self._rng = rng
        self._spread = at_severity(config.severity, SPREAD)

    def corrupt(self, images: StereoImages, side: Side) -> StereoImages:
        """The pair with noise in the eyes of that side."""
        return on_side(
            images,
            side,
            lambda image: as_grey(image + self._rng.normal(0, self._spread, image.shape)),
        )
