"""The driver hands out the same image again and again, in time and with new stamps."""

from dataclasses import dataclass

import numpy as np

from perception.corruption import Side, as_grey, on_side
from perception.quantities import StereoImages


@dataclass(frozen=True)
class Config:
    """How it repeats itself."""

    read_noise: float = 0.0  # grey levels; above 0: fresh noise each time, as a stuck exposure has


class Frozen:
    """The eye shows the first image that came."""

    Config = Config

    def __init__(self, config: Config, rng: np.random.Generator) -> None:
        self.config, self._rng = config, rng
        self._kept: StereoImages | None = None

    def corrupt(self, images: StereoImages, side: Side) -> StereoImages:
        """The pair with the eyes of that side as they were at the first call."""
        kept = self._kept
        if kept is None:
            kept = self._kept = StereoImages(images.left.copy(), images.right.copy())
        chosen = StereoImages(
            kept.left if side in (Side.LEFT, Side.BOTH) else images.left,
            kept.right if side in (Side.RIGHT, Side.BOTH) else images.right,
        )
        spread = self.config.read_noise
        if spread == 0:
            return chosen
        return on_side(
            chosen, side, lambda image: as_grey(image + self._rng.normal(0, spread, image.shape))
        )
