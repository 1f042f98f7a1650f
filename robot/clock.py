"""Clocks: monotonic nanoseconds, measured or virtual.

Wall-clock time of day appears only in file names: it jumps, and a watchdog that trusts it fires
or sleeps when the machine corrects its clock.
"""

import time
from typing import Protocol

SECOND_NS = 1_000_000_000


class Clock(Protocol):
    """Tells the run's time."""

    def now_ns(self) -> int:
        """Nanoseconds; never runs backwards."""
        ...


class WallClock:
    """Real time: the host's monotonic clock, which all processes of one host share."""

    def now_ns(self) -> int:
        """Nanoseconds since some fixed point in the host's past."""
        return time.monotonic_ns()


class VirtualClock:
    """Lockstep time: stands still until somebody sets it."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        """Nanoseconds since the start of the run."""
        return self._now_ns

    def set(self, now_ns: int) -> None:
        """Moves time forward to ``now_ns``.

        Raises:
            ValueError: that is in the past.
        """
        if now_ns < self._now_ns:
            raise ValueError(f"time cannot run back from {self._now_ns} to {now_ns} ns")
        self._now_ns = now_ns


class Pacer:
    """Absolute deadlines at a fixed rate; relative sleeps would drift.

    A deadline missed by more than one period is skipped and counted, not caught up with a burst.
    """

    def __init__(self, rate_hz: float, start_ns: int) -> None:
        self.period_ns = round(SECOND_NS / rate_hz)
        self.next_ns = start_ns
        self.overruns = 0

    def due(self, now_ns: int) -> bool:
        """Whether the next deadline has come."""
        return now_ns >= self.next_ns

    def advance(self, now_ns: int) -> None:
        """Moves to the next deadline after the one that was just served."""
        self.next_ns += self.period_ns
        behind = (now_ns - self.next_ns) // self.period_ns
        if behind > 0:
            self.overruns += behind
            self.next_ns += behind * self.period_ns
