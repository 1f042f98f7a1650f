"""What stands between any policy and the hardware: finite, in range, not too fast, not too old.

The limiter runs at the robot's own rate, which is higher than a policy's. So it separates
*offering* a command (`apply`, when one arrives) from *following* the last accepted one (`follow`,
every tick). A robot in the air needs an output at every tick, so no value makes it raise: it
refuses, clips, ramps or stops, and counts what it did. One axis, slew 0.4 a tick, stop at 0,
`max_command_age_s` of three ticks:

    tick          0     1     2     3       4      5      6      7
    offered      1.0    -     -    nan      -      -      -      -
    followed     1.0   1.0   1.0   1.0    stop   stop   stop   stop
    sent         0.0   0.4   0.8   1.0     0.6    0.2    0.0    0.0
    non_finite                      x
    slew          x     x     x             x      x
    stale                                   x      x      x      x

An axis that has an acceleration comes up to its slew, and down to its target, no faster than that;
what holds a value back for it counts as slew. A position that has a `max_jump` does not leap to a
first command that is further away, after a start or a `rebase` (`firmware_bridge.jump_guard`).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firmware_bridge.axis_limits import Limits
from firmware_bridge.errors import CommandShapeError
from firmware_bridge.jump_guard import JumpGuard
from firmware_bridge.motion import Moved, Rates, towards

REASONS = ("invalid", "non_finite", "range", "jump", "slew", "stale", "halted")
_NS_PER_S = 1_000_000_000


class Limited(NamedTuple):
    """What to send to the driver now."""

    values: NDArray[np.float64]  # (n,) in the axes' units: finite, in range, within slew
    reasons: tuple[str, ...]  # why they are not what was asked for; a subset of REASONS


class CommandLimiter:
    """Follows the last accepted command within limits, and stops when it is too old.

    `counters` holds how many outputs were `sent`, how many commands were `offered` and `accepted`,
    and, per reason, how many outputs carried that reason.
    """

    def __init__(self, limits: Limits, start: ArrayLike | None = None) -> None:
        """Starts at rest.

        Args:
            limits: of the robot.
            start: (n,) where the robot stands now, from which the first command is ramped. By
                default the stop values, and the middle of the range for axes that hold.
        """
        axes = limits.axes
        self._limits = limits
        self._minimum = np.array([axis.minimum for axis in axes], dtype=np.float64)  # (n,)
        self._maximum = np.array([axis.maximum for axis in axes], dtype=np.float64)  # (n,)
        self._slew_per_s = np.array([axis.slew_per_s for axis in axes])  # (n,)
        self._holds = np.array([axis.stop is None for axis in axes])  # (n,)
        self._stop = np.array([0.0 if axis.stop is None else axis.stop for axis in axes])  # (n,)
        middle = (self._minimum + self._maximum) / 2
        rest = np.where(self._holds, middle, self._stop) if start is None else self._vector(start)
        acceleration_per_s2 = [axis.acceleration_per_s2 or math.inf for axis in axes]
        self._rates = Rates(
            self._minimum, self._maximum, self._slew_per_s, np.array(acceleration_per_s2)
        )
        self._accelerates = np.isfinite(self._rates.acceleration_per_s2)  # (n,)
        self._guard = JumpGuard(axes)
        self._output = np.clip(rest, self._minimum, self._maximum)  # (n,) last sent
        self._rate = np.zeros(len(axes))  # (n,) per second, of the output
        self._accepted = self._output  # (n,) what to follow
        self._captured_ns: int | None = None  # of the accepted command; None = none came yet
        self._sent_ns: int | None = None
        self.counters: dict[str, int] = dict.fromkeys(("sent", "offered", "accepted", *REASONS), 0)

    def apply(
        self, values: ArrayLike, captured_ns: int, now_ns: int, *, valid: bool = True
    ) -> Limited:
        """Offers a new command, and says what to send now.

        A command that is not valid or not finite is refused whole, as is one captured before the
        command being followed; the last accepted command stays, until it is too old.

        Args:
            values: (n,) in the axes' units.
            captured_ns: when the data behind the command were taken (monotonic). A time in the
                future counts as now, so that no clock error keeps a command alive.
            now_ns: monotonic time of this output.
            valid: False: its sender says that what it was made of is not to be trusted.

        Raises:
            CommandShapeError: not one value per axis.
        """
        asked = self._vector(values)
        captured_ns = min(captured_ns, now_ns)
        self.counters["offered"] += 1
        if not valid:
            return self._send(now_ns, ("invalid",))
        if not np.isfinite(asked).all():
            return self._send(now_ns, ("non_finite",))
        if self._captured_ns is not None and captured_ns < self._captured_ns:
            return self._send(now_ns, ("stale",))
        accepted = np.clip(asked, self._minimum, self._maximum)
        if self._captured_ns is None and not self._guard.passes(accepted, self._output):
            return self._send(now_ns, ("jump",))
        self.counters["accepted"] += 1
        self._captured_ns = captured_ns
        self._accepted = accepted
        return self._send(now_ns, () if np.array_equal(asked, accepted) else ("range",))

    def follow(self, now_ns: int) -> Limited:
        """Says what to send now: a step towards the accepted command, or towards stop."""
        return self._send(now_ns, ())

    def halt(self, now_ns: int) -> Limited:
        """Says what to send when the robot must stop at once: the stop values, slew aside.

        The robot brakes as its own controller does when commands end. The slew counts again from
        these values once commands are followed again.
        """
        self._output = np.where(self._holds, self._output, self._stop)
        self._rate = np.zeros_like(self._rate)
        self._sent_ns = now_ns if self._sent_ns is None else max(now_ns, self._sent_ns)
        for counter in ("sent", "halted"):
            self.counters[counter] += 1
        return Limited(self._output.copy(), ("halted",))

    def rebase(self, measured: ArrayLike | None, now_ns: int) -> Limited:
        """Starts anew from where the robot stands, for as long as it follows nobody.

        What was commanded before is forgotten: a robot that is armed again must not go back to
        where it was sent in an earlier life.

        Args:
            measured: (n,) in the axes' units, NaN where unknown; counts for axes that hold.
            now_ns: monotonic time of this output.
        """
        if measured is not None:
            stands = self._vector(measured)
            known = self._holds & np.isfinite(stands)
            held = np.clip(stands, self._minimum, self._maximum)
            self._output = np.where(known, held, self._output)
        limited = self.halt(now_ns)
        self._accepted, self._captured_ns = self._output, None
        self._guard.forget()
        return limited

    def _send(self, now_ns: int, reasons: tuple[str, ...]) -> Limited:
        fresh = self._is_fresh(now_ns)
        target = self._accepted if fresh else np.where(self._holds, self._accepted, self._stop)
        arrives = self._move(target, self._elapsed_s(now_ns))
        self._sent_ns = now_ns if self._sent_ns is None else max(now_ns, self._sent_ns)
        given = {*reasons, *(() if arrives.all() else ("slew",)), *(() if fresh else ("stale",))}
        if self._guard.is_ramping:
            given.add("jump")
            self._guard.watch(self._accepted, self._output)
        limited = Limited(self._output.copy(), tuple(why for why in REASONS if why in given))
        for counter in ("sent", *limited.reasons):
            self.counters[counter] += 1
        return limited

    def _move(self, target: NDArray[np.float64], elapsed_s: float) -> NDArray[np.bool_]:
        """Takes the output a step towards a target, (n,); returns which axes arrive there."""
        slew_per_s = self._guard.slowed(self._slew_per_s)  # (n,)
        reach = slew_per_s * elapsed_s
        change = np.clip(target - self._output, -reach, reach)
        arrives = np.abs(target - self._output) <= reach
        output = np.where(arrives, target, self._output + change)
        if self._accelerates.any():
            rates = self._rates._replace(slew_per_s=slew_per_s)
            moved = towards(target, Moved(self._output, self._rate), rates, elapsed_s)
            output = np.where(self._accelerates, moved.setpoint, output)
            arrives = np.where(self._accelerates, output == target, arrives)
            self._rate = moved.rate
        self._output = output
        return arrives

    def _is_fresh(self, now_ns: int) -> bool:
        if self._captured_ns is None:
            return False
        return now_ns - self._captured_ns <= self._limits.max_command_age_s * _NS_PER_S

    def _elapsed_s(self, now_ns: int) -> float:
        """Time that earns slew: a caller that was away for long earns no leap by it."""
        if self._sent_ns is None:
            return 0.0
        elapsed_s = (now_ns - self._sent_ns) / _NS_PER_S
        return min(max(elapsed_s, 0.0), self._limits.max_command_age_s)

    def _vector(self, values: ArrayLike) -> NDArray[np.float64]:
        vector = np.array(values, dtype=np.float64)
        if vector.shape != self._minimum.shape:
            names = ", ".join(axis.name for axis in self._limits.axes)
            raise CommandShapeError(
                f"a command of shape {vector.shape} does not fit the axes ({names})"
            )
        return vector
