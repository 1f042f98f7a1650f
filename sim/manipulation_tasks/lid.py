"""A pot that stands on the stove and its lid: put it on, take it off and lay it beside.

Pots of three heights are three tasks that look alike to a learner: with the three of `bin`, whose
observations have the same tensors, they are what it may have learned before.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from perception.goal import Goal
from perception.quantities import InputError
from sim.bench_things import (
    FIXTURE,
    KNOB_HALF_M,
    KNOB_RADIUS_M,
    THING,
    add_cylinder,
    add_fixed,
    add_free,
    add_knob,
)
from sim.manipulation import BoolArray, Layout, Scene, is_free, out_of_reach, tipped, within

LID_RADIUS_M, LID_HALF_M = 0.048, 0.005
POT_RADIUS_M = 0.045
POTS_M = {"pot": 0.055, "low pot": 0.030, "tall pot": 0.080}  # their heights
KNOB_Z_M = LID_HALF_M + KNOB_HALF_M  # of the knob's middle, above the lid's own middle
CENTRED_M = 0.02  # a lid this near to the pot's axis covers it and stays
BESIDE_M = 0.11  # a lid this far from the pot's axis lies on the table
STEEL, COPPER, WOOD = (0.6, 0.62, 0.66, 1), (0.72, 0.4, 0.25, 1), (0.15, 0.12, 0.1, 1)


class PotError(InputError):
    """A pot that there is not."""


@dataclass(frozen=True)
class LidTask:
    """Objects: 0 the lid, 1 the pot."""

    pot: str = "pot"  # row of POTS_M
    pot_spread_m: float = 0.02  # half the square in which the pot stands
    lid_mass_kg: float = 0.10

    episode_steps = 50
    objects = ("lid", "pot")
    slides = ()
    tips = True

    def __post_init__(self) -> None:
        """Refuses a pot that there is not.

        Raises:
            PotError: lists those there are.
        """
        if self.pot not in POTS_M:
            raise PotError(f"no pot is called {self.pot!r}; valid pots: {', '.join(POTS_M)}")

    @property
    def goals(self) -> tuple[Goal, ...]:
        """In words, with the pot's name."""
        return (
            Goal(f"put the lid on the {self.pot}", "forward"),
            Goal(f"take the lid off the {self.pot} and lay it on the table", "backward"),
        )

    @property
    def on_pot_m(self) -> float:
        """Height of the middle of a lid that lies on the pot."""
        return POTS_M[self.pot] + LID_HALF_M

    def add_to(self, spec: Any) -> None:
        """A free lid with a knob, and a pot that stands fast."""
        lid = add_free(spec, "lid")
        plate = {**THING, "mass": self.lid_mass_kg}
        add_cylinder(lid, LID_RADIUS_M, LID_HALF_M, 0.0, STEEL, **plate)
        add_knob(lid, KNOB_Z_M, WOOD)
        pot = add_fixed(spec, "pot")
        half_m = POTS_M[self.pot] / 2
        add_cylinder(pot, POT_RADIUS_M, half_m, half_m, COPPER, **FIXTURE)

    def draw(self, goal: int, rng: np.random.Generator) -> Layout:
        """Forward: the lid lies beside the pot. Backward: it lies on it."""
        pot_m = np.array([0.28, 0.08, 0.0])
        pot_m[:2] += rng.uniform(-self.pot_spread_m, self.pot_spread_m, 2)
        if goal == 0:
            x_m, y_m = rng.uniform((0.21, -0.14), (0.33, -0.07))
            lid_m = np.array([x_m, y_m, LID_HALF_M])
        else:
            x_m, y_m = pot_m[:2] + rng.uniform(-0.4, 0.4, 2) * CENTRED_M
            lid_m = np.array([x_m, y_m, self.on_pot_m])
        return Layout(np.array([lid_m, pot_m]), np.empty(0))

    def achieved(self, scene: Scene) -> BoolArray:
        """The lid lies, let go of, on the pot; or flat on the table beside it."""
        lid_m, pot_m = scene.position_m
        free = is_free(scene, lid_m + KNOB_Z_M * scene.up[0], 2 * KNOB_RADIUS_M)
        flat = not tipped(scene.up[:1], 0.15)
        is_on = within(lid_m[:2], pot_m[:2], CENTRED_M) and abs(lid_m[2] - self.on_pot_m) < 0.006
        is_beside = not within(lid_m[:2], pot_m[:2], BESIDE_M) and lid_m[2] < LID_HALF_M + 0.006
        return np.array([is_on, is_beside and not out_of_reach(scene.position_m)]) & (free and flat)

    def irreversible(self, scene: Scene) -> bool:
        """The lid lies out of reach, or on its knob; leaning at the pot it can still be taken."""
        lid_m = scene.position_m[:1]
        return out_of_reach(lid_m) or tipped(scene.up[:1], 1.0)
