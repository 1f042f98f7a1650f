r"""How far another host's clock is from ours, and how far that may be wrong.

Each host has its own monotonic clock; nothing sets them, so they differ by the time between two
boots and drift by the tolerance of two crystals. One exchange, as in NTP:

    here    asked                        returned        here's clock
                \                          /
    there       heard ---------- replied                 there's clock

The two ways cannot take less than no time, so the offset there - here lies between
``replied - returned`` and ``heard - asked``. Their middle is off by half the round trip at most,
however unlike the two ways are: of all recent exchanges the one with the tightest bound counts,
and its bound grows with its age by the drift. Nothing is averaged, so nothing is guessed.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from robot.messages import Message

MAX_DRIFT = 200e-6  # two crystals of 100 ppm each, the worst that boards are built with
WINDOW = 32  # exchanges kept
MAX_BOUND_NS = 50_000_000  # a fifth of the age at which a 10 Hz command counts as stale
NEVER_NS = 0  # the stamp of what has no known time: the host's boot, older than any limit


class Exchange(NamedTuple):
    """Four readings, in ns: two of this host's clock, two of the other's."""

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

    def possible(self, max_drift: float = MAX_DRIFT) -> bool:
        """Whether no reading runs backwards, as a clock that was replaced would.

        A way of no time at all may seem to take less, where the other clock runs faster meanwhile.
        """
        gained_ns = 1 + math.ceil(max_drift * (self.replied_ns - self.heard_ns))
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


@dataclass
class HostClock:
    """The other host's clock as known from exchanges; pure: time comes in as numbers."""

    max_drift: float = MAX_DRIFT
    """How fast the clocks may run apart, ns per ns."""
    restarts: int = 0
    """How often an exchange did not fit the earlier ones: the other host was booted anew."""
    _exchanges: deque[Exchange] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def add(self, exchange: Exchange) -> bool:
        """Takes in one exchange; False for one that cannot have happened.

        One that contradicts the estimate shows that the other clock was replaced: what was
        known before is forgotten.
        """
        if not exchange.possible(self.max_drift):
            return False
        known = self.estimate(exchange.returned_ns)
        new = self._estimate_of(exchange, exchange.returned_ns)
        if known and abs(known.offset_ns - new.offset_ns) > known.bound_ns + new.bound_ns:
            self._exchanges.clear()
            self.restarts += 1
        self._exchanges.append(exchange)
        return True

    def forget(self) -> None:
        """The other host is gone; it may come back with another clock."""
        self._exchanges.clear()

    def estimate(self, now_ns: int) -> Estimate | None:
        """The offset now, by the exchange that bounds it best; None before the first."""
        found = (self._estimate_of(exchange, now_ns) for exchange in self._exchanges)
        return min(found, key=lambda estimate: estimate.bound_ns, default=None)

    def _estimate_of(self, exchange: Exchange, now_ns: int) -> Estimate:
        low = exchange.replied_ns - exchange.returned_ns
        high = exchange.heard_ns - exchange.asked_ns
        age_ns = now_ns - exchange.asked_ns
        half = max(0, -((low - high) // 2))  # rounded up
        return Estimate((low + high) // 2, half + 1 + int(max(age_ns, 0) * self.max_drift))


def shifted(message: Message, estimate: Estimate | None) -> Message:
    """A message of another host with its stamps on our clock.

    Without an estimate, or with one too loose to judge a command's age by, the message is stale:
    as old as can be, and not valid. A stamp of a clock that is ahead would else look fresh.
    """
    if estimate is None or estimate.bound_ns > MAX_BOUND_NS:
        return msgspec.structs.replace(message, captured_ns=NEVER_NS, sent_ns=NEVER_NS, valid=False)
    return msgspec.structs.replace(
        message,
        captured_ns=message.captured_ns - estimate.offset_ns,
        sent_ns=message.sent_ns - estimate.offset_ns,
    )
