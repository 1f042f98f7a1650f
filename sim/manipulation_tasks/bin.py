"""A bin and one of three things, which differ in mass, size and grip: put it in, take it out."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from perception.goal import Goal
from perception.quantities import InputError
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

INNER_M = np.array([0.055, 0.062])  # half of the bin's inside, x and y
WALL_M, WALL_HEIGHT_M = 0.003, 0.030  # half its thickness; its height
BIN_M = np.array([0.28, 0.10])  # x, y
OUTSIDE_M = 0.095  # y so far from the bin's middle: outside, and the gripper fits beside the wall
IRON, CLAY, PINE, GREEN = (
    (0.25, 0.27, 0.3, 1),
    (0.3, 0.5, 0.75, 1),
    (0.8, 0.65, 0.4, 1),
    (0.3, 0.5, 0.3, 1),
)


class ItemError(InputError):
    """A thing that there is not."""


class Item(NamedTuple):
    """One thing that fits into the bin; its origin is in the middle of its bottom."""

    grasp_z_m: float  # where the gripper takes it
    width_m: float  # there


ITEMS = {
    "weight": Item(0.03 + KNOB_HALF_M, 2 * KNOB_RADIUS_M),  # 180 g, with a knob
    "vase": Item(0.048, 0.034),  # 70 g, tall and slim
    "bench": Item(0.034, 0.026),  # 60 g, on two legs
}


@dataclass(frozen=True)
class BinTask:
    """Objects: 0 the item, 1 the bin."""

    item: str = "weight"  # one of ITEMS
    bin_spread_m: float = 0.015  # half the square in which the bin stands

    episode_steps = 45
    slides = ()
    tips = True

    def __post_init__(self) -> None:
        """Refuses a thing that there is not.

        Raises:
            ItemError: lists those there are.
        """
        if self.item not in ITEMS:
            raise ItemError(f"no item is called {self.item!r}; valid items: {', '.join(ITEMS)}")

    @property
    def goals(self) -> tuple[Goal, ...]:
        """In words, with the item's name."""
        return (
            Goal(f"put the {self.item} into the bin", "forward"),
            Goal(f"take the {self.item} out of the bin", "backward"),
        )

    @property
    def objects(self) -> tuple[str, ...]:
        """The item and the bin."""
        return self.item, "bin"

    def add_to(self, spec: Any) -> None:
        """The item, free; the bin, four walls that stand fast."""
        _ADD[self.item](add_free(spec, self.item))
        walls = add_fixed(spec, "bin")
        x_m, y_m, z_m = *(INNER_M + WALL_M), WALL_HEIGHT_M / 2
        for side in (1, -1):
            add_box(walls, (side * x_m, 0, z_m), (WALL_M, y_m + WALL_M, z_m), GREEN, **FIXTURE)
            add_box(walls, (0, side * y_m, z_m), (x_m - WALL_M, WALL_M, z_m), GREEN, **FIXTURE)

    def draw(self, goal: int, rng: np.random.Generator) -> Layout:
        """Forward: the item stands beside the bin. Backward: it stands in it."""
        bin_m = BIN_M + rng.uniform(-self.bin_spread_m, self.bin_spread_m, 2)
        if goal == 0:
            item_m = rng.uniform((0.22, -0.15), (0.33, -0.05))
        else:
            item_m = bin_m + rng.uniform(-0.02, 0.02, 2)
        return Layout(np.array([[*item_m, 0.0], [*bin_m, 0.0]]), np.empty(0))

    def achieved(self, scene: Scene) -> BoolArray:
        """The item stands, let go of, between the walls; or on the table beside them."""
        item_m, bin_m = scene.position_m
        kind = ITEMS[self.item]
        free = is_free(scene, item_m + kind.grasp_z_m * scene.up[0], kind.width_m)
        stands = item_m[2] < 0.008 and not tipped(scene.up[:1], 0.15)
        off_m = np.abs(item_m[:2] - bin_m[:2])
        is_in = bool((off_m < INNER_M).all())
        is_out = off_m[1] > OUTSIDE_M and not out_of_reach(scene.position_m[:1])
        return np.array([is_in, is_out]) & (free and stands)

    def irreversible(self, scene: Scene) -> bool:
        """The item lies on its side, or is out of reach."""
        return out_of_reach(scene.position_m[:1]) or tipped(scene.up[:1])


def _add_weight(body: Any) -> None:
    add_cylinder(body, 0.024, 0.015, 0.015, IRON, mass=0.165, **THING)
    add_knob(body, 0.03 + KNOB_HALF_M, IRON)


def _add_vase(body: Any) -> None:
    add_cylinder(body, 0.017, 0.032, 0.032, CLAY, mass=0.07, **THING)


def _add_bench(body: Any) -> None:
    for side in (1, -1):
        add_box(body, (side * 0.028, 0, 0.014), (0.006, 0.020, 0.014), PINE, mass=0.02, **THING)
    add_box(body, (0, 0, 0.034), (0.034, 0.013, 0.006), PINE, mass=0.02, **THING)


_ADD = {"weight": _add_weight, "vase": _add_vase, "bench": _add_bench}
