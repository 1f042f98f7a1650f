"""Images as another light and a camera that was touched would show them, for a reward that learns.

A reward that saw one room in one light takes its shadows for the task. Copies with random light and
place teach it what does not matter; a camera that was really moved shows other sides of things,
which no copy does, so `evaluate reward` on such attempts says what is left.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from perception.reward import Images, RewardInputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Disturbance:
    """How far copies differ, each drawn anew."""

    brightness: float = 20.0  # grey levels, random offset
    contrast: float = 0.2  # random gain, 1/(1 + c) to 1 + c
    tint: float = 0.06  # random gain of each colour
    shift_px: int = 3  # random, along both axes; edges are repeated
    scale: float = 0.0  # random zoom about the middle, 1/(1 + s) to 1 + s
    turn_deg: float = 0.0  # random turn about the middle, to either side

    def __post_init__(self) -> None:
        """Refuses what is no amount.

        Raises:
            RewardInputError: naming the field.
        """
        for name in Disturbance.__dataclass_fields__:
            if not 0 <= (value := getattr(self, name)) < np.inf:
                raise RewardInputError(f"{name} = {value}: must be 0 or more and finite")


def disturbed(images: Images, amount: Disturbance, rng: np.random.Generator) -> Images:
    """One copy of each image, (m, H, W, 3)."""
    count = len(images)
    span, most = np.log1p(amount.contrast), amount.shift_px
    gain = np.exp(rng.uniform(-span, span, (count, 1, 1, 1)))
    gain = gain * (1 + rng.uniform(-amount.tint, amount.tint, (count, 1, 1, 3)))
    offset = rng.uniform(-amount.brightness, amount.brightness, (count, 1, 1, 1))
    shift = rng.integers(-most, most + 1, (2, count))  # down, right
    places = _places(shift, amount, rng, images.shape[1:3])
    copies = np.empty_like(images)
    for index in range(count):  # one by one: all of them as float32 would not fit
        seen = _moved(images[index], places[index]).astype(np.float32)
        seen = (seen - 127) * gain[index] + 127 + offset[index]
        copies[index] = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
    return copies


def _places(
    shift: NDArray[np.integer], amount: Disturbance, rng: np.random.Generator, size: tuple[int, ...]
) -> Array:
    """(m, 2, 3) each where the pixels of an image go to."""
    count = shift.shape[1]
    zoom, turn = np.ones(count), np.zeros(count)
    if amount.scale or amount.turn_deg:  # otherwise no chance is drawn, as before there were these
        span = np.log1p(amount.scale)
        zoom = np.exp(rng.uniform(-span, span, count))
        turn = rng.uniform(-amount.turn_deg, amount.turn_deg, count)
    middle = ((size[1] - 1) / 2, (size[0] - 1) / 2)
    pairs = zip(turn, zoom, strict=True)
    places = np.array([cv2.getRotationMatrix2D(middle, *pair) for pair in pairs], np.float64)
    places[:, :, 2] += shift[::-1].T  # right, down
    return places


def _moved(image: NDArray[np.uint8], place: Array) -> NDArray[np.uint8]:
    """What is beyond the edge is as the edge."""
    height, width = image.shape[:2]
    moved = cv2.warpAffine(image, place, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(np.uint8, copy=False)
