"""The controller that an arm of bus servos does not have: arming, guards, watchdog, slew, stops.

It arms in a few ticks: goals are set to where the joints are measured, the servos confirm them,
torque comes on, the servos confirm that. So no joint moves by being armed, whatever goal its servo
had before.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.driver import DriverState, refusal
from firmware_bridge.feetech.arm import ServoArm
from firmware_bridge.feetech.config import Config
from firmware_bridge.motion import Moved, Rates, towards
from firmware_bridge.safety_words import Mode, Reason, Wish

ARM_NS = 500_000_000  # for the servos to confirm
PRESSING = (Reason.EFFORT, Reason.FOLLOWING)
"""A goal that cannot be reached: holding it would press on."""
STOPPABLE = (Mode.ARMED, Mode.ACTIVE, Mode.PROTECTIVE_STOP)
OUTSIDE_SHARE = 0.05  # of its range an axis may be outside when it is armed


@dataclass
class _Arming:
    """Arming under way."""

    wish: Wish
    since_ns: int
    held: bool  # whether servos had torque before, and were allowed to
    told: bool = False  # goals have been given


class ServoController:
    """Modes of an arm; all arrays are (n,) in the axes' units.

    Its methods raise a PortLostError when the bus is gone; then `lose` says so.

    `counters`: commands `received`, `refused`, and `clipped` to their range; `stops`, of which
    `watchdogs`.
    """

    def __init__(self, arm: ServoArm, limits: Limits, config: Config) -> None:
        axes = limits.axes
        self._arm, self._config = arm, config
        self._low = np.array([axis.minimum for axis in axes])
        self._high = np.array([axis.maximum for axis in axes])
        self._slew_per_s = np.array([axis.slew_per_s for axis in axes])
        self._ramp_per_s = np.array([axis.ramp_per_s or axis.slew_per_s / 4 for axis in axes])
        self._max_jump = np.array([axis.max_jump or _span(axis) / 20 for axis in axes])
        self._acceleration_per_s2 = np.array([axis.acceleration_per_s2 or np.inf for axis in axes])
        self._setpoint = (self._low + self._high) / 2
        self._rate = np.zeros(len(axes))  # per second, of the setpoint
        self._ramping = np.zeros(len(axes), bool)  # towards a first command
        self.mode = Mode.DISARMED
        self.must_be_limp = False  # it is told so until it is
        self._limp_told = True
        self._arming: _Arming | None = None
        self._commanded_ns = 0  # last good command
        self._why: dict[str, None] = {}  # it stopped; each word once
        self._refused: dict[str, None] = {}  # since the last read; each word once
        self._counters = dict.fromkeys(("received", "refused", "clipped", "stops", "watchdogs"), 0)

    def state(self, now_ns: int) -> DriverState:
        """What is known by now; forgets what was refused."""
        measured = self._arm.measured(now_ns)
        words = {**self._why, **self._refused, **({"torque_on": None} if self._left_on else {})}
        self._refused.clear()
        values = self._setpoint
        if self.mode in (Mode.DISARMED, Mode.ESTOP):
            values = np.where(np.isfinite(measured), measured, values)
        counters = {**self._counters, **self._arm.counters}
        stopped = self.mode is not Mode.ACTIVE
        return DriverState(values.copy(), stopped, tuple(words), self.mode, measured, counters)

    def collect(self, now_ns: int) -> None:
        """Takes the servos' answers, and stops the arm if they say so or if commands ended."""
        for stranger in self._arm.collect(now_ns):
            self._note(f"wrong_id_{stranger}")
        if self.mode is Mode.ACTIVE and self._is_forsaken(now_ns):
            self._counters["watchdogs"] += 1
            self._protect(("watchdog",), now_ns)
        findings = self._arm.findings(now_ns, engaged=self.mode.is_engaged)
        if findings and self._arming is not None:
            self._give_up(self._arming, findings[0].reason, map(str, findings))
        if findings and (self.mode.is_engaged or self.mode is Mode.PROTECTIVE_STOP):
            presses = any(finding.reason in PRESSING for finding in findings)
            self._protect(map(str, findings), now_ns, yields=presses)

    def emit(self, now_ns: int) -> None:
        """Tells the servos what is due and asks them how they are, if the bus is free."""
        arm = self._arm
        if arm.bus.busy:
            return
        if self.must_be_limp:
            if self.may_hold:
                arm.tell_torque(on=False)
                self._limp_told = True
        elif self._arming is not None:
            self._arm_further(self._arming, now_ns)
        elif self.mode is not Mode.DISARMED:
            arm.hold_goals(self._setpoint)
        arm.ask(now_ns)

    def command(self, values: NDArray[np.float64], now_ns: int) -> None:
        """Takes a command; goes towards it by no more than the slew."""
        self._counters["received"] += 1
        if not self.mode.is_engaged:
            self._counters["refused"] += 1
            self._note(Reason.WRONG_MODE.name.lower())
        elif not np.isfinite(values).all():
            self._counters["refused"] += 1
            self._note(Reason.NON_FINITE.name.lower())
        else:
            target = np.clip(np.asarray(values, np.float64), self._low, self._high)
            self._counters["clipped"] += int(not np.array_equal(target, values))
            if self.mode is Mode.ACTIVE or self._begin(target, now_ns):
                self._follow(target, now_ns)

    def request(self, wish: Wish, now_ns: int) -> None:
        """Goes to another mode if that is allowed; arming takes some ticks."""
        mode = self.mode
        if wish is Wish.ESTOP:
            self._release(Mode.ESTOP, "requested")
            self._arm.tell_torque(on=False)  # at once; if it collides, `emit` repeats it
        elif wish is Wish.DISARM and mode is not Mode.ESTOP:
            self._release(Mode.DISARMED)
        elif wish is Wish.STOP and (mode in STOPPABLE or self._arming is not None):
            self._stop(now_ns)
        elif (wish, mode) == (Wish.RESET, Mode.ESTOP):
            self.mode = Mode.DISARMED
            self._why.clear()
        elif (wish, mode) in ((Wish.ARM, Mode.DISARMED), (Wish.RESET, Mode.PROTECTIVE_STOP)):
            self._begin_arming(wish, now_ns)
        elif wish is not Wish.ARM or not mode.is_engaged:
            self._note(refusal(wish, Reason.WRONG_MODE))

    @property
    def _left_on(self) -> bool:
        """Whether servos hold although nobody armed them: the last process left them so."""
        idle = self.mode is Mode.DISARMED and self._arming is None
        return idle and not self.must_be_limp and self._arm.holds

    @property
    def may_hold(self) -> bool:
        """Whether torque may still be on although it must be off."""
        return self._arm.holds or not self._limp_told

    def release(self) -> None:
        """Torque off, for good."""
        self._release(Mode.DISARMED)

    def lose(self, now_ns: int) -> None:
        """The port is gone: nothing reaches the servos any more, and they hold their last goal."""
        self._arming = None
        if self.mode.is_engaged:
            self._protect(("port_lost",), now_ns)
        self._why["port_lost"] = None

    def _is_forsaken(self, now_ns: int) -> bool:
        """Whether commands have ended."""
        return now_ns - self._commanded_ns > self._config.watchdog_s * 1e9

    def _begin(self, target: NDArray[np.float64], now_ns: int) -> bool:
        """Meets the first command after arming; False: it is so far away that the arm stops."""
        far = np.abs(target - self._setpoint) > self._max_jump
        if far.any() and self._config.first_command == "abort":
            self._protect(("jump",), now_ns)
            return False
        self._ramping = far
        self._rate = np.zeros_like(self._rate)
        self._commanded_ns = now_ns
        self.mode = Mode.ACTIVE
        return True

    def _follow(self, target: NDArray[np.float64], now_ns: int) -> None:
        elapsed_s = min(max((now_ns - self._commanded_ns) * 1e-9, 0.0), self._config.watchdog_s)
        moved = towards(target, Moved(self._setpoint, self._rate), self._rates(), elapsed_s)
        self._setpoint = np.asarray(moved.setpoint, np.float64)
        self._rate = np.asarray(moved.rate, np.float64)
        self._ramping &= self._setpoint != target
        self._commanded_ns = now_ns

    def _rates(self) -> Rates:
        """How fast the setpoint may go now; where it is outside its range it comes in as slowly."""
        slew_per_s = self._slew_per_s
        slew_per_s = np.where(self._ramping, np.minimum(slew_per_s, self._ramp_per_s), slew_per_s)
        low, high = np.minimum(self._low, self._setpoint), np.maximum(self._high, self._setpoint)
        return Rates(low, high, slew_per_s, self._acceleration_per_s2)

    def _protect(self, words: Iterable[str], now_ns: int, *, yields: bool = False) -> None:
        """Stops, latched; `yields`: it presses against something, so it stays where it is."""
        if self.mode is not Mode.PROTECTIVE_STOP:
            self._counters["stops"] += 1
            self.mode = Mode.PROTECTIVE_STOP
            self._why = {}
            if self._config.reaction == "limp":
                self.must_be_limp, self._limp_told = True, False
            if yields:
                measured = self._arm.measured(now_ns)
                self._setpoint = np.where(np.isfinite(measured), measured, self._setpoint)
        self._why |= dict.fromkeys(words)

    def _release(self, mode: Mode, *words: str) -> None:
        """Torque off."""
        self.must_be_limp, self._limp_told = True, False
        self._arming = None
        self._why = dict.fromkeys(words)
        self.mode = mode

    def _stop(self, now_ns: int) -> None:
        """A stop that was asked for ends an arming under way, too."""
        if self._arming is not None:
            self._give_up(self._arming, Reason.REQUESTED, ())
        if self.mode in STOPPABLE:
            self._protect(("requested",), now_ns)

    def _begin_arming(self, wish: Wish, now_ns: int) -> None:
        if self._arming is not None:
            return
        findings = self._arm.findings(now_ns, engaged=False)
        if findings or self._is_outside(now_ns):
            reason = findings[0].reason if findings else Reason.OUTSIDE
            self._note(refusal(wish, reason), *map(str, findings))
        else:
            held = self._arm.holds and not self.must_be_limp
            self.must_be_limp = False
            self._arming = _Arming(wish, now_ns, held)

    def _arm_further(self, arming: _Arming, now_ns: int) -> None:
        """One tick of arming: goals, then torque, each until the servos confirm it."""
        arm = self._arm
        if now_ns - arming.since_ns > ARM_NS:
            words = [f"no_torque_{joint.name}_{joint.id}" for joint in arm.without_torque()]
            self._give_up(arming, Reason.MISMATCH, words)
        elif not (arming.told and arm.has_goals(self._setpoint) and arm.is_near(self._setpoint)):
            self._give_goals_where_it_is(arming, now_ns)
        elif arm.without_torque():
            arm.tell_torque(on=True)
        else:
            self.mode, self._arming = Mode.ARMED, None
            self._why.clear()

    def _give_goals_where_it_is(self, arming: _Arming, now_ns: int) -> None:
        measured = self._arm.measured(now_ns)
        if np.isfinite(measured).all():
            self._setpoint = measured
            self._arm.tell_goals(measured, self._arm.ids)
            arming.told = True

    def _give_up(self, arming: _Arming, reason: Reason, words: Iterable[str]) -> None:
        """Refuses to arm; an arm that held before is not let go of."""
        self._arming = None
        self._note(refusal(arming.wish, reason), *words)
        if not arming.held:
            self.must_be_limp, self._limp_told = True, False

    def _is_outside(self, now_ns: int) -> bool:
        """Whether an axis is farther outside its range than noise and sag explain."""
        margin = OUTSIDE_SHARE * (self._high - self._low)
        measured = self._arm.measured(now_ns)
        inside = (measured >= self._low - margin) & (measured <= self._high + margin)
        return not inside.all()

    def _note(self, *words: str) -> None:
        """Keeps words for the next state."""
        self._refused |= dict.fromkeys(words)


def _span(axis: AxisLimit) -> float:
    return axis.maximum - axis.minimum
