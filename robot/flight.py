"""A flight read back from the log of its run: where it went, and what happened to it."""

from dataclasses import dataclass, field
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


def read_flights(log: Path) -> list[Flight]:
    """The flights in a log, one per room that the vehicle was in; none if no true pose was logged.

    Raises:
        LogError: the log cannot be read.
    """
    legs: list[_Leg] = []
    turns = False
    kinds = (RoomDescription, TruePose, Setpoint, CollisionEvent, PutBackEvent)
    for _, message, _ in LogReader(log).messages(*kinds):
        if isinstance(message, RoomDescription):
            legs.append(_Leg(message))
        elif isinstance(message, Setpoint):
            turns = len(message.values) > 1 and abs(message.values[1]) > TURNING_RAD_S
        elif legs:
            legs[-1].take(message, turns=turns)
    return [leg.flight() for leg in legs if leg.poses]


def read_flight(log: Path) -> Flight | None:
    """The flight in the first room of a log; None when no true pose was logged.

    Raises:
        LogError: the log cannot be read.
    """
    return next(iter(read_flights(log)), None)


@dataclass
class _Leg:
    """What a log says of the time in one room."""

    room: RoomDescription
    poses: list[TruePose] = field(default_factory=list)
    turning: list[bool] = field(default_factory=list)
    collisions: list[Event] = field(default_factory=list)
    put_backs: list[Event] = field(default_factory=list)

    def take(self, message: TruePose | CollisionEvent | PutBackEvent, *, turns: bool) -> None:
        match message:
            case TruePose():
                self.poses.append(message)
                self.turning.append(turns)
            case CollisionEvent():
                self.collisions.append(_event(message, message.position_w, message.other))
            case PutBackEvent():
                self.put_backs.append(_event(message, message.to_w, message.reason))

    def flight(self) -> Flight:
        start_ns = self.poses[0].captured_ns
        obstacles = [msgspec.to_builtins(obstacle) for obstacle in self.room.obstacles]
        return Flight(
            room=RoomMap.from_dict({"size_m": self.room.size_m, "obstacles": obstacles}),
            altitude_m=self.room.altitude_m,
            time_s=np.array([(pose.captured_ns - start_ns) / SECOND_NS for pose in self.poses]),
            positions_w=np.array([pose.position_w for pose in self.poses]),
            turning=np.array(self.turning),
            collisions=tuple(_since(start_ns, event) for event in self.collisions),
            put_backs=tuple(_since(start_ns, event) for event in self.put_backs),
        )


def _event(
    message: CollisionEvent | PutBackEvent, position_w: tuple[float, float, float], text: str
) -> Event:
    return Event(message.captured_ns / SECOND_NS, position_w, text)


def _since(start_ns: int, event: Event) -> Event:
    """The event, its time counted from the start of the flight."""
    return Event(event.time_s - start_ns / SECOND_NS, event.position_w, event.text)
