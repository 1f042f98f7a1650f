"""The sensor gives nothing but its own noise: its power is gone, or its shutter is closed."""

from dataclasses import dataclass

import numpy as np

from perception.corruption import Side, as_grey, on_side
from perception.quantities import StereoImages


@dataclass(frozen=True)
class Config:
    """How black."""

    level: float = 2.0  # grey level, of the sensor's black
    read_noise: float = 1.0  # grey levels, standard deviation


class Black:
    """The eye is black."""

    Config = Config

    def __init__(self, config: Config, rng: np.random.Generator) -> None:
        self.config, self._rng = config, rng

    def corrupt(self, images: StereoImages, side: Side) -> StereoImages:
        """The pair with noise around black in the eyes of that side."""
        return on_side(
            images,
            side,
            lambda image: as_grey(
                self._rng.normal(self.config.level, self.config.read_noise, image.shape)
            ),
        )
