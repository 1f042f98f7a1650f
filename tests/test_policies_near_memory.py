import math

import numpy as np
import pytest

from policies.dead_reckoning import Motion
from policies.near_memory import NearMemory, NearMemoryConfig

STEP_S = 0.1
STILL = Motion(0.0, 0.0)
AHEAD = Motion(0.05, 0.0)
SEEN = np.ones(8, dtype=bool)
FREE = np.full(8, 0.2)  # 1/m: 5 m everywhere
WALL = np.full(8, 1 / 0.2)
CONFIG = NearMemoryConfig()
WIDTH_M, REACH_M = 0.35, 0.65


@pytest.fixture
def memory():
    return NearMemory(CONFIG, STEP_S)


def near_at(sector, distance_m=0.5):
    sectors_per_m = FREE.copy()
    sectors_per_m[sector] = 1 / distance_m
    return sectors_per_m


def turn(memory, angle_rad, steps=10):
    """Turns on the spot with nothing near in view."""
    for _ in range(steps):
        memory.update(Motion(0.0, angle_rad / steps), FREE, SEEN)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_wall_turned_from_is_beside_the_robot_and_then_behind_it(memory, sign):
    memory.update(STILL, WALL, SEEN)
    assert not memory.beside(0.1, REACH_M)  # what the camera sees is not for the memory to tell
    turn(memory, sign * math.radians(50))
    assert memory.beside(WIDTH_M, REACH_M)
    turn(memory, sign * math.radians(90))
    assert not memory.beside(WIDTH_M, REACH_M)


def test_flying_past_a_thing_leaves_it_behind(memory):
    memory.update(STILL, near_at(0), SEEN)
    for _ in range(6):
        memory.update(AHEAD, FREE, SEEN)
    assert memory.beside(WIDTH_M, REACH_M)
    for _ in range(12):
        memory.update(AHEAD, FREE, SEEN)
    assert not memory.beside(WIDTH_M, REACH_M)


@pytest.mark.parametrize(("sector", "side"), [(0, 1.0), (7, -1.0)])
def test_the_crowded_side_is_where_the_points_are(memory, sector, side):
    assert memory.crowded_side(0.9, 0.1) == 0.0
    for _ in range(3):
        memory.update(STILL, near_at(sector), SEEN)
    assert memory.crowded_side(0.9, 0.1) == side
    for _ in range(3):
        memory.update(STILL, near_at(7 - sector), SEEN)
    assert memory.crowded_side(0.9, 0.1) == 0.0


def test_forgets_after_its_seconds_and_on_reset(memory):
    memory.update(STILL, WALL, SEEN)
    turn(memory, math.radians(50))
    for _ in range(round(CONFIG.seconds / STEP_S)):
        memory.update(STILL, FREE, SEEN)
    assert not memory.beside(WIDTH_M, REACH_M)
    memory.update(STILL, WALL, SEEN)
    turn(memory, math.radians(50))
    memory.reset()
    assert not memory.beside(WIDTH_M, REACH_M)


def test_the_unseen_sectors_of_a_near_thing_belong_to_it(memory):
    seen = SEEN.copy()
    seen[:2] = False
    memory.update(STILL, near_at(2), seen)
    turn(memory, math.radians(-5))  # what was at the rim is now out of view, to the left
    assert memory.beside(WIDTH_M, 0.75)
    memory.reset()
    memory.update(STILL, near_at(2), SEEN)
    turn(memory, math.radians(-5))
    assert not memory.beside(WIDTH_M, 0.75)
