"""A robot without hardware: it applies what it gets, at once, and watches over its commands.

The watchdog is what a microcontroller would do, but for one thing: it lets go by itself when
commands resume, as the simulated robots behind it do. Its default of 100 ms is that of moteus:
short enough for a flying robot, five periods of a 50 Hz actuator node.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from firmware_bridge.driver import DriverState, Features, refusal
from firmware_bridge.errors import LinkTableError
from firmware_bridge.safety_words import Mode, Reason, Wish

_ENGAGED = (Mode.ARMED, Mode.ACTIVE)
_CONNECTED = tuple(mode for mode in Mode if mode is not Mode.BOOT)
GRANTED: dict[tuple[Wish, Mode], Mode] = {
    (Wish.ARM, Mode.DISARMED): Mode.ARMED,
    **{(Wish.ARM, mode): mode for mode in _ENGAGED},
    **{(Wish.DISARM, mode): Mode.DISARMED for mode in (*_ENGAGED, Mode.PROTECTIVE_STOP)},
    (Wish.DISARM, Mode.DISARMED): Mode.DISARMED,
    **{(Wish.STOP, mode): Mode.PROTECTIVE_STOP for mode in (*_ENGAGED, Mode.PROTECTIVE_STOP)},
    **{(Wish.ESTOP, mode): Mode.ESTOP for mode in _CONNECTED},
    (Wish.RESET, Mode.PROTECTIVE_STOP): Mode.ARMED,
    (Wish.RESET, Mode.ESTOP): Mode.DISARMED,
}
"""Which mode a wish leads to from which; every other wish is refused."""


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

    `counters` holds the commands `received`, those `refused`, and the `timeouts`: how often the
    watchdog stopped the robot. That stop lasts until the next good command; one that somebody asked
    for lasts until it is reset.
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
        self._mode = Mode.BOOT
        self._stopped = True  # until the first command
        self._refused: dict[str, None] = {}  # why, since the last read; each reason once
        self.counters = {"received": 0, "refused": 0, "timeouts": 0}

    @property
    def features(self) -> Features:
        """It is simulated, so it may arm itself; it measures nothing."""
        return Features(arms_itself=True, observes=(), reactions=("decelerate",))

    def open(self, now_ns: int) -> None:
        """Arms itself; there is nobody to connect to."""
        del now_ns
        self._mode = Mode.ARMED

    def send(self, values: NDArray[np.float64], now_ns: int) -> None:
        """Applies (n,) `values`, unless one of them is not finite or it is stopped."""
        self._watch(now_ns)
        self.counters["received"] += 1
        if not self._mode.is_engaged:
            self._refuse(Reason.WRONG_MODE.name.lower())
        elif not np.isfinite(values).all():
            self._refuse(Reason.NON_FINITE.name.lower())
        else:
            self._applied = np.array(values, dtype=np.float64)
            self._received_ns = now_ns
            self._stopped = False
            self._mode = Mode.ACTIVE

    def read(self, now_ns: int) -> DriverState:
        """What is applied now.

        Faults are "requested" during a stop that was asked for, "command_timeout" during one of
        the watchdog's, and once each refusal.
        """
        self._watch(now_ns)
        faults = (*self._reasons(), *self._refused)
        self._refused.clear()
        return DriverState(
            self._applied.copy(), self._stopped, faults, self._mode, counters=dict(self.counters)
        )

    def request(self, wish: Wish, now_ns: int) -> None:
        """Changes the mode at once, or refuses."""
        self._watch(now_ns)
        if (wish, self._mode) not in GRANTED:
            self._refused[refusal(wish, Reason.WRONG_MODE)] = None
            return
        before, self._mode = self._mode, GRANTED[wish, self._mode]
        if self._mode is not before:
            self._received_ns = None
            self._halt()

    def stop(self, now_ns: int) -> None:
        """A protective stop."""
        self.request(Wish.STOP, now_ns)

    def close(self) -> None:
        """Stops."""
        self._halt()
        self._mode = Mode.BOOT

    def _reasons(self) -> tuple[str, ...]:
        """Why it stands still, if it does so against what was sent."""
        if self._mode in (Mode.PROTECTIVE_STOP, Mode.ESTOP):
            return ("requested",)
        timed_out = self._stopped and self._received_ns is not None and self._mode.is_engaged
        return ("command_timeout",) if timed_out else ()

    def _refuse(self, why: str) -> None:
        self.counters["refused"] += 1
        self._refused[why] = None

    def _watch(self, now_ns: int) -> None:
        if self._stopped or self._received_ns is None:
            return
        if now_ns - self._received_ns > self._watchdog_ns:
            self.counters["timeouts"] += 1
            self._mode = Mode.ARMED
            self._halt()

    def _halt(self) -> None:
        self._applied = np.where(self._holds, self._applied, self._stop)
        self._stopped = True
