"""What surfaces are painted with: a canvas of physical size, noise of every grain, and tiling."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.floating[Any]]  # (H, W)


@dataclass(frozen=True)
class Canvas:
    """The piece of surface to be painted."""

    height_m: float
    width_m: float
    px_per_m: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns in px."""
        rows, columns = (max(4, round(m * self.px_per_m)) for m in (self.height_m, self.width_m))
        return rows, columns

    def grid_m(self) -> tuple[Image, Image]:
        """How far down (H, 1) and how far right (1, W) each texel's centre is, in metres."""
        down, right = (
            ((np.arange(n, dtype=np.float32) + 0.5) / np.float32(self.px_per_m)) for n in self.shape
        )
        return down[:, None], right[None, :]


def smooth_noise(rng: np.random.Generator, canvas: Canvas, cell_m: tuple[float, float]) -> Image:
    """Blurred random blobs of a size (down, right), standard deviation about 1."""
    rows, columns = (
        int(np.ceil(extent / cell)) + 3
        for extent, cell in zip((canvas.height_m, canvas.width_m), cell_m, strict=True)
    )
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    down, right = canvas.grid_m()
    shape = canvas.shape
    map_x = np.ascontiguousarray(np.broadcast_to(right / np.float32(cell_m[1]) + 0.5, shape))
    map_y = np.ascontiguousarray(np.broadcast_to(down / np.float32(cell_m[0]) + 0.5, shape))
    return 1.3 * cv2.remap(coarse, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def fractal_noise(
    rng: np.random.Generator,
    canvas: Canvas,
    largest_m: float = 1.0,
    octaves: int = 6,
    decay: float = 0.6,
) -> Image:
    """Blobs of every size from `largest_m` down, each octave `decay` as strong; deviation 1."""
    total = np.zeros(canvas.shape, np.float32)
    power = 0.0
    for octave in range(octaves):
        cell_m = max(largest_m / 2**octave, 1.5 / canvas.px_per_m)
        total += decay**octave * smooth_noise(rng, canvas, (cell_m, cell_m))
        power += decay ** (2 * octave)
    return total / np.float32(np.sqrt(power))


def grain(rng: np.random.Generator, canvas: Canvas, strength: float) -> Image:
    """Independent fine noise on each texel."""
    return strength * rng.standard_normal(canvas.shape, dtype=np.float32)


def tone(rng: np.random.Generator, low: float, high: float) -> np.float32:
    """One grey level."""
    return np.float32(rng.uniform(low, high))


class Tiling(NamedTuple):
    """A surface laid with rectangular pieces, texel by texel."""

    piece: npt.NDArray[np.int64]  # (H, W) number of the piece
    edge_m: Image  # (H, W) distance to the nearest edge of the piece
    pieces: int


def lay_tiles(
    rng: np.random.Generator, canvas: Canvas, tile_m: tuple[float, float], stagger: str
) -> Tiling:
    """Lays tiles (height, width) in rows, shifted by `stagger`: "none", "half" or "random"."""
    down, right = canvas.grid_m()
    height, width = tile_m
    row_position = (down + np.float32(rng.uniform(0, height))) / np.float32(height)
    row = np.floor(row_position).astype(np.int64)
    rows = int(row.max()) + 1
    shift = {
        "none": np.zeros(rows),
        "half": 0.5 * (np.arange(rows) % 2),
        "random": rng.random(rows),
    }[stagger].astype(np.float32)
    position = (right + np.float32(rng.uniform(0, width))) / np.float32(width) + shift[row]
    column = np.floor(position).astype(np.int64)
    columns = int(column.max()) + 1
    to_row_edge = np.minimum(row_position - row, 1 - (row_position - row)) * np.float32(height)
    to_column_edge = np.minimum(position - column, 1 - (position - column)) * np.float32(width)
    edge = np.minimum(np.broadcast_to(to_row_edge, canvas.shape), to_column_edge)
    return Tiling(row * columns + column, edge.astype(np.float32), rows * columns)


def joint(edge_m: Image, width_m: float, canvas: Canvas) -> Image:
    """1 in the joints between pieces, 0 on them, blurred over a texel."""
    return np.clip(0.5 + (width_m / 2 - edge_m) * np.float32(canvas.px_per_m), 0, 1)
