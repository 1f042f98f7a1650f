"""Plan of a room: size and obstacles as plain numbers, to draw it and to measure a flight in it.

The map knows no physics engine, so that a summary or a plot of a recorded flight needs no MuJoCo.
Room frame w: origin at the centre of the floor, z up.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Obstacle:
    """An upright box or cylinder."""

    name: str  # unique in its room, such as "pillar 0"
    kind: Literal["pillar", "box", "hanging"]  # to the ceiling; on the floor; from the ceiling
    shape: Literal["box", "cylinder"]
    centre_w_m: tuple[float, float, float]  # middle of the body, not of its foot
    half_size_m: tuple[float, float, float]  # along its own x, y, z; a cylinder's radius twice
    yaw_rad: float  # of its own x axis about +z

    @property
    def bottom_m(self) -> float:
        """Height of the lower end above the floor."""
        return self.centre_w_m[2] - self.half_size_m[2]

    @property
    def top_m(self) -> float:
        """Height of the upper end above the floor."""
        return self.centre_w_m[2] + self.half_size_m[2]

    @property
    def reach_m(self) -> float:
        """Radius of the upright circle around the foot print."""
        half_x, half_y, _ = self.half_size_m
        return half_x if self.shape == "cylinder" else float(np.hypot(half_x, half_y))

    def outline_w_m(self, sides: int = 24) -> FloatArray:
        """Corners of the foot print, counter-clockwise: (4, 2), or (sides, 2) for a cylinder."""
        half_x, half_y, _ = self.half_size_m
        if self.shape == "box":
            corners = np.array(
                [(-half_x, -half_y), (half_x, -half_y), (half_x, half_y), (-half_x, half_y)]
            )
        else:
            angle = np.arange(sides) * (2 * np.pi / sides)
            corners = half_x * np.column_stack([np.cos(angle), np.sin(angle)])
        return corners @ rotation_2d(self.yaw_rad).T + self.centre_w_m[:2]

    def distance_m(self, points_w_m: FloatArray) -> FloatArray:
        """Horizontal distance from points (..., 2) to the foot print; 0 inside it."""
        offset = (np.asarray(points_w_m, np.float64) - self.centre_w_m[:2]) @ rotation_2d(
            self.yaw_rad
        )
        half_x, half_y, _ = self.half_size_m
        if self.shape == "cylinder":
            return np.maximum(np.hypot(offset[..., 0], offset[..., 1]) - half_x, 0.0)
        outside = np.maximum(np.abs(offset) - (half_x, half_y), 0.0)
        return np.hypot(outside[..., 0], outside[..., 1])


@dataclass(frozen=True)
class RoomMap:
    """Size of a room and what stands in it."""

    size_m: tuple[float, float, float]  # along x, y, z
    obstacles: tuple[Obstacle, ...] = ()

    def clearance_m(self, points_w_m: FloatArray, altitude_m: float | None = None) -> FloatArray:
        """Horizontal distance from points (..., 2) to the nearest wall or obstacle.

        Negative outside the room. With an altitude only obstacles that are met there count.
        """
        points_w_m = np.asarray(points_w_m, np.float64)
        half = np.array(self.size_m[:2]) / 2
        clearance = (half - np.abs(points_w_m)).min(axis=-1)
        for obstacle in self.obstacles_at(altitude_m):
            clearance = np.minimum(clearance, obstacle.distance_m(points_w_m))
        return clearance

    def obstacles_at(self, altitude_m: float | None) -> tuple[Obstacle, ...]:
        """Obstacles that are met at an altitude (all of them for None)."""
        if altitude_m is None:
            return self.obstacles
        return tuple(o for o in self.obstacles if o.bottom_m <= altitude_m <= o.top_m)

    def cell_centres_m(self, cell_m: float) -> FloatArray:
        """Centres (nx, ny, 2) of the square cells of a grid that starts in the corner (-x, -y)."""
        x, y = (
            (np.arange(round(extent / cell_m)) + 0.5) * cell_m - extent / 2
            for extent in self.size_m[:2]
        )
        return np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).astype(np.float64)

    def free_cells(
        self, cell_m: float = 0.5, altitude_m: float = 1.4, margin_m: float = 0.0
    ) -> BoolArray:
        """Which cells (nx, ny) of the floor plan a vehicle can be in.

        A cell is free when a vehicle's centre may be at the cell's centre: inside no obstacle that
        is met at this altitude, and further than `margin_m` from obstacles and walls. With the
        default of 0 the cells along the walls count, although a wide vehicle only reaches their
        inner part; pass its half width to leave them out.
        """
        return self.clearance_m(self.cell_centres_m(cell_m), altitude_m) > margin_m

    def to_dict(self) -> dict[str, Any]:
        """As nested dicts, lists and numbers, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "RoomMap":
        """The map that `to_dict` wrote, also after a way through JSON."""
        obstacles = tuple(Obstacle(**_with_tuples(row)) for row in table["obstacles"])
        length, width, height = table["size_m"]
        return cls((length, width, height), obstacles)


def _with_tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


def rotation_2d(yaw_rad: float) -> FloatArray:
    """Matrix (2, 2) that turns a vector counter-clockwise."""
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([(cos, -sin), (sin, cos)])
