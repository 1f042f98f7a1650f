"""One tick of a setpoint on its way: not too fast, not too suddenly, never out of range.

The host's limiter and the controller both move by these rules, the one in double precision at its
own rate, the other in single precision at 200 Hz; `firmware/limits.c` is the twin in C.

With an acceleration `a` and ticks of `dt` a setpoint that comes to rest changes its rate by
`u = a dt` in each tick, so in steps of `u dt` it travels `k + (k - 1) + ...`, down to the last one
between 0 and 1, if it begins with the rate `k u`. The fastest rate from which it ends on a target
`D` steps away follows from `D = n (n + 1) / 2 + (n + 1) (k - n)`, where `n` is `k` rounded down:

    n = floor((sqrt(1 + 8 D) - 1) / 2)        k = n / 2 + D / (n + 1)
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
NEARLY = 1000  # a part of `u` that rounding may take
MOST_STEPS = 1e9  # beyond, an end is out of sight: a rate of 45,000 u is low enough


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
    arriving = (target - now.setpoint) / dt  # (n,) the rate that ends there at once
    wanted = np.clip(arriving, -rates.slew_per_s, rates.slew_per_s)
    bounded = np.isfinite(rates.acceleration_per_s2)
    u = np.where(bounded, rates.acceleration_per_s2, 0) * dt
    if bounded.any():
        slower = _within_acceleration(wanted, np.abs(target - now.setpoint), now.rate, u, dt)
        wanted = np.where(bounded, slower, wanted)
    arrives = np.abs(arriving - wanted) <= u / NEARLY
    moved = np.where(arrives, target, now.setpoint + wanted * dt)
    return _in_range(moved, np.where(arrives, arriving, wanted), now, rates, dt)


def to_rest(now: Moved, rates: Rates, dt_s: float) -> Moved:
    """A tick of coming to rest, wherever that is."""
    dt = now.setpoint.dtype.type(dt_s)
    u = rates.acceleration_per_s2 * dt  # infinite: at once
    wanted = now.rate - np.clip(now.rate, -u, u)
    return _in_range(now.setpoint + wanted * dt, wanted, now, rates, dt)


def _within_acceleration(
    wanted: Floats, far: Floats, rate: Floats, u: Floats, dt: np.floating
) -> Floats:
    """The rate nearest to `wanted` that changes by `u` at most, now and until its end."""
    ending = np.where(far > u * dt, u * _ending(far, u * dt), np.abs(wanted))
    return np.clip(np.clip(wanted, -ending, ending), rate - u, rate + u)


def _ending(far: Floats, step: Floats) -> Floats:
    """The greatest `k` from which a way that is `far` ends on its target; see above."""
    tiny = np.finfo(far.dtype).tiny
    steps = far / np.maximum(np.maximum(step, far / far.dtype.type(MOST_STEPS)), tiny)
    n = np.floor((np.sqrt(1 + 8 * steps) - 1) / 2)
    return n / 2 + steps / (n + 1)


def _in_range(
    setpoint: Floats, rate: Floats, before: Moved, rates: Rates, dt: np.floating
) -> Moved:
    inside = np.clip(setpoint, rates.minimum, rates.maximum)
    made = (inside - before.setpoint) / dt
    return Moved(inside, np.where(inside == setpoint, rate, made))
