"""A robot behind a microcontroller with our firmware: the `Driver` interface over a `HostLink`.

All that is hard about it stands on the other side of the wire: limits, watchdog, monitors and the
reaction to a stop run in the controller, whatever becomes of this process. What happens to the
torque when the process ends in order is `on_exit`; when it does not, the watchdog's reaction.
"""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from firmware_bridge.driver import DriverState, Features
from firmware_bridge.errors import CommandShapeError
from firmware_bridge.link import HostLink
from firmware_bridge.link_diagnosis import error_of, word_of
from firmware_bridge.mcu_options import REACTIONS, McuOptions
from firmware_bridge.mcu_setup import setup_of
from firmware_bridge.packet_line import warm_up
from firmware_bridge.port import Port, open_port
from firmware_bridge.safety_words import Mode, Reason, Wish

OBSERVES = ("values", "effort", "voltage_v", "temperature_c")
MOMENT_NS = 1_000_000  # between two looks at the port while waiting
EXIT_NS = 200_000_000  # in which the controller must have confirmed what `on_exit` asks of it
_STOPPED = (Mode.PROTECTIVE_STOP, Mode.ESTOP)
_FROM_CONTROLLER = "controller_"  # before the names of its own counters


def sleep_ns(longest_ns: int) -> int:
    """Lets this much time pass; says what monotonic time it is then, ns."""
    if longest_ns:
        time.sleep(longest_ns / 1e9)
    return time.monotonic_ns()


class McuDriver:
    """`counters` of a state hold the events of both ends; the controller's begin with its name."""

    Config = McuOptions

    def __init__(
        self,
        limits: Limits,
        config: McuOptions,
        *,
        connect: Callable[[], Port] | None = None,
        wait: Callable[[int], int] = sleep_ns,
    ) -> None:
        """Checks, and connects to nothing yet.

        Args:
            limits: of the robot, of up to 8 axes.
            config: the options of `[link]`.
            connect: opens the port; by default that of the options.
            wait: lets ns pass in `open` and `close`, and returns the time then.

        Raises:
            LinkTableError: the options do not fit the axes.
        """
        self._config = config
        self._wait = wait
        self._now_ns = 0  # of the newest call
        connect = connect or (lambda: open_port(config.port, config.baud))
        self._link = HostLink(connect, setup_of(limits, config), repr(config.port))
        rests = [
            (axis.minimum + axis.maximum) / 2 if axis.stop is None else axis.stop
            for axis in limits.axes
        ]
        self._values = np.array(rests)  # (n,) last applied, as far as is known
        self._withheld: dict[str, None] = {}  # why commands were not sent, since the last read

    @property
    def features(self) -> Features:
        """What the firmware can do; the hardware may observe less, as not-a-number."""
        return Features(arms_itself=False, observes=OBSERVES, reactions=REACTIONS)

    def open(self, now_ns: int) -> None:
        """Connects, compares schemas, and has every limit confirmed.

        Raises:
            PortError: no such port, busy, not permitted.
            SchemaMismatchError: the firmware is another one.
            LimitsRefusedError: a limit is beyond the hardware's.
            ControllerSilentError: nothing, or nothing sensible, came in `open_timeout_s`.
        """
        link = self._link
        warm_up()
        link.open(now_ns)
        until_ns = round(self._config.open_timeout_s * 1e9)
        self._pump_until(lambda: link.is_told or link.error is not None, now_ns, until_ns)
        if not link.is_told:
            error = error_of(link, repr(self._config.port), self._config.baud)
            link.close()
            raise error

    def read(self, now_ns: int) -> DriverState:
        """The newest state; faults are why it stands, what was refused, and what is wrong here."""
        link = self._link
        self._pump(now_ns)
        n, told = len(self._values), link.telemetry
        measured = np.full(n, np.nan)
        if told is not None:
            self._values = np.array(told.setpoint[:n])
            measured = np.array(told.measured[:n])
        return DriverState(
            self._values.copy(),
            link.mode is not Mode.ACTIVE or not link.is_up,
            self._faults(),
            link.mode,
            measured,
            self._counters(),
        )

    def send(self, values: NDArray[np.float64], now_ns: int) -> None:
        """Sends a command, (n,) in the axes' units, if the controller is engaged.

        Raises:
            CommandShapeError: not one value per axis.
        """
        if values.shape != self._values.shape:
            raise CommandShapeError(
                f"a command of shape {values.shape} does not fit {len(self._values)} axes"
            )
        why = self._link.command(values.tolist(), now_ns)
        if why:
            self._withheld[why] = None
        self._pump(now_ns)

    def request(self, wish: Wish, now_ns: int) -> None:
        """Asks the controller, at once."""
        self._link.wish(wish, now_ns)
        self._pump(now_ns)

    def stop(self, now_ns: int) -> None:
        """A protective stop with the configured reaction."""
        self.request(Wish.STOP, now_ns)

    def close(self) -> None:
        """Does what `on_exit` says, waits for the controller to confirm it, frees the port."""
        link = self._link
        if link.line is None:
            return
        link.pump(self._now_ns)
        if self._config.on_exit == "limp" and link.mode is not Mode.ESTOP:
            link.wish(Wish.DISARM, self._now_ns)
        elif link.mode.is_engaged:
            link.wish(Wish.STOP, self._now_ns)
        self._pump_until(lambda: not link.wishes.is_waiting, self._now_ns, EXIT_NS)
        link.close()

    def _pump_until(self, done: Callable[[], bool], now_ns: int, longest_ns: int) -> None:
        """Pumps until it is done, from `now_ns` on; the only place where this driver waits."""
        began_ns, passed_ns = self._wait(0), 0
        while not done() and passed_ns <= longest_ns:
            self._pump(now_ns + passed_ns)
            passed_ns = self._wait(MOMENT_NS) - began_ns

    def _pump(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._link.pump(now_ns)

    def _faults(self) -> tuple[str, ...]:
        link = self._link
        words = dict.fromkeys(filter(None, (word_of(link),)))
        if link.mode in _STOPPED and link.telemetry.reason != Reason.NONE:
            words[Reason(link.telemetry.reason).name.lower()] = None
        words |= dict.fromkeys(link.wishes.take_refusals())
        words |= self._withheld
        self._withheld.clear()
        return tuple(words)

    def _counters(self) -> dict[str, int]:
        theirs = self._link.controller_counters
        return self._link.counters | {_FROM_CONTROLLER + name: n for name, n in theirs.items()}
