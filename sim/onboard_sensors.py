"""What the vehicle itself can measure: noisy IMU, slow sonar altitude, late optical-flow speed.

The autopilot and every pilot fly on these; nothing on board sees the truth.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

Vector = tuple[float, float, float]
NOISE_BLOCK = 256  # rows of normal draws taken at once: one by one they cost more than physics


@dataclass(frozen=True)
class SensorConfig:
    """Noise and timing of parts of the AR.Drone's class; biases are drawn once per flight."""

    gyro_noise_rad_s: float = 0.005  # per sample at the control rate, with rotor vibration
    gyro_bias_rad_s: float = 0.001  # what is left after calibration on the ground
    accel_noise_m_s2: float = 0.15  # rotor vibration is most of it
    accel_bias_m_s2: float = 0.03
    sonar_hz: float = 25.0  # AR.Drone: ultrasound at 22 or 25 Hz
    sonar_noise_m: float = 0.008
    flow_hz: float = 50.0  # velocity from the downward camera
    flow_lag_s: float = 0.04  # exposure, transfer and computing
    flow_noise_m_s: float = 0.03
    flow_bias_m_s: float = 0.002
    flow_scale_error: float = 0.02  # the altitude enters as a factor


class Reading(NamedTuple):
    """What is known at one tick, body frame (x forward, y left, z up)."""

    gyro_rad_s: Vector
    accel_m_s2: Vector  # specific force: +9.81 along z at rest
    altitude_m: float  # above the floor, the newest there is
    velocity_b_m_s: Vector  # the newest there is
    altitude_is_new: bool
    velocity_is_new: bool


AT_REST = Reading((0.0, 0.0, 0.0), (0.0, 0.0, 9.81), 0.0, (0.0, 0.0, 0.0), False, False)


@dataclass
class SensorState:
    """All that changes while the sensors run; copied by World.save."""

    rng: np.random.Generator
    gyro_bias: Vector
    accel_bias: Vector
    flow_bias: Vector
    flow_scale: float
    tick: int = 0
    noise: list[list[float]] = field(default_factory=list)  # standard normal rows not used yet
    flow_queue: list[Vector] = field(default_factory=list)  # taken, not yet delivered, oldest first
    latest: Reading = AT_REST


class OnboardSensors:
    """Turns MuJoCo's exact sensor values into what the vehicle gets to know."""

    def __init__(self, config: SensorConfig, period_s: float) -> None:
        """One `read` per `period_s`; slower sensors deliver at a whole number of those."""
        self.config = config
        self._sonar_ticks = max(1, round(1 / (config.sonar_hz * period_s)))
        self._flow_ticks = max(1, round(1 / (config.flow_hz * period_s)))
        self._flow_delay = round(config.flow_lag_s / (self._flow_ticks * period_s))
        self.state: SensorState

    def reset(self, rng: np.random.Generator, altitude_m: float) -> None:
        """Starts a flight at rest: draws the biases from `rng` and keeps it for the noise."""
        config = self.config
        gyro = _draw(rng, config.gyro_bias_rad_s)
        accel = _draw(rng, config.accel_bias_m_s2)
        flow = _draw(rng, config.flow_bias_m_s)
        scale = 1.0 + config.flow_scale_error * float(rng.standard_normal())
        self.state = SensorState(rng, gyro, accel, flow, scale)
        self.state.latest = self.state.latest._replace(altitude_m=altitude_m)

    def read(self, exact: list[float]) -> Reading:
        """One tick.

        Args:
            exact: gyro (3), accelerometer (3), velocity (3), all in the body frame, and position
                (3) in the room frame.

        Returns:
            The new reading, which `state.latest` keeps.
        """
        state, config, known = self.state, self.config, self.state.latest
        noise = self._draw_noise()
        altitude_is_new = state.tick % self._sonar_ticks == 0
        flow = self._delayed_flow(exact, noise) if state.tick % self._flow_ticks == 0 else None
        state.tick += 1
        state.latest = Reading(
            gyro_rad_s=_noisy(exact, 0, config.gyro_noise_rad_s, noise, 0, state.gyro_bias),
            accel_m_s2=_noisy(exact, 3, config.accel_noise_m_s2, noise, 3, state.accel_bias),
            altitude_m=exact[11] + config.sonar_noise_m * noise[9]
            if altitude_is_new
            else known.altitude_m,
            velocity_b_m_s=flow or known.velocity_b_m_s,
            altitude_is_new=altitude_is_new,
            velocity_is_new=flow is not None,
        )
        return state.latest

    def _delayed_flow(self, exact: list[float], noise: list[float]) -> Vector | None:
        state, scale = self.state, self.state.flow_scale
        scaled = [scale * exact[6], scale * exact[7], scale * exact[8]]
        state.flow_queue.append(
            _noisy(scaled, 0, self.config.flow_noise_m_s, noise, 6, state.flow_bias)
        )
        return state.flow_queue.pop(0) if len(state.flow_queue) > self._flow_delay else None

    def _draw_noise(self) -> list[float]:
        state = self.state
        if not state.noise:
            state.noise = state.rng.standard_normal((NOISE_BLOCK, 10)).tolist()
        return state.noise.pop()


def _draw(rng: np.random.Generator, sd: float) -> Vector:
    x, y, z = (sd * rng.standard_normal(3)).tolist()
    return x, y, z


def _noisy(
    exact: list[float], start: int, sd: float, noise: list[float], first: int, bias: Vector
) -> Vector:
    return (
        exact[start] + sd * noise[first] + bias[0],
        exact[start + 1] + sd * noise[first + 1] + bias[1],
        exact[start + 2] + sd * noise[first + 2] + bias[2],
    )
