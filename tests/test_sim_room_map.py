import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.room_map import Obstacle, RoomMap

PILLAR = Obstacle("pillar 0", "pillar", "cylinder", (1.0, 0.0, 1.5), (0.5, 0.5, 1.5), 0.0)
BOX = Obstacle("box 0", "box", "box", (-1.0, 0.0, 0.5), (0.6, 0.2, 0.5), np.pi / 2)
ROOM = RoomMap((4.0, 3.0, 3.0), (PILLAR, BOX))

coordinates = st.floats(-3, 3)


def test_distance_to_a_cylinder_is_that_to_its_axis_less_its_radius():
    assert PILLAR.distance_m(np.array([[1.0, 2.0], [1.2, 0.0]])) == pytest.approx([1.5, 0.0])


def test_distance_to_a_turned_box_follows_its_yaw():
    # Turned by 90 degrees it reaches 0.2 along x and 0.6 along y.
    points = np.array([[-1.0, 1.0], [0.0, 0.0], [-0.7, 1.0]])
    assert BOX.distance_m(points) == pytest.approx([0.4, 0.8, np.hypot(0.1, 0.4)])


@given(coordinates, coordinates)
def test_distance_is_zero_inside_the_outline_and_never_below_that_to_the_reach(x, y):
    for obstacle in ROOM.obstacles:
        distance = float(obstacle.distance_m(np.array([x, y])))
        to_axis = np.hypot(x - obstacle.centre_w_m[0], y - obstacle.centre_w_m[1])
        assert distance >= to_axis - obstacle.reach_m - 1e-9
        assert distance <= to_axis


@pytest.mark.parametrize("obstacle", ROOM.obstacles)
def test_the_outline_lies_on_the_foot_print_and_runs_counter_clockwise(obstacle):
    outline = obstacle.outline_w_m()
    x, y = outline.T
    area = 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))
    assert obstacle.distance_m(outline) == pytest.approx(0.0, abs=1e-9)
    assert area > 0


def test_clearance_is_to_the_nearest_wall_or_obstacle_and_negative_outside():
    clearance = ROOM.clearance_m(np.array([[0.0, 1.4], [0.0, 0.0], [2.3, 0.0]]))
    assert clearance == pytest.approx([0.1, 0.5, -0.3])


def test_an_obstacle_below_the_flight_altitude_blocks_nothing():
    assert ROOM.clearance_m(np.array([-1.0, 0.0]), altitude_m=1.4) == pytest.approx(1.0)
    assert ROOM.clearance_m(np.array([-1.0, 0.0]), altitude_m=0.5) == 0.0


def test_free_cells_are_those_whose_centre_is_in_no_obstacle():
    # x centres -1.5, -0.5, 0.5, 1.5; y centres -1, 0, 1. At y = 0 the pillar fills x = 0.5 .. 1.5.
    free = ROOM.free_cells(cell_m=1.0, altitude_m=1.4)
    expected = np.ones((4, 3), bool)
    expected[2:, 1] = False
    assert np.array_equal(free, expected)


def test_a_margin_takes_the_cells_along_the_walls_away():
    free = RoomMap((5.0, 5.0, 3.0)).free_cells(cell_m=0.5, margin_m=0.26)
    assert free.sum() == 8 * 8
    assert not free[0].any()


def test_the_map_survives_a_way_through_json():
    assert RoomMap.from_dict(json.loads(json.dumps(ROOM.to_dict()))) == ROOM


def test_map_and_metrics_need_neither_mujoco_nor_gymnasium():
    code = (
        "import sys, sim.room_map, sim.flight_metrics, sim.tasks, sim.robots;"
        "sys.exit(bool({'mujoco', 'gymnasium'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
