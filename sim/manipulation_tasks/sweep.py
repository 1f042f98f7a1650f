"""Eight pieces, a tray and a brush in the gripper: sweep them into the tray, and out of it again.

The pieces slide on the table and never tumble: each is on two slides with dry friction, which
costs a third of what eight free bodies on a table cost.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from perception.goal import Goal
from sim.bench_things import (
    HAND,
    SEEN,
    TABLE,
    THING,
    TOUCHES_THINGS,
    add_box,
    add_cylinder,
    add_slide,
)
from sim.manipulation import BoolArray, FloatArray, Layout, Scene

COUNT = 8
PIECE_RADIUS_M, PIECE_HALF_M, PIECE_KG = 0.011, 0.011, 0.008
BRUSH_HALF_M = (0.014, 0.005, 0.055)  # down, along the sweep, across it; in the hand's frame
TRAY_M = np.array([[0.18, 0.05], [0.38, 0.175]])  # (2, 2) least and greatest x, y
BOARD_M = np.array([[0.18, -0.175], [0.38, 0.0]])  # where pieces lie that are swept out
RIM_M, RIM_HALF_M = (0.178, 0.382), (0.003, 0.19, 0.005)  # x of two rims along the sweep
REACH_M = np.array([[0.15, -0.19], [0.40, 0.19]])  # the brush gets behind what lies within
WHITE = (0.9, 0.9, 0.92, 1)
CANDY = ((0.8, 0.25, 0.25, 1), (0.25, 0.6, 0.3, 1), (0.85, 0.7, 0.2, 1), (0.3, 0.4, 0.8, 1))


@dataclass(frozen=True)
class SweepTask:
    """Objects: the eight pieces."""

    friction: float = 0.5  # of pieces on the table

    goals = (
        Goal("sweep all pieces into the tray", "forward"),
        Goal("sweep all pieces out of the tray", "backward"),
    )
    episode_steps = 60
    objects = tuple(f"piece {i}" for i in range(COUNT))
    slides = ()
    tips = False

    def add_to(self, spec: Any) -> None:
        """The pieces, the tray's painted ground, and the brush."""
        for index, name in enumerate(self.objects):
            piece = spec.worldbody.add_body(name=name, pos=(0, 0, PIECE_HALF_M))
            for axis, letter in zip(((1, 0, 0), (0, 1, 0)), "xy", strict=True):
                add_slide(
                    piece,
                    f"{name} {letter}",
                    axis,
                    frictionloss=self.friction * PIECE_KG * 9.81,
                    damping=0.02,
                )
            touch = {**THING, "mass": PIECE_KG, "condim": 1}
            add_cylinder(piece, PIECE_RADIUS_M, PIECE_HALF_M, 0, CANDY[index % 4], **touch)
        (x_m, y_m), (half_x_m, half_y_m) = TRAY_M.mean(axis=0), np.diff(TRAY_M, axis=0)[0] / 2
        add_box(spec.worldbody, (x_m, y_m, 0), (half_x_m, half_y_m, 0.0005), WHITE, **SEEN)
        for x_m in RIM_M:  # for pieces alone: the brush reaches over it
            add_box(spec.worldbody, (x_m, 0, RIM_HALF_M[2]), RIM_HALF_M, WHITE, **TABLE)
        brush = {**TOUCHES_THINGS, "condim": 1, "mass": 0.04}
        add_box(spec.body(HAND), (0.10, 0, 0), BRUSH_HALF_M, (0.3, 0.2, 0.15, 1), **brush)

    def draw(self, goal: int, rng: np.random.Generator) -> Layout:
        """Forward: the pieces lie scattered on the board. Backward: in the tray."""
        low_m, high_m = (
            ((0.215, -0.13), (0.335, -0.03)) if goal == 0 else ((0.215, 0.07), (0.335, 0.15))
        )
        xy_m = _scattered(np.array(low_m), np.array(high_m), rng)
        return Layout(np.column_stack([xy_m, np.zeros(COUNT)]), np.empty(0))

    def achieved(self, scene: Scene) -> BoolArray:
        """All eight are in the tray; all eight are out of it, on the board."""
        xy_m = scene.position_m[:, :2]
        return np.array([_all_within(xy_m, TRAY_M), _all_within(xy_m, BOARD_M)])

    def irreversible(self, scene: Scene) -> bool:
        """A piece lies where the brush does not get behind it."""
        return not _all_within(scene.position_m[:, :2], REACH_M)


def _all_within(xy_m: FloatArray, box_m: FloatArray) -> bool:
    return bool(((box_m[0] < xy_m) & (xy_m < box_m[1])).all())


def _scattered(low_m: FloatArray, high_m: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(COUNT, 2) places in a box, no two pieces touching."""
    places_m: list[FloatArray] = []
    while len(places_m) < COUNT:
        place_m = rng.uniform(low_m, high_m)
        if all(np.linalg.norm(place_m - other) > 2.2 * PIECE_RADIUS_M for other in places_m):
            places_m.append(place_m)
    return np.array(places_m)
