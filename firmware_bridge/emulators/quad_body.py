"""A quadrotor that its flight controller keeps level: velocities follow what is asked, with a lag.

Frame: local NED; the ground is at z = `ground_z_m`. Heading from north to the right, rad.
"""

import math
from dataclasses import dataclass
from typing import Final

VELOCITY_LAG_S: Final = 0.3  # first order, of a small quadrotor's velocity controller; our estimate
YAW_LAG_S: Final = 0.1
LEAN_RAD_S_M: Final = 0.06  # nose down per m/s: drag of a small quadrotor against gravity; estimate


@dataclass
class QuadBody:
    """Where it is and how it moves."""

    ground_z_m: float = 0.0
    x_m: float = 0.0
    y_m: float = 0.0
    z_m: float = 0.0
    vx_m_s: float = 0.0
    vy_m_s: float = 0.0
    vz_m_s: float = 0.0
    heading_rad: float = 0.0
    yaw_rate_rad_s: float = 0.0

    def __post_init__(self) -> None:
        """Stands on the ground."""
        self.z_m = self.ground_z_m

    @property
    def altitude_m(self) -> float:
        """Above the ground."""
        return self.ground_z_m - self.z_m

    @property
    def on_ground(self) -> bool:
        """Whether it stands."""
        return self.altitude_m < 0.01

    @property
    def pitch_rad(self) -> float:
        """Nose up; it leans into its speed."""
        ahead_m_s = self.vx_m_s * math.cos(self.heading_rad) + self.vy_m_s * math.sin(
            self.heading_rad
        )
        return -LEAN_RAD_S_M * ahead_m_s

    def fly(
        self, velocity_m_s: tuple[float, float, float], yaw_rate_rad_s: float, dt_s: float
    ) -> None:
        """One step towards a velocity (north, east, down) and a yaw rate."""
        share = -math.expm1(-dt_s / VELOCITY_LAG_S)
        vx, vy, vz = velocity_m_s
        self.vx_m_s += share * (vx - self.vx_m_s)
        self.vy_m_s += share * (vy - self.vy_m_s)
        self.vz_m_s += share * (vz - self.vz_m_s)
        self.yaw_rate_rad_s += -math.expm1(-dt_s / YAW_LAG_S) * (
            yaw_rate_rad_s - self.yaw_rate_rad_s
        )
        self._move(dt_s)

    def fall(self, dt_s: float) -> None:
        """One step without motors."""
        self.vz_m_s += 9.81 * dt_s
        self._move(dt_s)

    def _move(self, dt_s: float) -> None:
        self.x_m += self.vx_m_s * dt_s
        self.y_m += self.vy_m_s * dt_s
        self.z_m = min(self.z_m + self.vz_m_s * dt_s, self.ground_z_m)
        turned_rad = self.heading_rad + self.yaw_rate_rad_s * dt_s
        self.heading_rad = math.remainder(turned_rad, math.tau)
        if self.on_ground and self.vz_m_s >= 0.0:
            self.vx_m_s = self.vy_m_s = self.vz_m_s = self.yaw_rate_rad_s = 0.0
