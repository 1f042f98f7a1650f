"""On-board firmware of a quadrotor: estimates its motion and turns a command into rotor thrusts.

A cascade, each stage feeding the next, each with its limit:

    altitude, forward speed -> acceleration -> tilt -> turn rate -> torque -> rotor thrusts

Plain floats, because at 250 Hz NumPy's overhead on vectors of three would cost ten times the
arithmetic. It sees nothing but `Reading`s and the command.

Attitude: the direction of "up" in the body frame, turned by the gyro and pulled slowly towards the
accelerometer (Mahony, Hamel, Pflimlin: "Nonlinear complementary filters on the special orthogonal
group", IEEE TAC 2008, in its vector form). There is no compass: the heading is held by integrating
the yaw gyro.

Speed: the accelerometer's, corrected by optical flow, with the acceleration that a wrong attitude
hides as a third state of the observer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sim.onboard_sensors import Reading, Vector

GRAVITY_M_S2 = 9.81
Thrusts = tuple[float, float, float, float]


@dataclass(frozen=True)
class AutopilotConfig:
    """Gains and limits; each loop is about three times as fast as the one around it."""

    command_timeout_s: float = 0.25  # hovers in place when no command came for so long
    max_speed_m_s: float = 1.5  # commands beyond are clipped
    max_accel_m_s2: float = 1.0  # slope of the speed reference
    max_tilt_rad: float = 0.25  # AR.Drone: 12 degrees by default, 30 at most
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
    attitude_trust_s: float = 3.0  # time constant of the pull towards the accelerometer
    flow_trust: tuple[float, float] = (0.2, 0.2)  # at each flow sample: of speed; of its bias, 1/s
    sonar_trust: tuple[float, float] = (
        0.25,
        0.8,
    )  # at each sonar sample: of the altitude; of the climb rate, 1/s


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
    """All that changes in flight, copied by World.save. Heading frame h: the body turned level."""

    # command
    forward_speed: float = 0.0
    yaw_rate: float = 0.0
    altitude: float = 0.0
    command_age_s: float = math.inf
    # estimates
    up: Vector = (0.0, 0.0, 1.0)  # in the body frame
    speed_forward: float = 0.0  # m/s in h
    speed_left: float = 0.0
    bias_forward: float = 0.0  # m/s2 in h, the acceleration that an attitude error hides
    bias_left: float = 0.0
    altitude_estimate: float = 0.0
    climb: float = 0.0
    # references and integrals
    speed_ramp: float = 0.0
    speed_reference: float = 0.0  # the ramp after the lag of tilting
    altitude_reference: float = 0.0
    forward_integral: float = 0.0
    left_integral: float = 0.0
    climb_integral: float = 0.0
    heading_error: float = 0.0
    cut_out: bool = False  # rotors stopped until somebody starts it anew


class Autopilot:
    """One `update` per control period: sensor reading in, rotor thrusts out."""

    def __init__(self, config: AutopilotConfig, airframe: Airframe, period_s: float) -> None:
        """The airframe's mass, inertia and rotors are what the firmware was tuned for."""
        self.config = config
        self.airframe = airframe
        self.period_s = period_s
        self.state = AutopilotState()

    def start(self, altitude_m: float) -> None:
        """Forgets everything: level, at rest, holding this altitude, without a command."""
        self.state = AutopilotState(
            altitude=altitude_m, altitude_estimate=altitude_m, altitude_reference=altitude_m
        )

    def command(self, forward_speed_m_s: float, yaw_rate_rad_s: float, altitude_m: float) -> None:
        """Takes a new command, clipped to the limits, and restarts the watchdog."""
        config, state = self.config, self.state
        state.forward_speed = _clip(forward_speed_m_s, config.max_speed_m_s)
        state.yaw_rate = _clip(yaw_rate_rad_s, config.max_yaw_rate_rad_s)
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
        tilt = self._estimate(reading)
        state, config = self.state, self.config
        state.cut_out = state.cut_out or state.up[2] < math.cos(config.cut_out_tilt_rad)
        if state.cut_out:
            return (0.0, 0.0, 0.0, 0.0)
        climb_accel = self._control_altitude()
        roll_wanted, pitch_wanted = self._control_speed()
        torques = self._control_attitude(reading.gyro_rad_s, tilt, (roll_wanted, pitch_wanted))
        lift = self.airframe.mass_kg * (GRAVITY_M_S2 + climb_accel) / max(state.up[2], 0.5)
        return mix_rotors(lift, torques, self.airframe)

    def _watch_command(self) -> None:
        state = self.state
        state.command_age_s += self.period_s
        if self.hovers_on_watchdog:
            state.forward_speed = state.yaw_rate = 0.0
            state.altitude = state.altitude_reference

    def _estimate(self, reading: Reading) -> tuple[float, float]:
        """Updates up direction, speeds and altitude; returns roll and pitch in rad."""
        state, dt = self.state, self.period_s
        yaw_rate = reading.gyro_rad_s[2]
        accel_x, accel_y, accel_z = reading.accel_m_s2
        steady_accel = (  # without what flying a curve adds
            accel_x + yaw_rate * state.speed_left,
            accel_y - yaw_rate * state.speed_forward,
            accel_z,
        )
        trust = dt / self.config.attitude_trust_s
        state.up = _turn_up(state.up, reading.gyro_rad_s, steady_accel, dt, trust)
        roll, pitch = (
            math.atan2(state.up[1], state.up[2]),
            math.asin(max(-1.0, min(1.0, -state.up[0]))),
        )
        forward, left, lift = to_heading_frame(reading.accel_m_s2, roll, pitch)
        speed_forward = (
            state.speed_forward + (forward + state.bias_forward + yaw_rate * state.speed_left) * dt
        )
        speed_left = (
            state.speed_left + (left + state.bias_left - yaw_rate * state.speed_forward) * dt
        )
        climb = state.climb + (lift - GRAVITY_M_S2) * dt
        altitude = state.altitude_estimate + climb * dt
        if reading.velocity_b_m_s is not None:
            flow_forward, flow_left, _ = to_heading_frame(reading.velocity_b_m_s, roll, pitch)
            of_speed, of_bias = self.config.flow_trust
            surprise_forward, surprise_left = flow_forward - speed_forward, flow_left - speed_left
            speed_forward += of_speed * surprise_forward
            speed_left += of_speed * surprise_left
            state.bias_forward = _clip(state.bias_forward + of_bias * surprise_forward, 1.0)
            state.bias_left = _clip(state.bias_left + of_bias * surprise_left, 1.0)
        if reading.altitude_m is not None:
            surprise = reading.altitude_m - altitude
            altitude += self.config.sonar_trust[0] * surprise
            climb += self.config.sonar_trust[1] * surprise
        state.speed_forward, state.speed_left = speed_forward, speed_left
        state.climb, state.altitude_estimate = climb, altitude
        return roll, pitch

    def _control_altitude(self) -> float:
        """Vertical acceleration wanted, m/s2."""
        state, config, dt = self.state, self.config, self.period_s
        state.altitude_reference += _clip(
            state.altitude - state.altitude_reference, config.max_climb_m_s * dt
        )
        error = state.altitude_reference - state.altitude_estimate
        climb_error = _clip(config.altitude_gain * error, config.max_climb_m_s) - state.climb
        state.climb_integral = _clip(
            state.climb_integral + config.climb_integral * climb_error * dt, 2.0
        )
        return config.climb_gain * climb_error + state.climb_integral

    def _control_speed(self) -> tuple[float, float]:
        """Roll and pitch wanted, rad: forward speed follows its ramp, sideways speed stays zero."""
        state, config, dt = self.state, self.config, self.period_s
        ramp = _clip(state.forward_speed - state.speed_ramp, config.max_accel_m_s2 * dt)
        state.speed_ramp += ramp
        state.speed_reference += (state.speed_ramp - state.speed_reference) * dt / config.tilt_lag_s
        forward_error = state.speed_reference - state.speed_forward
        if abs(state.speed_ramp - state.speed_reference) < 0.05:  # speeding up must not wind it up
            step = config.speed_integral * dt
            state.forward_integral = _clip(state.forward_integral + step * forward_error, 0.4)
            state.left_integral = _clip(state.left_integral - step * state.speed_left, 0.4)
        drag = self.airframe.drag_n_s_m / self.airframe.mass_kg
        forward = config.speed_gain * forward_error + state.forward_integral - state.bias_forward
        forward += drag * state.speed_reference + ramp / dt
        left = state.left_integral - config.speed_gain * state.speed_left - state.bias_left
        left += state.speed_forward * state.yaw_rate  # what flying a curve needs
        limit = config.max_tilt_rad
        return _clip(-left / GRAVITY_M_S2, limit), _clip(forward / GRAVITY_M_S2, limit)

    def _control_attitude(
        self, gyro: Vector, tilt: tuple[float, float], wanted: tuple[float, float]
    ) -> Vector:
        """Torques about x, y, z in N m."""
        state, config = self.state, self.config
        inertia = self.airframe.inertia_kg_m2
        roll_accel = config.rate_gain * (
            _clip(config.tilt_gain * (wanted[0] - tilt[0]), 3.0) - gyro[0]
        )
        pitch_accel = config.rate_gain * (
            _clip(config.tilt_gain * (wanted[1] - tilt[1]), 3.0) - gyro[1]
        )
        yaw_error = state.yaw_rate - gyro[2]
        state.heading_error = _clip(state.heading_error + yaw_error * self.period_s, 0.3)
        yaw_accel = config.yaw_rate_gain * yaw_error + config.yaw_hold_gain * state.heading_error
        return inertia[0] * roll_accel, inertia[1] * pitch_accel, inertia[2] * yaw_accel


