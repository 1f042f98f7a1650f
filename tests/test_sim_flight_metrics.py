import numpy as np
import pytest

from sim.flight_metrics import cells_visited, distance_m
from sim.room_map import Obstacle, RoomMap

ROOM = RoomMap((2.0, 2.0, 3.0))
BLOCK = Obstacle("pillar 0", "pillar", "box", (0.5, 0.5, 1.5), (0.4, 0.4, 1.5), 0.0)


def test_distance_sums_the_straight_pieces_in_space():
    path = np.array([[0, 0, 0], [3, 4, 0], [3, 4, 2]])
    assert distance_m(path) == pytest.approx(7.0)


@pytest.mark.parametrize("points", [0, 1])
def test_a_path_of_no_piece_has_no_length(points):
    assert distance_m(np.zeros((points, 3))) == 0.0


def test_a_cell_counts_once_however_often_it_is_entered():
    path = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.6, -0.4]])
    assert cells_visited(path, ROOM, cell_m=1.0) == (2, 4)


def test_cells_in_an_obstacle_are_neither_free_nor_visited():
    room = RoomMap(ROOM.size_m, (BLOCK,))
    coverage = cells_visited(np.array([[0.5, 0.5], [-0.5, 0.5]]), room, cell_m=1.0)
    assert coverage == (1, 3)
    assert coverage.fraction == pytest.approx(1 / 3)


def test_positions_outside_the_room_are_left_out():
    assert cells_visited(np.array([[5.0, 0.0], [0.0, -1.001]]), ROOM, cell_m=1.0).visited == 0


def test_visiting_every_centre_covers_the_room():
    centres = ROOM.cell_centres_m(0.5).reshape(-1, 2)
    assert cells_visited(centres, ROOM).fraction == 1.0
