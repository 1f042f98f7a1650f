"""Carpets and curtains."""

import numpy as np

from sim.canvas import Canvas, Image, fractal_noise, grain, smooth_noise, tone


def carpet(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Mottled pile with a woven border pattern of lozenges."""
    down, right = canvas.grid_m()
    size = np.float32(rng.uniform(0.25, 0.5))
    lozenge = np.abs((down / size) % 1 - 0.5) + np.abs((right / size) % 1 - 0.5)
    rings = np.sin(lozenge * np.float32(rng.choice([2, 3, 4]) * 2 * np.pi))
    pile = fractal_noise(rng, canvas, 0.06, octaves=3, decay=0.9)
    wear = fractal_noise(rng, canvas, 1.0, octaves=3)
    contrast = tone(rng, 0.04, 0.12)
    return tone(rng, 0.25, 0.5) + contrast * np.sign(rings) + 0.06 * pile + 0.05 * wear


def rug_flecks(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Speckled office carpet or terrazzo: chips of all tones on a ground."""
    ground = tone(rng, 0.3, 0.6) + 0.03 * fractal_noise(rng, canvas, 0.5)
    for size_m, threshold in ((0.05, 1.5), (0.03, 1.6), (0.018, 1.5)):
        chips = smooth_noise(rng, canvas, (size_m, size_m)) > threshold
        shade = 0.22 * smooth_noise(rng, canvas, (2 * size_m, 2 * size_m))
        ground = np.where(chips, ground + shade + np.float32(rng.choice([-0.12, 0.12])), ground)
    return ground + grain(rng, canvas, 0.015)


def fabric(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Checked cloth of a curtain or a cover, with folds."""
    down, right = canvas.grid_m()
    pitch = np.float32(rng.uniform(0.15, 0.3))
    folds = smooth_noise(rng, canvas, (2.5, 0.09))
    warped = right + 0.012 * folds
    bands = [(0.0, 0.4), (0.55, 0.63), (0.8, 0.86)]
    warp = sum(
        (((warped / pitch) % 1 > a) & ((warped / pitch) % 1 < b)).astype(np.float32)
        for a, b in bands
    )
    weft = sum(
        (((down / pitch) % 1 > a) & ((down / pitch) % 1 < b)).astype(np.float32) for a, b in bands
    )
    depth = tone(rng, 0.1, 0.22) * np.float32(rng.choice([-1, 1]))
    cloth = tone(rng, 0.4, 0.6) + depth * (warp + weft - 0.9)
    return cloth + 0.05 * folds + grain(rng, canvas, 0.02)