def mix_rotors(lift_n: float, torques_n_m: Sequence[float], airframe: Airframe) -> Thrusts:
    """Spreads total lift and torques over the rotors; when one saturates, yaw gives way first.

    Levelling must never fail for want of thrust, so yaw gets the room that roll and pitch leave.
    """
    top = airframe.max_thrust_n
    mean = min(max(lift_n / 4, 0.15 * top), 0.85 * top)
    room = min(mean, top - mean)
    roll = _clip(torques_n_m[0] / (4 * airframe.rotor_offset_m), room / 2)
    pitch = _clip(torques_n_m[1] / (4 * airframe.rotor_offset_m), room / 2)
    yaw = _clip(
        torques_n_m[2] / (4 * airframe.yaw_torque_per_thrust_m),
        max(0.0, room - abs(roll) - abs(pitch)),
    )
    return (
        mean + roll - pitch + yaw,
        mean - roll - pitch - yaw,
        mean - roll + pitch + yaw,
        mean + roll + pitch - yaw,
    )


def to_heading_frame(vector_b: Vector, roll_rad: float, pitch_rad: float) -> Vector:
    """A body-frame vector in the heading frame: x level ahead, y level to the left, z up."""
    cos_roll, sin_roll = math.cos(roll_rad), math.sin(roll_rad)
    cos_pitch, sin_pitch = math.cos(pitch_rad), math.sin(pitch_rad)
    x, y, z = vector_b
    z_rolled = sin_roll * y + cos_roll * z
    return (
        cos_pitch * x + sin_pitch * z_rolled,
        cos_roll * y - sin_roll * z,
        cos_pitch * z_rolled - sin_pitch * x,
    )


def _turn_up(up: Vector, gyro: Vector, accel: Vector, dt: float, trust: float) -> Vector:
    """Up in the body frame a period later: turned against the gyro, pulled to the accelerometer."""
    ux, uy, uz = up
    wx, wy, wz = gyro
    ax, ay, az = accel
    scale = trust / GRAVITY_M_S2
    vx = ux + (uy * wz - uz * wy) * dt + scale * ax - trust * ux
    vy = uy + (uz * wx - ux * wz) * dt + scale * ay - trust * uy
    vz = uz + (ux * wy - uy * wx) * dt + scale * az - trust * uz
    norm = math.sqrt(vx * vx + vy * vy + vz * vz)
    return vx / norm, vy / norm, vz / norm


def _clip(value: float, limit: float) -> float:
    return -limit if value < -limit else min(value, limit)
