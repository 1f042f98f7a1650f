"""Painted walls, nearly without texture: a matcher finds nothing on them."""

import cv2
import numpy as np

from sim.canvas import Canvas, Image, fractal_noise, grain, tone


def paint(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Plain emulsion paint: one tone, the shadow of the roller's path."""
    return (
        tone(rng, 0.5, 0.8)
        + 0.006 * fractal_noise(rng, canvas, 1.5, octaves=2)
        + grain(rng, canvas, 0.003)
    )


def whiteboard(rng: np.random.Generator, canvas: Canvas) -> Image:
    """A painted wall with a white board on it, wiped but for some ghosts of writing."""
    wall = paint(rng, canvas)
    board = Canvas(min(canvas.height_m, 1.3), min(0.8 * canvas.width_m, 3.0), canvas.px_per_m)
    ghosts = np.exp(-np.abs(fractal_noise(rng, board, 0.3, octaves=3)) / 0.03)
    sparse = fractal_noise(rng, board, 1.5, octaves=2) > 1.2
    sheen = 0.01 * fractal_noise(rng, board, 1.5, octaves=2)
    white = tone(rng, 0.75, 0.85) + sheen - 0.03 * ghosts * sparse
    rows, columns = white.shape
    cv2.rectangle(white, (0, 0), (columns - 1, rows - 1), 0.45, 2)
    top, left = (wall.shape[0] - rows) // 2, (wall.shape[1] - columns) // 2
    wall[top : top + rows, left : left + columns] = white
    return wall
