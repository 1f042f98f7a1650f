"""On-board firmware of a quadrotor: turns a command into rotor thrusts.

A cascade, each stage feeding the next, each with its limit:

    altitude, forward speed -> acceleration -> tilt -> turn rate -> torque -> rotor thrusts

It sees nothing but the sensors' `Reading`s and the command. Heading is held by integrating the yaw
gyro.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sim.flight_estimator import (
    GRAVITY_M_S2,
    EstimatorConfig,
    FlightEstimate,
    FlightEstimator,
    clip,
)
from sim.onboard_sensors import Reading, Vector

Thrusts = tuple[float, float, float, float]


@dataclass(frozen=True)
class AutopilotConfig:
    """Gains and limits; each loop is about three times as fast as the one around it."""

    command_timeout_s: float = 0.07  # s without a command until it hovers in place: three at 50 Hz
    max_speed_m_s: float = 1.5  # commands beyond are clipped
    max_accel_m_s2: float = 1.0  # slope of the speed reference
    max_tilt_rad: float = 0.25  # AR.Drone: 12 degrees by default, 30 at most
    max_turn_rad_s: float = 3.0  # of roll and pitch
    max_yaw_rate_rad_s: float = 2.0  # AR.Drone: 100 deg/s by default
    max_climb_m_s: float = 0.7  # AR.Drone's default vertical speed limit
    altitude_range_m: tuple[float, float] = (0.3, 2.7)  # commands beyond are clipped
    cut_out_tilt_rad: float = 1.4  # stops the rotors for good when tilted further, as the AR.Drone
    speed_gain: float = 2.0  # 1/s
    speed_integral: float = 0.8  # 1/s2; trims out what the accelerometer's bias tilts
    tilt_lag_s: float = 0.2  # from wanted to real acceleration; the speed reference waits for it
    tilt_gain: float = 7.0  # 1/s
    rate_gain: float = 22.0  # 1/s
    yaw_rate_gain: float = 8.0  # 1/s
    yaw_hold_gain: float = 6.0  # 1/s2; holds the heading that the yaw rates add up to
    altitude_gain: float = 1.6  # 1/s
    climb_gain: float = 5.0  # 1/s
    climb_integral: float = 2.0  # 1/s2; finds the thrust that hovers
    max_speed_trim_m_s2: float = 0.4  # of the speed integrals
    max_climb_trim_m_s2: float = 2.0  # of the climb integral
    max_heading_error_rad: float = 0.3  # more is forgotten: a held vehicle must not wind up


class Airframe(NamedTuple):
    """What the firmware knows of the body it flies: the nominal values it was tuned for."""

    mass_kg: float
    inertia_kg_m2: Vector  # about x, y, z
    rotor_offset_m: float  # of each rotor axis along x and y
    yaw_torque_per_thrust_m: float
    max_thrust_n: float  # of one rotor
    drag_n_s_m: float


@dataclass
class AutopilotState:
    """All that changes in flight; copied by World.save."""

    estimate: FlightEstimate = field(default_factory=FlightEstimate)
    # the command, and how old it is
    forward_speed: float = 0.0
    yaw_rate: float = 0.0
    altitude: float = 0.0
    command_age_s: float = math.inf
    # references, which follow the command by ramps
    speed_ramp: float = 0.0
    speed_reference: float = 0.0  # the ramp after the lag of tilting
    altitude_reference: float = 0.0
    # integrals, m/s2 and rad
    forward_trim: float = 0.0
    left_trim: float = 0.0
    climb_trim: float = 0.0
    heading_error: float = 0.0
    cut_out: bool = False  # rotors stopped until somebody starts it anew


class Autopilot:
    """One `update` per control period: sensor reading in, rotor thrusts out."""

    def __init__(self, config: AutopilotConfig, airframe: Airframe, period_s: float) -> None:
        """Level and at rest at altitude 0 until started."""
        self.config = config
        self.airframe = airframe
        self.period_s = period_s
        self._estimator = FlightEstimator(EstimatorConfig(), period_s)
        self.start(0.0)

    @property
    def state(self) -> AutopilotState:
        """All that changes in flight."""
        return self._state

    @state.setter
    def state(self, state: AutopilotState) -> None:
        self._state = state
        self._estimator.estimate = state.estimate

    def start(self, altitude_m: float) -> None:
        """Forgets everything: level, at rest, holding this altitude, without a command."""
        self.state = AutopilotState(
            estimate=FlightEstimate(altitude_m=altitude_m),
            altitude=altitude_m,
            altitude_reference=altitude_m,
        )

    def command(self, forward_speed_m_s: float, yaw_rate_rad_s: float, altitude_m: float) -> None:
        """Takes a new command, clipped to the limits, and restarts the watchdog."""
        config, state = self.config, self.state
        state.forward_speed = clip(forward_speed_m_s, config.max_speed_m_s)
        state.yaw_rate = clip(yaw_rate_rad_s, config.max_yaw_rate_rad_s)
        low, high = config.altitude_range_m
        state.altitude = min(max(altitude_m, low), high)
        state.command_age_s = 0.0

    @property
    def hovers_on_watchdog(self) -> bool:
        """True while no command has come for `command_timeout_s`, so that it holds its place."""
        return self.state.command_age_s > self.config.command_timeout_s

    def update(self, reading: Reading) -> Thrusts:
        """One control period.

        Returns:
            Thrust of each rotor in N, order as in `sim.robots.quadrotor`.
        """
        self._watch_command()
        estimate, state = self._estimator.update(reading), self.state
        state.cut_out = state.cut_out or estimate.up[2] < math.cos(self.config.cut_out_tilt_rad)
        if state.cut_out:
            return (0.0, 0.0, 0.0, 0.0)
        climb_accel = self._control_altitude(estimate)
        roll_rad, pitch_rad = self._control_speed(estimate)
        torques = self._control_attitude(estimate, reading.gyro_rad_s, roll_rad, pitch_rad)
        lift_n = self.airframe.mass_kg * (GRAVITY_M_S2 + climb_accel) / max(estimate.up[2], 0.5)
        return mix_rotors(lift_n, torques, self.airframe)

    def _watch_command(self) -> None:
        state = self.state
        state.command_age_s += self.period_s
        if self.hovers_on_watchdog:
            state.forward_speed = state.yaw_rate = 0.0
            state.altitude = state.altitude_reference

    def _control_altitude(self, estimate: FlightEstimate) -> float:
        """Vertical acceleration wanted, m/s2."""
        state, config, dt = self.state, self.config, self.period_s
        to_go_m = state.altitude - state.altitude_reference
        state.altitude_reference += clip(to_go_m, config.max_climb_m_s * dt)
        error_m = state.altitude_reference - estimate.altitude_m
        error_m_s = clip(config.altitude_gain * error_m, config.max_climb_m_s) - estimate.climb_m_s
        trim = state.climb_trim + config.climb_integral * error_m_s * dt
        state.climb_trim = clip(trim, config.max_climb_trim_m_s2)
        return config.climb_gain * error_m_s + state.climb_trim

    def _control_speed(self, estimate: FlightEstimate) -> tuple[float, float]:
        """Roll and pitch wanted, rad: forward speed follows its ramp, sideways speed stays zero."""
        state, config, dt = self.state, self.config, self.period_s
        ramp = clip(state.forward_speed - state.speed_ramp, config.max_accel_m_s2 * dt)
        state.speed_ramp += ramp
        state.speed_reference += (state.speed_ramp - state.speed_reference) * dt / config.tilt_lag_s
        forward_error = state.speed_reference - estimate.forward_m_s
        if abs(state.speed_ramp - state.speed_reference) < 0.05:  # speeding up must not wind it up
            self._trim_speed(forward_error, -estimate.left_m_s)
        forward = config.speed_gain * forward_error + state.forward_trim
        forward += ramp / dt - estimate.bias_forward_m_s2
        forward += self.airframe.drag_n_s_m / self.airframe.mass_kg * state.speed_reference
        left = state.left_trim - config.speed_gain * estimate.left_m_s - estimate.bias_left_m_s2
        left += estimate.forward_m_s * state.yaw_rate  # what flying a curve needs
        limit = config.max_tilt_rad
        return clip(-left / GRAVITY_M_S2, limit), clip(forward / GRAVITY_M_S2, limit)

    def _trim_speed(self, forward_error_m_s: float, left_error_m_s: float) -> None:
        state, limit = self.state, self.config.max_speed_trim_m_s2
        step = self.config.speed_integral * self.period_s
        state.forward_trim = clip(state.forward_trim + step * forward_error_m_s, limit)
        state.left_trim = clip(state.left_trim + step * left_error_m_s, limit)

    def _control_attitude(
        self, estimate: FlightEstimate, gyro_rad_s: Vector, roll_rad: float, pitch_rad: float
    ) -> Vector:
        """Torques about x, y, z in N m that turn to the roll and pitch wanted."""
        state, config = self.state, self.config
        roll_rate = clip(config.tilt_gain * (roll_rad - estimate.roll_rad), config.max_turn_rad_s)
        pitch_rate = clip(
            config.tilt_gain * (pitch_rad - estimate.pitch_rad), config.max_turn_rad_s
        )
        yaw_error = state.yaw_rate - gyro_rad_s[2]
        state.heading_error = clip(
            state.heading_error + yaw_error * self.period_s, config.max_heading_error_rad
        )
        yaw_accel = config.yaw_rate_gain * yaw_error + config.yaw_hold_gain * state.heading_error
        about_x, about_y, about_z = self.airframe.inertia_kg_m2
        return (
            about_x * config.rate_gain * (roll_rate - gyro_rad_s[0]),
            about_y * config.rate_gain * (pitch_rate - gyro_rad_s[1]),
            about_z * yaw_accel,
        )


def mix_rotors(lift_n: float, torques_n_m: Sequence[float], airframe: Airframe) -> Thrusts:
    """Spreads total lift and torques over the rotors; when one saturates, yaw gives way first.

    Levelling must never fail for want of thrust, so yaw gets the room that roll and pitch leave.
    """
    top = airframe.max_thrust_n
    mean = min(max(lift_n / 4, 0.15 * top), 0.85 * top)
    room = min(mean, top - mean)
    roll = clip(torques_n_m[0] / (4 * airframe.rotor_offset_m), room / 2)
    pitch = clip(torques_n_m[1] / (4 * airframe.rotor_offset_m), room / 2)
    left_over = max(0.0, room - abs(roll) - abs(pitch))
    yaw = clip(torques_n_m[2] / (4 * airframe.yaw_torque_per_thrust_m), left_over)
    return (
        mean + roll - pitch + yaw,
        mean - roll - pitch - yaw,
        mean - roll + pitch + yaw,
        mean + roll + pitch - yaw,
    )
