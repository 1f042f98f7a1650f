"""The two cables are exchanged: each eye shows what the other sees."""

from dataclasses import dataclass

import numpy as np

from perception.corruption import Side
from perception.quantities import StereoImages


@dataclass(frozen=True)
class Config:
    """Nothing to choose."""


class Swapped:
    """Left is right and right is left, whatever the side."""

    Config = Config

    def __init__(self, config: Config, rng: np.random.Generator) -> None:
        del config, rng

    def corrupt(self, images: StereoImages, side: Side) -> StereoImages:
        """The pair exchanged."""
        del side
        return StereoImages(images.right, images.left)
