"""The cable is out: no image comes, which is an empty array and not a black one."""

from dataclasses import dataclass

import numpy as np

from perception.corruption import Side, on_side
from perception.quantities import StereoImages


@dataclass(frozen=True)
class Config:
    """Nothing to choose."""


class Unplugged:
    """The eye is missing."""

    Config = Config

    def __init__(self, config: Config, rng: np.random.Generator) -> None:
        del config, rng

    def corrupt(self, images: StereoImages, side: Side) -> StereoImages:
        """The pair with an empty (0, 0) array for each eye of that side."""
        return on_side(images, side, lambda image: np.empty((0, 0), image.dtype))
