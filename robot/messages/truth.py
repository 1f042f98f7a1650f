"""What only a simulator knows, for evaluation only."""

import msgspec

from robot.messages.header import Message


class TruePose(Message, frozen=True, kw_only=True):
    """The simulator's own knowledge, for evaluation only."""

    position_w: tuple[float, float, float]
    """Metres, room frame."""
    quaternion_wxyz: tuple[float, float, float, float]
    velocity_w: tuple[float, float, float]
    """Metres per second, room frame."""


class Obstacle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One obstacle of the room, room frame; the fields of ``sim.room_map.Obstacle``."""

    name: str
    kind: str
    shape: str
    """``box`` or ``cylinder``."""
    centre_w_m: tuple[float, float, float]
    half_size_m: tuple[float, float, float]
    yaw_rad: float


class RoomDescription(Message, frozen=True, kw_only=True):
    """The room as built from its seed, for evaluation only."""

    size_m: tuple[float, float, float]
    obstacles: tuple[Obstacle, ...]
    altitude_m: float
    """The altitude that the vehicle starts at."""


class CollisionEvent(Message, frozen=True, kw_only=True):
    """A contact began; contacts within one second are one collision."""

    position_w: tuple[float, float, float]
    other: str
    """What was hit."""


class PutBackEvent(Message, frozen=True, kw_only=True):
    """The vehicle could not recover and was put back where it was two seconds earlier."""

    from_w: tuple[float, float, float]
    to_w: tuple[float, float, float]
    reason: str
