"""A peg with a head, a hole that fits it closely and a wide cup: put it in, take it out.

Known to be hard: the hole leaves 2 mm on each side.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from perception.goal import Goal
from sim.bench_things import (
    FIXTURE,
    KNOB_HALF_M,
    KNOB_RADIUS_M,
    THING,
    add_box,
    add_cylinder,
    add_fixed,
    add_free,
    add_knob,
)
from sim.manipulation import BoolArray, Layout, Scene, is_free, out_of_reach, tipped

SHAFT_RADIUS_M, SHAFT_M = 0.009, 0.05
HEAD_Z_M = SHAFT_M + KNOB_HALF_M
CUP_CLEARANCE_M = 0.005
BLOCK_M, BLOCK_HEIGHT_M = 0.014, 0.03  # thickness and height of the walls about a hole
STEEL, BLUE, GREEN = (0.55, 0.57, 0.6, 1), (0.25, 0.35, 0.6, 1), (0.3, 0.5, 0.3, 1)


@dataclass(frozen=True)
class PegTask:
    """Objects: 0 the peg, its origin in the middle of its bottom; 1 the hole; 2 the cup."""

    clearance_m: float = 0.002  # between the peg and each side of the hole
    spread_m: float = 0.02  # half the squares in which hole and cup stand

    goals = (
        Goal("insert the peg into the hole", "forward"),
        Goal("pull the peg out and stand it in the cup", "backward"),
    )
    episode_steps = 60
    objects = ("peg", "hole", "cup")
    slides = ()
    tips = True

    def add_to(self, spec: Any) -> None:
        """A free peg, and two blocks with square holes that stand fast."""
        peg = add_free(spec, "peg")
        half_m = SHAFT_M / 2
        add_cylinder(peg, SHAFT_RADIUS_M, half_m, half_m, STEEL, mass=0.06, **THING)
        add_knob(peg, HEAD_Z_M, STEEL)
        _add_hole(add_fixed(spec, "hole"), SHAFT_RADIUS_M + self.clearance_m, BLUE)
        _add_hole(add_fixed(spec, "cup"), SHAFT_RADIUS_M + CUP_CLEARANCE_M, GREEN)

    def draw(self, goal: int, rng: np.random.Generator) -> Layout:
        """Forward: the peg stands in the cup. Backward: it stands in the hole."""
        spread_m = (self.spread_m, self.spread_m)
        hole_m = np.array([0.27, 0.08]) + rng.uniform(np.negative(spread_m), spread_m)
        cup_m = np.array([0.27, -0.08]) + rng.uniform(np.negative(spread_m), spread_m)
        peg_m = cup_m if goal == 0 else hole_m
        return Layout(np.array([[*peg_m, 0], [*hole_m, 0], [*cup_m, 0]]), np.empty(0))

    def achieved(self, scene: Scene) -> BoolArray:
        """The peg stands, let go of, at the bottom of hole or cup."""
        peg_m = scene.position_m[0]
        free = is_free(scene, peg_m + HEAD_Z_M * scene.up[0], 2 * KNOB_RADIUS_M)
        off_m = np.abs(scene.position_m[1:, :2] - peg_m[:2]).max(axis=1)  # (2,)
        is_in = (off_m < BLOCK_M) & (peg_m[2] < 0.008)
        return is_in & (free and not tipped(scene.up[:1], 0.5))

    def irreversible(self, scene: Scene) -> bool:
        """The peg lies on its side, or out of reach."""
        return out_of_reach(scene.position_m[:1]) or tipped(scene.up[:1])


def _add_hole(body: Any, half_m: float, colour: tuple[float, float, float, float]) -> None:
    """Four walls about a square hole."""
    wall_m, z_m = BLOCK_M / 2, BLOCK_HEIGHT_M / 2
    for side in (1, -1):
        away_m = side * (half_m + wall_m)
        add_box(body, (away_m, 0, z_m), (wall_m, half_m + BLOCK_M, z_m), colour, **FIXTURE)
        add_box(body, (0, away_m, z_m), (half_m, wall_m, z_m), colour, **FIXTURE)
