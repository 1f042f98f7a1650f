"""A robot without hardware: it applies what it gets, at once, and watches over its commands.

The watchdog is what a microcontroller would do. Its default of 100 ms is that of moteus: short
enough for a flying robot, five periods of a 50 Hz actuator node.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from firmware_bridge.driver import DriverState
from firmware_bridge.errors import LinkTableError


@dataclass(frozen=True)
class Config:
    """Options of `[link]` for the fake driver."""

    watchdog_s: float = 0.1  # s without a command until it stops by itself

    def __post_init__(self) -> None:
        """Refuses a watchdog that never or always bites.

        Raises:
            LinkTableError: not a positive finite time.
        """
        if not isinstance(self.watchdog_s, int | float) or not 0 < self.watchdog_s < math.inf:
            raise LinkTableError(f"[link] watchdog_s is {self.watchdog_s!r}, must be > 0 s")


class FakeDriver:
    """The `Driver` interface with nothing behind it.

    `counters` holds the commands `received`, those `refused` as non-finite, and the `timeouts`:
    how often the watchdog stopped the robot. A stop lasts until the next good command.
    """

    Config = Config

    def __init__(self, limits: Limits, config: Config) -> None:
        middle = [(axis.minimum + axis.maximum) / 2 for axis in limits.axes]
        stops = [axis.stop for axis in limits.axes]
        self._holds = np.array([stop is None for stop in stops])  # (n,)
        self._stop = np.array([stop or 0.0 for stop in stops])  # (n,)
        self._applied = np.where(self._holds, middle, self._stop)  # (n,)
        self._watchdog_ns = round(config.watchdog_s * 1e9)
        self._received_ns: int | None = None  # of the last good command
        self._stopped = True  # until the first command
        self._refused = False  # since the last read
        self.counters = {"received": 0, "refused": 0, "timeouts": 0}

    def send(self, values: NDArray[np.float64], now_ns: int) -> None:
        """Applies (n,) `values`, unless one of them is not finite."""
        self._watch(now_ns)
        self.counters["received"] += 1
        if not np.isfinite(values).all():
            self.counters["refused"] += 1
            self._refused = True
            return
        self._applied = np.array(values, dtype=np.float64)
        self._received_ns = now_ns
        self._stopped = False

    def read(self, now_ns: int) -> DriverState:
        """What is applied now; faults are "command_timeout" and "non_finite"."""
        self._watch(now_ns)
        timeout = ("command_timeout",) if self._stopped and self._received_ns is not None else ()
        refused = ("non_finite",) if self._refused else ()
        self._refused = False
        return DriverState(self._applied.copy(), self._stopped, timeout + refused)

    def close(self) -> None:
        """Stops."""
        self._halt()

    def _watch(self, now_ns: int) -> None:
        if self._stopped or self._received_ns is None:
            return
        if now_ns - self._received_ns > self._watchdog_ns:
            self.counters["timeouts"] += 1
            self._halt()

    def _halt(self) -> None:
        self._applied = np.where(self._holds, self._applied, self._stop)
        self._stopped = True
