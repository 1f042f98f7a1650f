"""Boards: each with its own tone and grain."""

from typing import Literal

import numpy as np

from sim.canvas import Canvas, Image, joint, lay_tiles, smooth_noise, tone


def wood_grain(rng: np.random.Generator, canvas: Canvas, along: Literal["right", "down"]) -> Image:
    """Streaks along one direction, deviation about 1."""
    long, short = (1.2, 0.25), (0.025, 0.008)
    total = np.zeros(canvas.shape, np.float32)
    for length, breadth, strength in ((*long[:1], short[0], 1.0), (long[1], short[1], 0.7)):
        cell = (breadth, length) if along == "right" else (length, breadth)
        total += np.float32(strength) * smooth_noise(rng, canvas, cell)
    return total


def planks(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Floor boards of staggered lengths, each with its own tone and grain."""
    tiling = lay_tiles(rng, canvas, (float(rng.uniform(0.09, 0.16)), 1.2), "random")
    per_board = tone(rng, 0.35, 0.6) + 0.08 * rng.standard_normal(tiling.pieces).astype(np.float32)
    strength = 0.04 * (1 + 0.6 * rng.random(tiling.pieces).astype(np.float32))[tiling.piece]
    face = per_board[tiling.piece] + strength * wood_grain(rng, canvas, "right")
    knots = np.maximum(smooth_noise(rng, canvas, (0.05, 0.07)) - 2.6, 0)
    return (face - 0.25 * knots) * (1 - 0.75 * joint(tiling.edge_m, 0.005, canvas))


def panelling(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Upright boards on a wall or a wooden cupboard."""
    tiling = lay_tiles(rng, canvas, (10.0, float(rng.uniform(0.1, 0.2))), "none")
    per_board = tone(rng, 0.3, 0.65) + 0.07 * rng.standard_normal(tiling.pieces).astype(np.float32)
    face = per_board[tiling.piece] + 0.055 * wood_grain(rng, canvas, "down")
    knots = np.maximum(smooth_noise(rng, canvas, (0.08, 0.05)) - 2.4, 0)
    return (face - 0.3 * knots) * (1 - 0.6 * joint(tiling.edge_m, 0.008, canvas))
