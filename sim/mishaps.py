"""What goes wrong in flight: collisions are counted once, a helpless vehicle is put back.

Contact flickers while a hull scrapes along a wall, so contacts within a second of each other are
one collision. The rescue stands for the person who picks the vehicle up: experiments run for hours
without resets, so it is a reported event and never an end.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

Pose = tuple[float, float, float, float]  # x, y, z in the room frame (m), yaw (rad)


class Collision(NamedTuple):
    """The first contact after at least a second without."""

    time_s: float
    position_w_m: tuple[float, float, float]  # of the vehicle's centre
    what: str  # the name of what was hit


class PutBack(NamedTuple):
    """The vehicle could not recover and was put back, level and at rest."""

    time_s: float
    from_w_m: tuple[float, float, float]
    to_w_m: tuple[float, float, float]
    reason: str


@dataclass(frozen=True)
class MishapConfig:
    """When contacts are one collision and when a vehicle is helped up."""

    same_collision_s: float = 1.0  # contacts closer in time than this are one collision
    patience_s: float = 2.0  # in trouble for so long without a break: put back
    break_s: float = 0.2  # free flight of this length ends the trouble; contact flickers faster
    rewind_s: float = 2.0  # put back to where it was so long before the trouble began
    min_up: float = 0.3  # cosine of the tilt below which a vehicle does not right itself
    track_period_s: float = 0.1  # spacing of the poses remembered


@dataclass
class MishapState:
    """All that changes; copied by World.save."""

    last_contact_s: float = -float("inf")
    trouble_since_s: float | None = None
    last_trouble_s: float = -float("inf")
    track: list[tuple[float, Pose]] = field(default_factory=list)  # good poses, oldest first


class Mishaps:
    """Told once per physics step what the vehicle touches and how it lies."""

    def __init__(self, config: MishapConfig) -> None:
        """`start` comes next."""
        self.config = config
        self.state = MishapState()

    def start(self, time_s: float, pose: Pose) -> None:
        """Forgets everything but this good pose."""
        self.state = MishapState(track=[(time_s, pose)])

    def note_contact(self, time_s: float) -> bool:
        """Whether this contact begins a collision."""
        begins = time_s - self.state.last_contact_s > self.config.same_collision_s
        self.state.last_contact_s = time_s
        return begins

    def find_trouble(self, time_s: float, in_contact: bool, up: float, inside: bool) -> str | None:
        """Why the vehicle must be put back now, or None.

        Args:
            time_s: simulated time.
            in_contact: it touches something.
            up: cosine of its tilt.
            inside: its centre is in the room, and finite.
        """
        state, config = self.state, self.config
        if not inside:
            return "out of the room"
        lying = up < config.min_up
        if in_contact or lying:
            if state.trouble_since_s is None:
                state.trouble_since_s = time_s
            state.last_trouble_s = time_s
        elif time_s - state.last_trouble_s > config.break_s:
            state.trouble_since_s = None
        if state.trouble_since_s is None or time_s - state.trouble_since_s <= config.patience_s:
            return None
        return "lying" if lying else "stuck"

    def remember(self, time_s: float, pose: Pose) -> None:
        """Notes a pose of free flight; only those of the last seconds are kept."""
        state, config = self.state, self.config
        if (
            state.trouble_since_s is None
            and time_s - state.track[-1][0] >= config.track_period_s - 1e-9
        ):
            state.track.append((time_s, pose))
            while len(state.track) > 1 and state.track[1][0] <= time_s - config.rewind_s:
                state.track.pop(0)

    def put_back(self, time_s: float) -> Pose:
        """Where to put the vehicle: where it was well before the trouble. Ends the trouble."""
        pose = self.state.track[0][1]
        last_contact_s = self.state.last_contact_s
        self.start(time_s, pose)
        self.state.last_contact_s = last_contact_s
        return pose
