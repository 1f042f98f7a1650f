"""The light is gone farther than exposure can follow: few grey levels are left, and shot noise."""

from dataclasses import dataclass

import numpy as np

from perception.corruption import Side, as_grey, at_severity, on_side
from perception.quantities import GreyImage, StereoImages

LIGHT = (0.5, 0.3, 0.18, 0.1, 0.05)  # part of the light that is left
READ_NOISE = 1.0  # grey levels, standard deviation


@dataclass(frozen=True)
class Config:
    """How dark."""

    severity: float = 3.0  # 1..5: 50, 30, 18, 10, 5 % of the light

    def __post_init__(self) -> None:
        at_severity(self.severity, LIGHT)


class Dark:
    """The eye gets less light."""

    Config = Config

    def __init__(self, config: Config, rng: np.random.Generator) -> None:
        self._rng = rng
        self._light = at_severity(config.severity, LIGHT)

    def corrupt(self, images: StereoImages, side: Side) -> StereoImages:
        """The pair with the eyes of that side in the dark."""
        return on_side(images, side, self._darken)

    def _darken(self, image: GreyImage) -> GreyImage:
        noise = self._rng.normal(0, READ_NOISE, image.shape)
        return as_grey(image * self._light + noise)
