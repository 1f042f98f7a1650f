"""From what a policy reads to what a driver says of its hardware."""

from robot.messages.header import FloatMap, FloatVector, Message


class Command(Message, frozen=True, kw_only=True):
    """What a policy wants, in the axes and units of the robot's ``[limits]``."""

    values: tuple[float, ...]


class PolicyObservation(Message, frozen=True, kw_only=True):
    """What a policy acted on and what it chose, for learning; see ``policies.observation``."""

    sectors_per_m: FloatMap
    """(frames, sectors) 1/m, newest frame last."""
    sector_valid: FloatMap
    """(frames, sectors) 0 to 1."""
    corridor_m: FloatVector
    """(1,)"""
    corridor_seen: FloatVector
    """(1,)"""
    previous_command: FloatVector
    """(axes,)"""
    turn_random: FloatVector
    """(1,) 0 to 1."""
    action: FloatVector
    """(axes,) what the policy chose, before any noise was added."""


class Observed(Message, frozen=True, kw_only=True):
    """What a policy may read now, by name; see ``robot.observed``."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    values: FloatVector
    """All tensors, in the order of their names, each in C order."""


class Setpoint(Message, frozen=True, kw_only=True):
    """What the driver was last told after limits; ``reasons`` names the limits that bent it."""

    values: tuple[float, ...]
    reasons: tuple[str, ...] = ()


class DriverReport(Message, frozen=True, kw_only=True):
    """What hardware says of itself; see ``firmware_bridge.driver.DriverState``."""

    mode: str
    """A member of ``firmware_bridge.safety.Mode``, in lower case."""
    faults: tuple[str, ...]
    """Why it stopped, or what it refused since the report before."""
    measured: tuple[float, ...]
    """In the axes and units of ``[limits]``, NaN where unknown; empty: it measures nothing."""
    counters: dict[str, int]
    """Events since it was opened."""


class FlightState(Message, frozen=True, kw_only=True):
    """The vehicle's own noisy sensing, body frame (x forward, y left, z up)."""

    gyro_rad_s: tuple[float, float, float]
    accel_m_s2: tuple[float, float, float]
    altitude_m: float
    velocity_b_m_s: tuple[float, float, float]
    on_watchdog: bool
    """True while the vehicle hovers by itself because commands stopped coming."""
