"""A pot and two places on the table: move it from the left one to the right one, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from perception.goal import Goal
from sim.bench_things import (
    KNOB_HALF_M,
    KNOB_RADIUS_M,
    SEEN,
    THING,
    add_cylinder,
    add_free,
    add_knob,
)
from sim.manipulation import BoolArray, Layout, Scene, is_free, out_of_reach, tipped, within

POT_RADIUS_M, POT_HEIGHT_M = 0.036, 0.045
KNOB_Z_M = POT_HEIGHT_M + KNOB_HALF_M
ZONES_M = np.array([[0.27, -0.10], [0.27, 0.10]])  # (2, 2) x, y: right and left of the arm
ZONE_RADIUS_M = 0.04
COPPER, WOOD = (0.72, 0.4, 0.25, 1), (0.15, 0.12, 0.1, 1)
ZONE_COLOURS = ((0.85, 0.8, 0.3, 1), (0.3, 0.5, 0.8, 1))


@dataclass(frozen=True)
class PlaceTask:
    """Objects: 0 the pot, its origin in the middle of its bottom."""

    pot_mass_kg: float = 0.12
    spread_m: float = 0.025  # half the square about a zone in which the pot begins

    goals = (
        Goal("move the pot to the blue zone", "forward"),
        Goal("move the pot to the yellow zone", "backward"),
    )
    episode_steps = 40
    objects = ("pot",)
    slides = ()
    tips = True

    def add_to(self, spec: Any) -> None:
        """A free pot with a knob, and two painted zones."""
        pot = add_free(spec, "pot")
        half_m = POT_HEIGHT_M / 2
        add_cylinder(pot, POT_RADIUS_M, half_m, half_m, COPPER, mass=self.pot_mass_kg, **THING)
        add_knob(pot, KNOB_Z_M, WOOD)
        for (x_m, y_m), colour in zip(ZONES_M, ZONE_COLOURS, strict=True):
            radius_m = ZONE_RADIUS_M + 0.02
            add_cylinder(spec.worldbody, radius_m, 0.0005, 0, colour, (x_m, y_m), **SEEN)

    def draw(self, goal: int, rng: np.random.Generator) -> Layout:
        """The pot stands in the other zone."""
        x_m, y_m = ZONES_M[goal] + rng.uniform(-self.spread_m, self.spread_m, 2)
        return Layout(np.array([[x_m, y_m, 0.0]]), np.empty(0))

    def achieved(self, scene: Scene) -> BoolArray:
        """The pot stands, let go of, in the zone."""
        pot_m, up = scene.position_m[0], scene.up[0]
        free = is_free(scene, pot_m + KNOB_Z_M * up, 2 * KNOB_RADIUS_M)
        stands = pot_m[2] < 0.006 and not tipped(scene.up, 0.15)
        is_in = [within(pot_m[:2], zone_m, ZONE_RADIUS_M) for zone_m in ZONES_M[::-1]]
        return np.array(is_in) & (free and stands)

    def irreversible(self, scene: Scene) -> bool:
        """The pot lies on its side, or stands out of reach."""
        return out_of_reach(scene.position_m) or tipped(scene.up)
