"""From a robot's command to a velocity set-point, and from telemetry back to the axes' units.

The robot's axes look from the robot: x ahead, y left, z up; yaw turns left (counter-clockwise seen
from above) when positive. MAVLink's look as aviators do: x ahead or north, y right or east, z DOWN;
yaw turns right. So speeds ahead keep their sign, yaw rates and everything vertical change it:

    command                 SET_POSITION_TARGET_LOCAL_NED          telemetry
    forward_speed  m/s      vx (BODY), or vx, vy by the heading    (vx, vy) along the heading
    yaw_rate       rad/s    yaw_rate = -command                    -yawspeed
    altitude       m        vz = -gain (command - measured)        ground z - z

Altitude is held by a vertical velocity, not by a z set-point: ArduPilot wants all three axes of a
position or none, PX4 ignores positions in its body frame, and one speed limit then holds on the way
up and down. Its price is that the measured altitude must be there and fresh.

PX4 is sent LOCAL_NED, turned here by the measured heading: it turns a velocity in BODY_NED by its
whole attitude (`handle_message_set_position_target_local_ned`), so that a quadrotor leaning into
its speed would sink. ArduPilot turns by the heading alone and is sent BODY_OFFSET_NED.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from firmware_bridge.errors import LimitsTableError
from firmware_bridge.mavlink.autopilots import LOCAL_NED

Array = NDArray[np.float64]

UNITS: Final = {"forward_speed": "m/s", "yaw_rate": "rad/s", "altitude": "m"}

VELOCITY_AND_YAW_RATE: Final = 0x5C7
"""POSITION_TARGET_TYPEMASK, the bits of what is to be ignored: position (0x007), acceleration
(0x1C0) and yaw (0x400). What is left is the velocity and the yaw rate."""


class Setpoint(NamedTuple):
    """What SET_POSITION_TARGET_LOCAL_NED carries."""

    frame: int  # MAV_FRAME
    vx_m_s: float  # north, or ahead
    vy_m_s: float  # east, or right
    vz_m_s: float  # down
    yaw_rate_rad_s: float  # to the right


class Motion(NamedTuple):
    """What the vehicle measured, NED."""

    vx_m_s: float  # north
    vy_m_s: float  # east
    altitude_m: float  # above the ground that it stood on
    heading_rad: float  # from north to the right
    yaw_rate_rad_s: float  # to the right


class VelocityAxes:
    """The three axes of a robot that flies by velocities, in the order of its `[limits]`."""

    def __init__(self, limits: Limits, frame: int, gain_per_s: float) -> None:
        """Finds the axes.

        Args:
            limits: of the robot.
            frame: MAV_FRAME to send velocities in.
            gain_per_s: vertical speed per metre that the altitude is off; the altitude axis's
                `slew_per_s` is the greatest.

        Raises:
            LimitsTableError: other axes than a flight controller can be told.
        """
        units = {axis.name: axis.unit for axis in limits.axes}
        if units != UNITS:
            wanted = ", ".join(f"{name} ({unit})" for name, unit in UNITS.items())
            found = ", ".join(f"{name} ({unit})" for name, unit in units.items())
            raise LimitsTableError(
                f"driver 'mavlink' flies the axes {wanted}; [limits] has {found}"
            )
        names = [axis.name for axis in limits.axes]
        self._forward, self._yaw, self._altitude = (names.index(name) for name in UNITS)
        self._climb_m_s = limits.axes[self._altitude].slew_per_s
        self._minimum = np.array([axis.minimum for axis in limits.axes])  # (3,)
        self._maximum = np.array([axis.maximum for axis in limits.axes])  # (3,)
        self._frame, self._gain_per_s = frame, gain_per_s

    def clip(self, command: Array) -> Array:
        """(3,) within the limits: the host's limiter did so already, and is not alone in it."""
        return np.clip(np.asarray(command, np.float64), self._minimum, self._maximum)

    def setpoint(self, command: Array, motion: Motion) -> Setpoint:
        """What to send for a command (3,) in the axes' units."""
        off_m = float(command[self._altitude]) - motion.altitude_m
        climb_m_s = min(max(self._gain_per_s * off_m, -self._climb_m_s), self._climb_m_s)
        forward_m_s, right_yaw_rad_s = float(command[self._forward]), -float(command[self._yaw])
        if self._frame != LOCAL_NED:
            return Setpoint(self._frame, forward_m_s, 0.0, -climb_m_s, right_yaw_rad_s)
        north_m_s = forward_m_s * math.cos(motion.heading_rad)
        east_m_s = forward_m_s * math.sin(motion.heading_rad)
        return Setpoint(self._frame, north_m_s, east_m_s, -climb_m_s, right_yaw_rad_s)

    def hover(self) -> Setpoint:
        """Stand still in the air: needs nothing measured."""
        return Setpoint(self._frame, 0.0, 0.0, 0.0, 0.0)

    def measured(self, motion: Motion) -> Array:
        """(3,) in the axes' units."""
        values = np.empty(3)
        values[self._forward] = motion.vx_m_s * math.cos(
            motion.heading_rad
        ) + motion.vy_m_s * math.sin(motion.heading_rad)
        values[self._yaw] = -motion.yaw_rate_rad_s
        values[self._altitude] = motion.altitude_m
        return values

    def still(self, motion: Motion) -> Array:
        """(3,) the command that means: stay where you are."""
        values = np.zeros(3)
        values[self._altitude] = motion.altitude_m
        return values

    def altitude_m(self, command: Array) -> float:
        """The altitude that a command (3,) asks for."""
        return float(command[self._altitude])
