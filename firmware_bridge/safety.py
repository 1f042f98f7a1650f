"""The arming state machine of a controller: when there is torque, and when it stops by itself.

                            +------------ disarm ------------+
                            v                                |
    BOOT - configured > DISARMED - arm > ARMED - command > ACTIVE - fault > PROTECTIVE_STOP
                            ^               ^                                  |       |
             ESTOP - reset -+               +------------- reset --------------+       |
                            +----------------------- disarm ---------------------------+

An e-stop is reached from everywhere; a fault stops ARMED as it does ACTIVE. Both stops are latched:
nothing but a wish ends them. The machine reads no clock: all times are the controller's own
monotonic microseconds, passed in. `firmware/safety.c` is its twin; one conformance suite holds
both to the same law.
"""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.command_gate import CommandGate
from firmware_bridge.configuration import (
    ABORT,
    AxisConfiguration,
    Configuration,
    HardwareLimits,
    Setup,
)
from firmware_bridge.monitors import SENSOR_FAULTS, Monitors, Sample
from firmware_bridge.safety_words import AxisKind, Mode, Reaction, Reason, Wish
from firmware_bridge.setpoints import Motion, Setpoints

MOST_MISMATCHES = 3  # heartbeats in a row that believe in another state
COUNTERS = (
    "commands",  # good ones
    "refused",
    "clipped",
    "watchdogs",
    "mismatches",
    "sensor_faults",
    "stops",
)
_MOTIONS = {
    Reaction.HOLD: Motion.HOLD,
    Reaction.DECELERATE: Motion.DECELERATE,
    Reaction.LIMP: Motion.FREE,
    Reaction.LAND: Motion.LAND,
}


