"""A small cabinet with one drawer, whose handle stands up: push it shut, pull it open."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from perception.goal import Goal
from sim.bench_things import KNOB_RADIUS_M, SEEN, add_box, add_fixed, add_knob, add_slide
from sim.manipulation import BoolArray, Layout, Scene, is_free

TRAVEL_M = 0.10  # of the drawer
SHUT_M, OPEN_M = 0.008, 0.085  # pulled out by less, by more
HANDLE_Z_M = 0.055  # of the handle's middle above the table
PINE, OAK, BRASS = (0.8, 0.65, 0.4, 1), (0.45, 0.3, 0.18, 1), (0.75, 0.6, 0.2, 1)


@dataclass(frozen=True)
class DrawerTask:
    """Objects: 0 the drawer, its origin in the middle of its handle; 1 the cabinet. Slides: 0."""

    spread_m: float = 0.03  # half the width along which the cabinet stands
    friction_n: float = 0.8  # of the drawer in its rails

    goals = (
        Goal("close the drawer", "forward"),
        Goal("open the drawer", "backward"),
    )
    episode_steps = 40
    objects = ("drawer", "cabinet")
    slides = ("drawer slide",)
    tips = False

    def add_to(self, spec: Any) -> None:
        """A cabinet that stands fast, and in it a drawer that comes out towards the arm."""
        cabinet = add_fixed(spec, "cabinet")
        add_box(cabinet, (0.08, 0, 0.06), (0.06, 0.06, 0.004), OAK, **SEEN)
        for side in (1, -1):
            add_box(cabinet, (0.08, side * 0.056, 0.03), (0.06, 0.004, 0.03), OAK, **SEEN)
        drawer = cabinet.add_body(name="drawer", pos=(0.0, 0, HANDLE_Z_M))
        add_slide(
            drawer,
            "drawer slide",
            (-1, 0, 0),
            range=(0, TRAVEL_M),
            limited=True,
            frictionloss=self.friction_n,
            damping=2.0,
        )
        tray = {**SEEN, "mass": 0.1}
        add_box(drawer, (0.012, 0, 0.028 - HANDLE_Z_M), (0.006, 0.05, 0.026), PINE, **tray)
        add_box(drawer, (0.07, 0, 0.01 - HANDLE_Z_M), (0.055, 0.05, 0.004), PINE, **tray)
        add_knob(drawer, 0.0, BRASS)

    def draw(self, goal: int, rng: np.random.Generator) -> Layout:
        """Forward: the drawer is open. Backward: it is shut."""
        x_m, y_m = rng.uniform((0.325, -self.spread_m), (0.345, self.spread_m))
        slide_m = rng.uniform(0.09, TRAVEL_M) if goal == 0 else rng.uniform(0.0, 0.004)
        cabinet_m = np.array([x_m, y_m, 0.0])
        return Layout(np.array([cabinet_m, cabinet_m]), np.array([slide_m]))

    def achieved(self, scene: Scene) -> BoolArray:
        """The drawer is in, or out, and its handle let go of."""
        free = is_free(scene, scene.position_m[0], 2 * KNOB_RADIUS_M)
        out_m = float(scene.slide_m[0])
        return np.array([out_m < SHUT_M, out_m > OPEN_M]) & free

    def irreversible(self, scene: Scene) -> bool:  # noqa: ARG002  the same question to all tasks
        """Never: a drawer can always be pulled and pushed."""
        return False
