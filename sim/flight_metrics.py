"""What a flight achieved, from its true path: pure functions of positions and the room's plan."""

from typing import NamedTuple

import numpy as np

from sim.room_map import FloatArray, RoomMap


class Coverage(NamedTuple):
    """How much of a room was flown through."""

    visited: int  # free cells that the vehicle's centre entered
    free: int  # cells it could enter, as `RoomMap.free_cells` defines them

    @property
    def fraction(self) -> float:
        """Visited over free, 0..1."""
        return self.visited / self.free if self.free else 0.0


def distance_m(positions_w_m: FloatArray) -> float:
    """Length of a path (N, 2) or (N, 3), over straight pieces; 0 for fewer than two points."""
    return float(np.linalg.norm(np.diff(np.asarray(positions_w_m), axis=0), axis=1).sum())


def cells_visited(
    positions_w_m: FloatArray,
    room: RoomMap,
    cell_m: float = 0.5,
    altitude_m: float = 1.4,
    margin_m: float = 0.0,
) -> Coverage:
    """Counts the free cells of the floor plan that a path (N, 2) or (N, 3) entered.

    Sample the path more finely than a cell: what lies between two positions does not count.
    Positions outside the room are left out.
    """
    free = room.free_cells(cell_m, altitude_m, margin_m)
    corner = -np.array(room.size_m[:2]) / 2
    cells = np.floor((np.asarray(positions_w_m)[:, :2] - corner) / cell_m).astype(int)  # (N, 2)
    inside = ((cells >= 0) & (cells < free.shape)).all(axis=1)
    seen = np.zeros_like(free)
    seen[tuple(cells[inside].T)] = True
    return Coverage(int((seen & free).sum()), int(free.sum()))
