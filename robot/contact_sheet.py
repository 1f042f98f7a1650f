"""Many small images on one: what several cameras saw at a moment, with a caption, in rows."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

COLUMNS = 3
SCALE = 2  # of the images
CAPTION_PX = 34
INK, PAPER = (40, 40, 40), 255
FONT = cv2.FONT_HERSHEY_SIMPLEX

Picture = NDArray[np.uint8]


def tile(images: Sequence[Picture], lines: Sequence[str]) -> Picture:
    """Images (H, W, 3) RGB side by side under up to two lines of text; BGR."""
    seen = np.hstack(images)
    size = (seen.shape[1] * SCALE, seen.shape[0] * SCALE)
    large = cv2.resize(seen[..., ::-1], size, interpolation=cv2.INTER_NEAREST)
    framed = np.full((size[1] + CAPTION_PX, size[0] + 6, 3), PAPER, np.uint8)
    framed[CAPTION_PX:, :-6] = large
    for number, text in enumerate(lines):
        cv2.putText(framed, text, (4, 13 + 15 * number), FONT, 0.42, INK, 1, cv2.LINE_AA)
    return framed


def sheet(tiles: Sequence[Picture]) -> Picture:
    """Tiles of one size, at least one, in rows."""
    blank = np.full_like(tiles[0], PAPER)
    padded = [*tiles, *[blank] * (-len(tiles) % COLUMNS)]
    rows = [np.hstack(padded[begin : begin + COLUMNS]) for begin in range(0, len(padded), COLUMNS)]
    return np.vstack(rows)
