"""How the firmware knows its own motion: attitude, speed and altitude from noisy, late sensors.

Plain floats, because at 250 Hz NumPy's overhead on vectors of three would cost ten times the
arithmetic. Heading frame h: the body frame turned level, x ahead, y left, z up.

Attitude: the direction of "up" in the body frame, turned by the gyro and pulled slowly towards the
accelerometer (Mahony, Hamel, Pflimlin: "Nonlinear complementary filters on the special orthogonal
group", IEEE TAC 2008, in its vector form). There is no compass, so heading is not estimated.

Speed: the accelerometer's, corrected by optical flow; a third state takes up the acceleration that
an attitude error hides. Altitude: the accelerometer's, corrected by sonar.
"""

import math
from dataclasses import dataclass

from sim.onboard_sensors import Reading, Vector

GRAVITY_M_S2 = 9.81
MAX_BIAS_M_S2 = 1.0  # an attitude error of 0.1 rad


@dataclass(frozen=True)
class EstimatorConfig:
    """How much each sensor is trusted."""

    attitude_trust_s: float = 3.0  # time constant of the pull towards the accelerometer
    flow_trust: tuple[float, float] = (0.2, 0.2)  # at each flow sample: of speed; of its bias, 1/s
    sonar_trust: tuple[float, float] = (0.25, 0.8)  # at each sample: of altitude; of climb, 1/s


@dataclass
class FlightEstimate:
    """The estimator's state; copied by World.save."""

    altitude_m: float = 0.0
    climb_m_s: float = 0.0
    up: Vector = (0.0, 0.0, 1.0)  # in the body frame
    forward_m_s: float = 0.0  # in h
    left_m_s: float = 0.0
    bias_forward_m_s2: float = 0.0  # in h, the acceleration that an attitude error hides
    bias_left_m_s2: float = 0.0

    @property
    def roll_rad(self) -> float:
        """About x, left side up."""
        return math.atan2(self.up[1], self.up[2])

    @property
    def pitch_rad(self) -> float:
        """About y, nose down."""
        return math.asin(max(-1.0, min(1.0, -self.up[0])))


class FlightEstimator:
    """One `update` per control period."""

    def __init__(self, config: EstimatorConfig, period_s: float) -> None:
        """`estimate` holds the result; it may be replaced."""
        self.config = config
        self.period_s = period_s
        self.estimate = FlightEstimate()

    def update(self, reading: Reading) -> FlightEstimate:
        """Takes one reading in."""
        estimate = self.estimate
        self._turn(reading)
        tilt = estimate.roll_rad, estimate.pitch_rad
        self._move(to_heading_frame(reading.accel_m_s2, *tilt), reading.gyro_rad_s[2])
        if reading.velocity_is_new:
            self._correct_speed(to_heading_frame(reading.velocity_b_m_s, *tilt))
        if reading.altitude_is_new:
            surprise_m = reading.altitude_m - estimate.altitude_m
            estimate.altitude_m += self.config.sonar_trust[0] * surprise_m
            estimate.climb_m_s += self.config.sonar_trust[1] * surprise_m
        return estimate

    def _turn(self, reading: Reading) -> None:
        """Turns up against the gyro and pulls it towards what the accelerometer calls up."""
        estimate, dt = self.estimate, self.period_s
        ux, uy, uz = estimate.up
        wx, wy, wz = reading.gyro_rad_s
        ax, ay, az = reading.accel_m_s2
        ax += wz * estimate.left_m_s  # without what flying a curve adds
        ay -= wz * estimate.forward_m_s
        trust = dt / self.config.attitude_trust_s
        scale = trust / GRAVITY_M_S2
        vx = ux + (uy * wz - uz * wy) * dt + scale * ax - trust * ux
        vy = uy + (uz * wx - ux * wz) * dt + scale * ay - trust * uy
        vz = uz + (ux * wy - uy * wx) * dt + scale * az - trust * uz
        norm = math.sqrt(vx * vx + vy * vy + vz * vz)
        estimate.up = vx / norm, vy / norm, vz / norm

    def _move(self, accel_h: Vector, yaw_rate_rad_s: float) -> None:
        """Integrates the accelerometer; the heading frame itself turns."""
        estimate, dt = self.estimate, self.period_s
        forward, left, lift = accel_h
        forward += estimate.bias_forward_m_s2 + yaw_rate_rad_s * estimate.left_m_s
        left += estimate.bias_left_m_s2 - yaw_rate_rad_s * estimate.forward_m_s
        estimate.forward_m_s += forward * dt
        estimate.left_m_s += left * dt
        estimate.climb_m_s += (lift - GRAVITY_M_S2) * dt
        estimate.altitude_m += estimate.climb_m_s * dt

    def _correct_speed(self, flow_h: Vector) -> None:
        estimate, (of_speed, of_bias) = self.estimate, self.config.flow_trust
        forward, left = flow_h[0] - estimate.forward_m_s, flow_h[1] - estimate.left_m_s
        estimate.forward_m_s += of_speed * forward
        estimate.left_m_s += of_speed * left
        estimate.bias_forward_m_s2 = clip(
            estimate.bias_forward_m_s2 + of_bias * forward, MAX_BIAS_M_S2
        )
        estimate.bias_left_m_s2 = clip(estimate.bias_left_m_s2 + of_bias * left, MAX_BIAS_M_S2)


def to_heading_frame(vector_b: Vector, roll_rad: float, pitch_rad: float) -> Vector:
    """A body-frame vector in the heading frame."""
    cos_roll, sin_roll = math.cos(roll_rad), math.sin(roll_rad)
    cos_pitch, sin_pitch = math.cos(pitch_rad), math.sin(pitch_rad)
    x, y, z = vector_b
    level_y, level_z = cos_roll * y - sin_roll * z, sin_roll * y + cos_roll * z
    return cos_pitch * x + sin_pitch * level_z, level_y, cos_pitch * level_z - sin_pitch * x


def clip(value: float, limit: float) -> float:
    """The value within -limit..limit."""
    return -limit if value < -limit else min(value, limit)