class SafetyMachine:
    """Mode, setpoint and monitors of one controller; `counters` are events since power-up."""

    def __init__(self, hardware: HardwareLimits) -> None:
        self._setup = Setup(hardware)
        self._told = Configuration(*[0] * len(fields(Configuration)))  # until told better
        self._monitors = Monitors(self._told, ())
        self._setpoints = Setpoints(self._told, ())
        self._gate = CommandGate()
        self._heartbeat_us: int | None = None  # when the last one came
        self._disagreed = 0  # heartbeats in a row
        self._is_over = False  # the reaction of a stop has come to its end: no torque
        self.mode = Mode.BOOT
        self.reason = Reason.NONE  # why it stands in a stop: the first cause
        self.counters = dict.fromkeys(COUNTERS, 0)

    @property
    def motion(self) -> Motion:
        """What the setpoint does."""
        if self.mode.is_engaged:
            return Motion.FOLLOW
        if self.mode is Mode.PROTECTIVE_STOP and not self._is_over:
            return _MOTIONS[Reaction(self._told.reaction)]
        return Motion.FREE

    @property
    def torque(self) -> bool:
        """Whether the actuators have any."""
        return self.motion is not Motion.FREE

    @property
    def setpoint(self) -> NDArray[np.float32]:
        """Where the axes shall be, (n,) in their units."""
        return self._setpoints.values

    @property
    def command_seq(self) -> int:
        """The frame's number of the last good command."""
        return self._gate.seq

    def hello(self, now_us: int) -> None:
        """Meets a host; if the robot is engaged, it is not the one that armed it."""
        self._gate.open(now_us)
        if self.mode.is_engaged:
            self._stop(Reason.RESTARTED, now_us)

    def configure(self, told: Configuration) -> Reason:
        """Begins a configuration; NONE, or why it is refused."""
        if self.mode not in (Mode.BOOT, Mode.DISARMED):
            return Reason.WRONG_MODE
        reason = self._setup.configure(told)
        if not reason:
            self.mode = Mode.BOOT
        return reason

    def configure_axis(self, axis: AxisConfiguration) -> Reason:
        """Goes on with a configuration, and is DISARMED once it is whole."""
        if self.mode not in (Mode.BOOT, Mode.DISARMED):
            return Reason.WRONG_MODE
        reason = self._setup.configure_axis(axis)
        if self._setup.told is not None and self._setup.is_complete:
            self.mode = Mode.DISARMED
            self._told = self._setup.told
            self._monitors = Monitors(self._told, self._setup.axes)
            self._setpoints = Setpoints(self._told, self._setup.axes)
        return reason

    def wish(self, wish: int, now_us: int) -> Reason:
        """Does what it is asked; NONE, or why not."""
        if wish not in list(Wish):
            return Reason.BAD_VALUE
        if wish == Wish.ESTOP:
            return self._estop()
        if self.mode is Mode.BOOT:
            return Reason.NOT_CONFIGURED
        if wish == Wish.STOP:
            if self.mode.is_engaged:
                self._stop(Reason.REQUESTED, now_us)
            return Reason.NONE
        if wish == Wish.DISARM:
            return self._disarm()
        return self._arm(now_us) if wish == Wish.ARM else self._reset(now_us)

    def heartbeat(self, mode: int, now_us: int) -> None:
        """Notes that the host lives, and whether it believes in the same state."""
        self._heartbeat_us = now_us
        if self.mode is Mode.BOOT:
            return
        if (mode in (Mode.ARMED, Mode.ACTIVE)) == self.mode.is_engaged:
            self._disagreed = 0
            return
        self.counters["mismatches"] += 1
        self._disagreed += 1
        if self.mode.is_engaged and self._disagreed >= MOST_MISMATCHES:
            self._stop(Reason.MISMATCH, now_us)

    def command(self, values: Sequence[float], stamped_us: int, seq: int, now_us: int) -> Reason:
        """Takes a command, (n,) or longer in the axes' units; NONE, or why it is refused."""
        reason = self._refuses(values, stamped_us, seq, now_us)
        self.counters["refused" if reason else "commands"] += 1
        return reason

    def sense(self, sample: Sample, now_us: int) -> None:
        """Takes what the sensors say; it is judged at the next tick."""
        self._monitors.sense(sample, now_us)

    def tick(self, now_us: int) -> None:
        """One control period: judges, then moves the setpoint."""
        if self.mode.is_engaged:
            self._watch_host(now_us)
        fault = self._monitors.judge(self.setpoint.tolist(), now_us)
        if self.torque and fault:
            self._meet(fault, now_us)
        self._setpoints.advance(self.motion, self._measured())
        if self.motion is Motion.LAND and self._setpoints.has_landed:
            self._is_over = True

    def _watch_host(self, now_us: int) -> None:
        silent_us = now_us - self._gate.passed_us
        if self.mode is Mode.ACTIVE and silent_us > self._told.watchdog_ms * 1000:
            self.counters["watchdogs"] += 1
            self._stop(Reason.WATCHDOG, now_us)
        elif not self._hears_host(now_us):
            self._stop(Reason.HEARTBEAT, now_us)

    def _meet(self, fault: Reason, now_us: int) -> None:
        """Stops for a fault; a stop that cannot trust what it holds lets go, a landing goes on."""
        is_sensor = fault in SENSOR_FAULTS
        lands = self._told.reaction == Reaction.LAND
        if self.mode.is_engaged:
            self._stop(fault, now_us)
            self._is_over = is_sensor and not lands
        elif lands or not (is_sensor or fault is Reason.FOLLOWING):
            return
        else:
            self._is_over = True
        self.counters["sensor_faults"] += is_sensor

    def _refuses(self, values: Sequence[float], stamped_us: int, seq: int, now_us: int) -> Reason:
        if not self.mode.is_engaged:
            return Reason.WRONG_MODE
        asked = np.array(values[: self._told.axes], np.float32)
        reason = self._gate.refuses(
            asked.tolist(), stamped_us, seq, now_us, self._told.max_command_age_ms
        )
        return reason or self._take(asked, seq, now_us)

    def _take(self, asked: NDArray[np.float32], seq: int, now_us: int) -> Reason:
        """Follows a good command, unless it is a first one from too far away to jump to."""
        target = self._setpoints.clipped(asked)
        far = self._jumps(target) if self.mode is Mode.ARMED else np.zeros(len(target), np.bool_)
        if far.any() and self._told.first_command == ABORT:
            self._stop(Reason.JUMP, now_us)
            return Reason.JUMP
        self.counters["clipped"] += not np.array_equal(target, asked)
        self._gate.passes(seq, now_us)
        self._setpoints.follow(target, ramping=far)
        self.mode = Mode.ACTIVE
        return Reason.NONE

    def _jumps(self, target: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which positions a target is too far away from, (n,)."""
        is_position = np.array([axis.kind == AxisKind.POSITION for axis in self._setup.axes])
        most = np.array([axis.max_jump for axis in self._setup.axes], np.float32)
        return is_position & (np.abs(target - self.setpoint) > most)

    def _hears_host(self, now_us: int) -> bool:
        heard_us = self._heartbeat_us
        return heard_us is not None and now_us - heard_us <= self._told.heartbeat_ms * 1000

    def _arm(self, now_us: int) -> Reason:
        return self._engage(now_us) if self.mode is Mode.DISARMED else Reason.WRONG_MODE

    def _reset(self, now_us: int) -> Reason:
        if self.mode is Mode.PROTECTIVE_STOP:
            return self._engage(now_us)
        if self.mode is not Mode.ESTOP:
            return Reason.WRONG_MODE
        self.mode = Mode.DISARMED if self._setup.is_complete else Mode.BOOT
        self.reason = Reason.NONE
        return Reason.NONE

    def _engage(self, now_us: int) -> Reason:
        """Holds still where the robot is, if it may have torque; or why not."""
        if not self._hears_host(now_us):
            return Reason.HEARTBEAT
        unwell = self._monitors.health(now_us)
        if unwell:
            return unwell
        self.mode = Mode.ARMED
        self.reason = Reason.NONE
        self._disagreed = 0
        self._gate.open(now_us)
        self._setpoints.rebase(self._measured())
        self._monitors.begin(self.setpoint.tolist(), now_us)
        return Reason.NONE

    def _disarm(self) -> Reason:
        if self.mode is Mode.ESTOP:
            return Reason.WRONG_MODE
        self.mode = Mode.DISARMED
        self.reason = Reason.NONE
        return Reason.NONE

    def _estop(self) -> Reason:
        if self.mode is not Mode.ESTOP:
            self.mode = Mode.ESTOP
            self.reason = Reason.REQUESTED
            self.counters["stops"] += 1
        return Reason.NONE

    def _stop(self, reason: Reason, now_us: int) -> None:
        self.mode = Mode.PROTECTIVE_STOP
        self.reason = reason
        self.counters["stops"] += 1
        self._is_over = False
        self._monitors.begin(self.setpoint.tolist(), now_us)

    def _measured(self) -> NDArray[np.float32]:
        return np.array(self._monitors.measured, np.float32)
