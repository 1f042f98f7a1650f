"""Whether one axis does what its setpoint says, as far as its sensor tells."""

import math

from firmware_bridge.configuration import AxisConfiguration
from firmware_bridge.safety_words import AxisKind, Reason

MARGIN = 0.01  # of the range: noise, and how far a setpoint goes before the axis must be seen to
SPEED_GAIN = 0.25  # of a new sample in the measured speed: about 20 ms at 200 Hz
LEAP_SPEEDS = 4.0  # times the greatest measured speed: no motion
LEAP_SLEWS = 8.0  # times the slew, where no such speed is given


class AxisMonitor:
    """Remembers since when the axis is odd. All times are the controller's, in microseconds."""

    def __init__(self, axis: AxisConfiguration, sensor_ms: int, following_ms: int) -> None:
        self._axis = axis
        self._sensor_us = sensor_ms * 1000
        self._following_us = following_ms * 1000
        self._margin = MARGIN * (axis.maximum - axis.minimum)
        self._is_velocity = axis.kind == AxisKind.VELOCITY
        has_speed = not self._is_velocity and axis.max_speed < math.inf
        self._fastest_per_s = (
            LEAP_SPEEDS * axis.max_speed if has_speed else LEAP_SLEWS * axis.slew_per_s
        )
        self._speed = 0.0  # axis/s, low-passed
        self._changed = False  # since the last tick
        self._changed_at = 0.0  # the setpoint, when the measurement last changed
        self._near_us = 0  # when the setpoint was last near that
        self._followed_us = 0  # when the setpoint was last followed

    def leaps(self, before: float, after: float, dt_s: float) -> bool:
        """Takes what two samples `dt_s` apart say; whether no motion can be that fast."""
        step = after - before
        self._changed = self._changed or step != 0
        if not math.isfinite(step):
            return False  # is judged as such
        self._speed += SPEED_GAIN * (step / dt_s - self._speed)
        return abs(step) > self._margin + self._fastest_per_s * dt_s

    def begin(self, setpoint: float, now_us: int) -> None:
        """Starts the clocks anew: torque came on, or a stop began."""
        self._changed_at = setpoint
        self._near_us = self._followed_us = now_us

    def judge(self, setpoint: float, measured: float, effort: float, now_us: int) -> Reason:
        """What is wrong at this tick; the first reason of several."""
        if self._changed:
            self._changed_at = setpoint
        if self._changed or not abs(setpoint - self._changed_at) > self._margin:
            self._near_us = now_us
        if not abs(setpoint - measured) > self._axis.max_following:
            self._followed_us = now_us
        self._changed = False
        if now_us - self._near_us > self._sensor_us:
            return Reason.SENSOR_STUCK
        if now_us - self._followed_us > self._following_us:
            return Reason.FOLLOWING
        if abs(measured if self._is_velocity else self._speed) > self._axis.max_speed:
            return Reason.SPEED
        return self.strain(effort)

    def strain(self, effort: float) -> Reason:
        """EFFORT, if it is too great."""
        return Reason.EFFORT if abs(effort) > self._axis.max_effort else Reason.NONE

    def is_outside(self, measured: float) -> bool:
        """Whether a position is measured beyond its range by more than noise."""
        axis, margin = self._axis, self._margin
        inside = axis.minimum - margin <= measured <= axis.maximum + margin
        return not self._is_velocity and not inside
