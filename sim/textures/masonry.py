"""Stone, brick, tiles, concrete and plaster: what a house is built of."""

import cv2
import numpy as np

from sim.canvas import Canvas, Image, fractal_noise, grain, joint, lay_tiles, smooth_noise, tone


def bricks(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Fair-faced brickwork, 21 x 6.5 cm, with light or dark mortar."""
    tiling = lay_tiles(rng, canvas, (0.077, 0.222), "half")
    base = tone(rng, 0.3, 0.5)
    per_brick = base + 0.09 * rng.standard_normal(tiling.pieces).astype(np.float32)
    face = per_brick[tiling.piece] + 0.05 * fractal_noise(rng, canvas, 0.12)
    face -= 0.08 * np.exp(-tiling.edge_m / 0.008)  # the arris is rounded
    mortar = (base + np.float32(rng.choice([-0.2, 0.3]))) + 0.04 * fractal_noise(rng, canvas, 0.05)
    in_joint = joint(tiling.edge_m + 0.002 * fractal_noise(rng, canvas, 0.05), 0.012, canvas)
    weathering = 1.0 + 0.12 * fractal_noise(rng, canvas, 1.5, octaves=3)
    return (face + (mortar - face) * in_joint) * weathering


def tiles(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Ceramic tiles: glazed tones, some patterned, grout between."""
    side = float(rng.choice([0.15, 0.2, 0.3]))
    tiling = lay_tiles(rng, canvas, (side, side), "none")
    base = tone(rng, 0.4, 0.75)
    per_tile = base + 0.06 * rng.standard_normal(tiling.pieces).astype(np.float32)
    per_tile -= np.where(rng.random(tiling.pieces) < 0.15, np.float32(0.3), np.float32(0))
    face = per_tile[tiling.piece] + 0.03 * fractal_noise(rng, canvas, 0.15)
    face += 0.08 * np.sin(tiling.edge_m * np.float32(2 * np.pi / (side / 4))) * (rng.random() < 0.5)
    return face + (base - 0.3 - face) * joint(tiling.edge_m, 0.008, canvas)


def field_stone(rng: np.random.Generator, canvas: Canvas) -> Image:
    """A wall of rounded stones in mortar: cells of the nearest of scattered points."""
    pitch = float(rng.uniform(0.14, 0.24))
    rows, columns = (int(np.ceil(m / pitch)) + 3 for m in (canvas.height_m, canvas.width_m))
    jitter = rng.uniform(-0.35, 0.35, (2, rows, columns)).astype(np.float32)
    shade = tone(rng, 0.35, 0.55) + 0.1 * rng.standard_normal((rows, columns)).astype(np.float32)
    down, right = canvas.grid_m()
    wobble = 0.12 * fractal_noise(rng, canvas, 0.12, octaves=3)
    y, x = down / np.float32(pitch) + 1 + wobble, right / np.float32(pitch) + 1 - wobble
    row, column = np.floor(y).astype(int), np.floor(x).astype(int)
    first = np.full(canvas.shape, np.inf, np.float32)
    second, tones = first.copy(), first.copy()
    for step_row, step_column in np.ndindex(3, 3):
        r, c = (
            np.clip(row + step_row - 1, 0, rows - 1),
            np.clip(column + step_column - 1, 0, columns - 1),
        )
        distance = np.hypot(y - r - 0.5 - jitter[0, r, c], x - c - 0.5 - jitter[1, r, c])
        nearer = distance < first
        second = np.where(nearer, first, np.minimum(second, distance))
        tones = np.where(nearer, shade[r, c], tones)
        first = np.where(nearer, distance, first)
    to_edge = second - first
    stone = tones + 0.06 * fractal_noise(rng, canvas, 0.1) + 0.1 * np.minimum(to_edge, 0.4)
    return np.where(
        to_edge < 0.12, tone(rng, 0.6, 0.75) + 0.05 * fractal_noise(rng, canvas, 0.05), stone
    )


def concrete(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Cast concrete: clouds, pores, joints of the shuttering and the holes of its ties."""
    tiling = lay_tiles(rng, canvas, (1.25, 1.0), "none")
    clouds = 0.06 * fractal_noise(rng, canvas, 0.8, octaves=6, decay=0.65)
    pores = (smooth_noise(rng, canvas, (0.022, 0.022)) > 2.3) * np.float32(0.2)
    per_board = 0.04 * rng.standard_normal(tiling.pieces).astype(np.float32)
    face = (
        tone(rng, 0.42, 0.62) + per_board[tiling.piece] + clouds - pores + grain(rng, canvas, 0.015)
    )
    streaks = 0.04 * smooth_noise(rng, canvas, (1.5, 0.06))
    return face + streaks - 0.2 * joint(tiling.edge_m, 0.012, canvas)


def marble(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Veins of a turbulent sheet, in slabs."""
    tiling = lay_tiles(rng, canvas, (0.6, 0.6), "none")
    turbulence = fractal_noise(rng, canvas, 0.8, octaves=6, decay=0.6)
    veins = np.exp(-np.abs(turbulence) / 0.06) + 0.6 * np.exp(-np.abs(turbulence - 0.8) / 0.04)
    clouds = fractal_noise(rng, canvas, 0.4, octaves=5)
    light = rng.random() < 0.6
    base, ink = (tone(rng, 0.65, 0.8), -0.35) if light else (tone(rng, 0.15, 0.3), 0.45)
    return (
        base + np.float32(ink) * veins + 0.05 * clouds - 0.15 * joint(tiling.edge_m, 0.005, canvas)
    )


def plaster(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Rough-cast: bumps of a few centimetres lit from one side, stains and some cracks."""
    bumps = fractal_noise(rng, canvas, 0.08, octaves=4, decay=0.75)
    relief = cv2.Sobel(bumps, cv2.CV_32F, 1, 1, ksize=3)
    stains = fractal_noise(rng, canvas, 1.2, octaves=3)
    crack = np.exp(-np.abs(fractal_noise(rng, canvas, 0.9, octaves=5, decay=0.55)) / 0.012)
    sparse = fractal_noise(rng, canvas, 1.5, octaves=2) > 0.6
    base = tone(rng, 0.55, 0.75)
    return (
        base
        + 0.05 * bumps
        + 0.05 * relief / (relief.std() + 1e-6)
        + 0.05 * stains
        - 0.2 * crack * sparse
    )


def ceiling_panels(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Acoustic panels of 60 cm with worm holes, in a grid of rails."""
    tiling = lay_tiles(rng, canvas, (0.6, 0.6), "none")
    holes = np.exp(-np.abs(fractal_noise(rng, canvas, 0.07, octaves=3)) / 0.1)
    sparse = smooth_noise(rng, canvas, (0.05, 0.05)) > 0.3
    per_panel = 0.02 * rng.standard_normal(tiling.pieces).astype(np.float32)
    face = tone(rng, 0.65, 0.8) + per_panel[tiling.piece] - 0.25 * holes * sparse
    return face - 0.15 * joint(tiling.edge_m, 0.03, canvas) + 0.02 * fractal_noise(rng, canvas, 1.0)
