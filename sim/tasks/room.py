"""Fly about in a furnished room without touching anything.

The room of the paper: 5 x 5 m, where an AR.Drone taught itself to judge distances (van Hecke et
al., "Persistent self-supervised learning principle", 2016, arXiv 1603.08047). Plan, obstacles,
light and every surface are drawn from a seed.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from perception.quantities import InputError
from sim.room_map import FloatArray, Obstacle, RoomMap
from sim.task import StartPose

if TYPE_CHECKING:
    from sim.surfaces import RoomLook

MAX_OBSTACLES = 8
FLIGHT_BAND_M = (1.1, 1.7)  # every obstacle fills this band, so none is flown over or under
GRID_M = 0.1  # of the positions tried and of the test for pockets
KINDS: tuple[Literal["pillar", "box", "hanging"], ...] = ("pillar", "box", "hanging")


class RoomError(InputError):
    """A room that cannot be drawn."""


@dataclass(frozen=True)
class RoomTask:
    """Options of the room and what its reward counts."""

    obstacles: int = 4  # 0..8
    thin_obstacles: bool = False  # poles and bars of `thin_width_m` in place of wide obstacles
    size_m: tuple[float, float, float] = (5.0, 5.0, 3.0)  # along x, y, z
    width_m: tuple[float, float] = (0.4, 0.7)  # of an obstacle; at least 0.4 so that stereo sees it
    thin_width_m: tuple[float, float] = (0.05, 0.15)
    gap_m: float = 1.2  # between two obstacles: twice the vehicle's width and some air
    wall_gap_m: float = 1.0  # to a wall, unless the obstacle stands against it
    against_wall: float = 0.35  # part of the obstacles that stand against a wall
    start_clearance_m: float = 0.8  # around the start
    start_altitude_m: float = 1.4
    plain_fraction: float = 0.1  # chance of a surface to be nearly without texture
    collision_penalty: float = 1.0  # reward lost, in metres of flight
    put_back_penalty: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.obstacles <= MAX_OBSTACLES:
            raise RoomError(f"obstacles = {self.obstacles}: a room holds 0 to {MAX_OBSTACLES}")
        if min(self.size_m[:2]) < 3.0 or self.size_m[2] < 2.2:
            raise RoomError(f"size_m = {self.size_m}: a room needs at least 3 x 3 x 2.2 m")

    def draw(self, rng: np.random.Generator) -> "Room":
        """A room with its furniture, start and surfaces."""
        room = draw_map(self, rng)
        start = draw_start(self, room, rng)
        from sim.surfaces import draw_look

        return Room(room, start, draw_look(room, self.plain_fraction, rng))

    def reward(self, forward_m: float, collided: bool, put_back: bool) -> float:
        """Metres flown ahead, less a penalty for each collision and each put-back."""
        return forward_m - self.collision_penalty * collided - self.put_back_penalty * put_back


@dataclass(frozen=True)
class Room:
    """A drawn room."""

    map: RoomMap
    start: StartPose
    look: "RoomLook"

    def add_to(self, spec: Any) -> None:
        """Adds walls, floor, ceiling and obstacles with their surfaces."""
        from sim.surfaces import add_room

        add_room(spec, self.map, self.look)


def draw_map(task: RoomTask, rng: np.random.Generator) -> RoomMap:
    """Draws obstacles until none is too close to another and no pocket is cut off.

    Raises:
        RoomError: the options leave no room for so many obstacles.
    """
    for _ in range(2000):
        room = RoomMap(task.size_m)
        while len(room.obstacles) < task.obstacles:
            obstacle = _draw_obstacle(task, room, rng)
            if obstacle is None:
                break
            room = RoomMap(task.size_m, (*room.obstacles, obstacle))
        else:
            if is_connected(room) and _start_cells(task, room).any():
                return room
    raise RoomError(
        f"found no room of {task.size_m} m with {task.obstacles} obstacles {task.gap_m} m apart: "
        "ask for fewer obstacles, a larger room or smaller gaps"
    )


def draw_start(task: RoomTask, room: RoomMap, rng: np.random.Generator) -> StartPose:
    """A pose with clearance all around."""
    cells = room.cell_centres_m(GRID_M)[_start_cells(task, room)]  # (N, 2)
    x, y = cells[rng.integers(len(cells))]
    return StartPose((float(x), float(y), task.start_altitude_m), float(rng.uniform(-np.pi, np.pi)))


def is_connected(room: RoomMap, radius_m: float = 0.35) -> bool:
    """Whether a vehicle of this radius gets from every place it fits in to every other."""
    passable = room.clearance_m(room.cell_centres_m(GRID_M)) >= radius_m
    return (
        cv2.connectedComponents(passable.astype(np.uint8), connectivity=4)[0] == 2
    )  # with the rest


def _start_cells(task: RoomTask, room: RoomMap) -> Any:
    return room.clearance_m(room.cell_centres_m(GRID_M)) >= task.start_clearance_m


def _draw_obstacle(task: RoomTask, room: RoomMap, rng: np.random.Generator) -> Obstacle | None:
    """One more obstacle at a random place that keeps the gaps; None when there is none."""
    kind = KINDS[rng.integers(len(KINDS))]
    shape: Literal["box", "cylinder"] = "box" if rng.random() < 0.6 else "cylinder"
    low, high = task.thin_width_m if task.thin_obstacles else task.width_m
    half_x, half_y = rng.uniform(low / 2, high / 2, size=2)
    if shape == "cylinder":
        half_y = half_x
    bottom, top = _draw_extent(kind, task.size_m[2], rng)
    against = bool(rng.random() < task.against_wall)
    yaw = 0.0 if against else float(rng.uniform(0, np.pi))
    draft = Obstacle(
        f"{kind} {len(room.obstacles)}",
        kind,
        shape,
        (0.0, 0.0, (bottom + top) / 2),
        (float(half_x), float(half_y), (top - bottom) / 2),
        yaw,
    )
    places = _places(task, room, draft, against)
    if not len(places):
        return None
    x, y = places[rng.integers(len(places))]
    return Obstacle(
        draft.name, kind, shape, (float(x), float(y), draft.centre_w_m[2]), draft.half_size_m, yaw
    )


def _draw_extent(kind: str, height_m: float, rng: np.random.Generator) -> tuple[float, float]:
    """Bottom and top of an obstacle; it always fills the flight band."""
    low, high = FLIGHT_BAND_M
    bottom = 0.0 if kind != "hanging" else float(rng.uniform(0.5, low))
    top = height_m if kind != "box" else float(rng.uniform(high, min(high + 0.5, height_m)))
    return bottom, top


def _places(task: RoomTask, room: RoomMap, draft: Obstacle, against: bool) -> FloatArray:
    """Centres (N, 2) where the obstacle may stand: in the open, or touching one of the walls."""
    half_room = np.array(task.size_m[:2]) / 2
    if against:
        places = _places_along_walls(half_room, np.array(draft.half_size_m[:2]))
    else:
        grid = room.cell_centres_m(GRID_M).reshape(-1, 2)
        places = grid[(np.abs(grid) + draft.reach_m + task.wall_gap_m <= half_room).all(axis=1)]
    for other in room.obstacles:
        places = places[other.distance_m(places) >= draft.reach_m + task.gap_m]
    return places


def _places_along_walls(half_room: FloatArray, half_size: FloatArray) -> FloatArray:
    places = []
    for axis in (0, 1):
        along = np.arange(-half_room[1 - axis] + half_size[1 - axis], half_room[1 - axis], GRID_M)
        along = along[np.abs(along) <= half_room[1 - axis] - half_size[1 - axis]]
        for side in (-1.0, 1.0):
            place = np.empty((len(along), 2))
            place[:, axis] = side * (half_room[axis] - half_size[axis])
            place[:, 1 - axis] = along
            places.append(place)
    return np.concatenate(places)
