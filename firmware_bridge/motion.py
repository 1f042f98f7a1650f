"""One tick of a setpoint on its way: not too fast, not too suddenly, never out of range.

The host's limiter and the controller both move by these rules, the one in double precision at its
own rate, the other in single precision at 200 Hz; `firmware/limits.c` is the twin in C.

With an acceleration `a` and ticks of `dt` a setpoint that comes to rest goes by `u = a dt` less in
each tick. From the rate `k u` it still travels `u dt (1 + 2 + ... + k)`, so the fastest rate from
which it ends on a target at distance `d` solves `d = u dt k (k + 1) / 2`:

    rate = (sqrt(u² + 8 a d) - u) / 2
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


class Rates(NamedTuple):
    """What bounds the motion of each axis, (n,) each, all of one float type."""

    minimum: Floats
    maximum: Floats
    slew_per_s: Floats  # the fastest change of the setpoint, > 0
    acceleration_per_s2: Floats  # the fastest change of that change; infinite: no bound


class Moved(NamedTuple):
    """Where a tick has brought the setpoint."""

    setpoint: Floats  # (n,) in range
    rate: Floats  # (n,) per second, over this tick


def towards(target: Floats, now: Moved, rates: Rates, dt_s: float) -> Moved:
    """A tick towards a target in range; an axis that reaches it has its value exactly.

    The range is kept whatever happens, the acceleration where ticks are of equal length and the
    target does not leap; it is passed by to keep the range.
    """
    if dt_s <= 0:
        return now
    dt = now.setpoint.dtype.type(dt_s)
    distance = target - now.setpoint  # (n,)
    arriving = distance / dt
    wanted = np.clip(arriving, -rates.slew_per_s, rates.slew_per_s)
    wanted = _within_acceleration(wanted, distance, now.rate, rates, dt)
    reached = np.where(wanted == arriving, target, now.setpoint + wanted * dt)
    return _in_range(reached, wanted, rates)


def to_rest(now: Moved, rates: Rates, dt_s: float) -> Moved:
    """A tick of coming to rest, wherever that is."""
    dt = now.setpoint.dtype.type(dt_s)
    u = rates.acceleration_per_s2 * dt  # infinite: at once
    wanted = now.rate - np.clip(now.rate, -u, u)
    return _in_range(now.setpoint + wanted * dt, wanted, rates)


def _within_acceleration(
    wanted: Floats, distance: Floats, rate: Floats, rates: Rates, dt: np.floating
) -> Floats:
    """The rate nearest to `wanted` that the acceleration allows now, and allows to end."""
    bounded = np.isfinite(rates.acceleration_per_s2)
    if not bounded.any():
        return wanted
    a = np.where(bounded, rates.acceleration_per_s2, 0)
    u = a * dt
    ending = (np.sqrt(u * u + 8 * a * np.abs(distance)) - u) / 2
    ending = np.where(np.abs(distance) > u * dt, ending, np.abs(wanted))
    slower = np.clip(np.clip(wanted, -ending, ending), rate - u, rate + u)
    return np.where(bounded, slower, wanted)


def _in_range(setpoint: Floats, rate: Floats, rates: Rates) -> Moved:
    inside = np.clip(setpoint, rates.minimum, rates.maximum)
    return Moved(inside, np.where(inside == setpoint, rate, 0).astype(rate.dtype))
