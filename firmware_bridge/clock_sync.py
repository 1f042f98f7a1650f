r"""How far another clock is from ours, and how far that may be wrong.

A controller counts from its power-up, another host from its boot; nothing sets these clocks, so
they differ by the time between the two and drift by the tolerance of two crystals. One exchange,
as in NTP:

    here    asked                        returned        here's clock
                \                          /
    there       heard ---------- replied                 there's clock

The two ways cannot take less than no time, so the offset there - here lies between
``replied - returned`` and ``heard - asked``, however unlike the two ways are. Until now each of
the two can only have moved by the drift, so the offset lies between the highest of the lower
limits and the lowest of the upper ones. An exchange that was held up has a wide interval, which
limits nothing: outliers need no threshold. Nothing is averaged, so nothing is guessed.

The drift is found in the same way: a line must pass below every upper and above every lower limit
(as the linear programme of Moon, Skelly and Towsley, INFOCOM 1999). It is told and not used, since
crystals follow the temperature and some hosts' clocks are steered: the bound trusts `max_drift`
alone.
"""

import itertools
import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_DRIFT = 200e-6  # two crystals of 100 ppm each, the worst that boards are built with
WINDOW = 32  # exchanges kept


class Exchange(NamedTuple):
    """Four readings, in ns: two of this clock, two of the other."""

    asked_ns: int
    """Here, when the question left."""
    heard_ns: int
    """There, when it came."""
    replied_ns: int
    """There, when the reply left."""
    returned_ns: int
    """Here, when it came."""

    @property
    def round_trip_ns(self) -> int:
        """Time under way, both ways."""
        return (self.returned_ns - self.asked_ns) - (self.replied_ns - self.heard_ns)

    def possible(self, max_drift: float = MAX_DRIFT, resolution_ns: int = 0) -> bool:
        """Whether no reading runs backwards, as a clock that was replaced would.

        A way of no time at all may seem to take less, where the other clock runs faster meanwhile
        or was read a step apart.
        """
        gained_ns = 1 + resolution_ns + math.ceil(max_drift * (self.replied_ns - self.heard_ns))
        return (
            self.asked_ns <= self.returned_ns
            and self.heard_ns <= self.replied_ns
            and self.round_trip_ns >= -gained_ns
        )


class Estimate(NamedTuple):
    """The other clock minus ours, at one moment."""

    offset_ns: int
    bound_ns: int
    """The true offset is within this of ``offset_ns``."""


class Drift(NamedTuple):
    """How much faster the other clock runs than ours, if it has run evenly."""

    ppm: float  # ns per ms
    bound_ppm: float


@dataclass
class PeerClock:
    """The other clock as known from exchanges; pure: time comes in as numbers."""

    max_drift: float = MAX_DRIFT
    """How fast the clocks may run apart, ns per ns."""
    resolution_ns: int = 0
    """Steps of the other clock; a reading is up to this early."""
    restarts: int = 0
    """How often an exchange did not fit the earlier ones: the other clock began anew."""
    _exchanges: deque[Exchange] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _landmarks: deque[Exchange] = field(default_factory=lambda: deque(maxlen=WINDOW))
    """The quickest of each WINDOW exchanges: what the drift is seen by."""
    _since_landmark: int = 0

    def add(self, exchange: Exchange) -> bool:
        """Takes in one exchange; False for one that cannot have happened.

        One that contradicts the estimate shows that the other clock was replaced: what was
        known before is forgotten.
        """
        if not exchange.possible(self.max_drift, self.resolution_ns):
            return False
        self._exchanges.append(exchange)
        low, high = self._limits(exchange.returned_ns)
        if low > high:
            self.forget()
            self._exchanges.append(exchange)
            self.restarts += 1
        self._since_landmark += 1
        if self._since_landmark == WINDOW:
            self._since_landmark = 0
            self._landmarks.append(min(self._exchanges, key=lambda kept: kept.round_trip_ns))
        return True

    def forget(self) -> None:
        """The other side is gone; it may come back with another clock."""
        self._exchanges.clear()
        self._landmarks.clear()
        self._since_landmark = 0

    def estimate(self, now_ns: int) -> Estimate | None:
        """The offset now; None before the first exchange."""
        if not self._exchanges:
            return None
        low, high = self._limits(now_ns)
        return Estimate((low + high) // 2, max(0, -((low - high) // 2)) + 1)

    def drift(self) -> Drift | None:
        """The drift; None before exchanges have narrowed it down below ``max_drift``."""
        least, most = -self.max_drift, self.max_drift
        seen = [*self._landmarks, *self._exchanges]
        for one, later in itertools.combinations(seen, 2):
            (low, high), (later_low, later_high) = self._interval(one), self._interval(later)
            least = max(least, (later_low - high) / max(later.returned_ns - one.asked_ns, 1))
            if later.asked_ns > one.returned_ns:
                most = min(most, (later_high - low) / (later.asked_ns - one.returned_ns))
        bound = (most - least) / 2
        if not 0 <= bound < self.max_drift:
            return None
        return Drift((least + most) / 2 * 1e6, bound * 1e6)

    def _interval(self, exchange: Exchange) -> tuple[int, int]:
        """Least of the offset when the reply returned, and most of it when the question left."""
        low = exchange.replied_ns - exchange.returned_ns
        return low, exchange.heard_ns + self.resolution_ns - exchange.asked_ns

    def _limits(self, now_ns: int) -> tuple[int, int]:
        lows, highs = [], []
        for exchange in self._exchanges:
            low, high = self._interval(exchange)
            away_ns = max(abs(now_ns - exchange.asked_ns), abs(now_ns - exchange.returned_ns))
            moved_ns = 1 + int(away_ns * self.max_drift)
            lows.append(low - moved_ns)
            highs.append(high + moved_ns)
        return max(lows), min(highs)
