"""A flight read back from the log of its run: where it went, and what happened to it."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from robot.clock import SECOND_NS
from robot.messages import CollisionEvent, PutBackEvent, RoomDescription, Setpoint, TruePose
from robot.record import LogReader
from sim.flight_metrics import Coverage, cells_visited, distance_m
from sim.room_map import RoomMap

TURNING_RAD_S = 0.15  # from here on a commanded yaw rate is a turn


@dataclass(frozen=True)
class Event:
    """Something that happened at a place."""

    time_s: float
    position_w: tuple[float, float, float]
    text: str


@dataclass(frozen=True)
class Flight:
    """The true path of a flight and its events; room frame, metres, seconds of the run's clock."""

    room: RoomMap
    altitude_m: float
    time_s: NDArray[np.float64]  # (N,)
    positions_w: NDArray[np.float64]  # (N, 3)
    turning: NDArray[np.bool_]  # (N,) whether a turn was commanded
    collisions: tuple[Event, ...]
    put_backs: tuple[Event, ...]

    @property
    def distance_m(self) -> float:
        """Metres flown; being put back is no flying."""
        cuts = np.searchsorted(self.time_s, [event.time_s for event in self.put_backs])
        return sum(distance_m(piece) for piece in np.split(self.positions_w, cuts))

    @property
    def coverage(self) -> Coverage:
        """Free cells of half a metre that the vehicle's centre entered."""
        return cells_visited(self.positions_w, self.room, altitude_m=self.altitude_m)


def read_flight(log: Path) -> Flight | None:
    """The flight in a log; None when no true pose was logged.

    Raises:
        LogError: the log cannot be read.
    """
    room: RoomDescription | None = None
    poses: list[TruePose] = []
    turning: list[bool] = []
    collisions: list[Event] = []
    put_backs: list[Event] = []
    turns = False
    kinds = (RoomDescription, TruePose, Setpoint, CollisionEvent, PutBackEvent)
    for _, message, _ in LogReader(log).messages(*kinds):
        match message:
            case RoomDescription():
                room = message
            case Setpoint():
                turns = len(message.values) > 1 and abs(message.values[1]) > TURNING_RAD_S
            case TruePose():
                poses.append(message)
                turning.append(turns)
            case CollisionEvent():
                collisions.append(_event(message, message.position_w, message.other))
            case PutBackEvent():
                put_backs.append(_event(message, message.to_w, message.reason))
    if room is None or not poses:
        return None
    start_ns = poses[0].captured_ns
    return Flight(
        room=RoomMap.from_dict(
            {
                "size_m": room.size_m,
                "obstacles": [msgspec.to_builtins(obstacle) for obstacle in room.obstacles],
            }
        ),
        altitude_m=room.altitude_m,
        time_s=np.array([(pose.captured_ns - start_ns) / SECOND_NS for pose in poses]),
        positions_w=np.array([pose.position_w for pose in poses]),
        turning=np.array(turning),
        collisions=tuple(_since(start_ns, event) for event in collisions),
        put_backs=tuple(_since(start_ns, event) for event in put_backs),
    )


def _event(
    message: CollisionEvent | PutBackEvent, position_w: tuple[float, float, float], text: str
) -> Event:
    return Event(message.captured_ns / SECOND_NS, position_w, text)


def _since(start_ns: int, event: Event) -> Event:
    """The event, its time counted from the start of the flight."""
    return Event(event.time_s - start_ns / SECOND_NS, event.position_w, event.text)
