"""What can happen to a stereo pair, as something that turns good pairs into bad ones.

A robot's monitor is worth what it has been shown. Each row of `perception.corruptions` is one thing
that happens to cameras: a cable falls out, a lens fogs up, a mount bends. Those of the picture
follow RoboDepth (Kong et al., arXiv 2310.15171) with a severity of 1 to 5; those of the pair are
said in their own unit.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from perception.corruptions import CORRUPTIONS
from perception.quantities import GreyImage, InputError, StereoImages
from perception.tables import config_from_options, load_item

LEAST_SEVERITY, LARGEST_SEVERITY = 1.0, 5.0


class CorruptionError(InputError):
    """An option of a corruption that makes no sense."""


class Side(StrEnum):
    """Which eyes it happens to."""

    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"


class Corruption(Protocol):
    """One thing that happens, from the first pair it is given on."""

    def corrupt(self, images: StereoImages, side: Side) -> StereoImages:
        """The pair as it would have come, (H, W) uint8 each; a missing eye is (0, 0)."""
        ...


def make_corruption(name: str, options: Mapping[str, Any], rng: np.random.Generator) -> Corruption:
    """The corruption of a row of `perception.corruptions`.

    Args:
        name: of the row.
        options: of its Config.
        rng: for what is drawn by chance.

    Raises:
        ChoiceError: if there is no such row or option; lists those there are.
        CorruptionError: if the value of an option makes no sense.
    """
    kind = load_item(CORRUPTIONS, "corruption", name)
    return kind(config_from_options(kind.Config, options, f"corruption {name!r}"), rng)


def on_side(
    images: StereoImages, side: Side, change: Callable[[GreyImage], GreyImage]
) -> StereoImages:
    """The pair with the eyes of that side changed, the left one first; a missing eye stays so."""
    chosen = {Side.LEFT: (True, False), Side.RIGHT: (False, True), Side.BOTH: (True, True)}[side]
    return StereoImages(
        *(
            change(image) if hit and image.size else image
            for image, hit in zip(images, chosen, strict=True)
        )
    )


def at_severity(severity: float, steps: tuple[float, float, float, float, float]) -> float:
    """What a severity of 1 to 5 stands for, linear between the five steps.

    Raises:
        CorruptionError: if it is outside of 1 to 5.
    """
    if not LEAST_SEVERITY <= severity <= LARGEST_SEVERITY:
        raise CorruptionError(f"severity is {severity:g}; valid: 1 (slight) to 5 (severe)")
    return float(np.interp(severity, range(1, 6), steps))


def as_grey(values: npt.NDArray[np.floating]) -> GreyImage:
    """Grey levels as a sensor gives them: whole, 0 to 255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
