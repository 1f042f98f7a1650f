"""The rules by which a flight controller gives and takes the controls, as far as they matter here.

From PX4's pages "Offboard Mode", "Land Mode" and its parameter reference, and ArduPilot's "Copter
Commands in Guided Mode" and "GCS Failsafe". It is a model of those pages, not their code: what they
leave open is marked "ours".
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from firmware_bridge.emulators.quad_body import QuadBody
from firmware_bridge.mavlink.autopilots import BODY_NED, BODY_OFFSET_NED, LOCAL_NED, PX4, Autopilot

ACCEPTED, TEMPORARILY_REJECTED, DENIED, UNSUPPORTED, FAILED = 0, 1, 2, 3, 4  # MAV_RESULT
FRAMES: Final = {
    "px4": (LOCAL_NED, BODY_NED),
    "ardupilot": (LOCAL_NED, 7, BODY_NED, BODY_OFFSET_NED),
}
MAGIC: Final = 21196
_STILL = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class RuleSettings:
    """Its parameters, with the names they have there."""

    offboard_loss_s: float = 1.0  # PX4 COM_OF_LOSS_T
    offboard_loss_mode: str = "land"  # PX4 COM_OBL_RC_ACT 4; "loiter" is 5
    proof_s: float = 1.0  # PX4: of a stream before OFFBOARD
    proof_gap_s: float = 0.5  # PX4: 2 Hz
    guided_timeout_s: float = 3.0  # ArduPilot GUID_TIMEOUT: then it stops in the air
    gcs_timeout_s: float = 5.0  # ArduPilot FS_GCS_TIMEOUT, with FS_GCS_ENABLE 5: land
    gcs_system_id: int = 245  # ArduPilot MAV_GCS_SYSID (SYSID_MYGCS): whose heartbeat counts
    land_speed_m_s: float = 0.7  # PX4 MPC_LAND_SPEED
    climb_speed_m_s: float = 1.0  # of a take-off; ours
    disarm_after_s: float = 2.0  # PX4 COM_DISARM_LAND
    disarm_unless_s: float = 10.0  # PX4 COM_DISARM_PRFLT: armed and still on the ground


class Verdict(NamedTuple):
    """What becomes of a command."""

    result: int  # MAV_RESULT
    text: str = ""  # said as a STATUSTEXT


class FlightRules:
    """Mode, arming, failsafes and set-points of one vehicle. Times are seconds of its own clock."""

    def __init__(self, autopilot: Autopilot, settings: RuleSettings, body: QuadBody) -> None:
        self.mode = "loiter"
        self.armed = False
        self.failing = False  # a failsafe is at work
        self.deny_arming = ""  # why its own checks fail; "" = they do not
        self.has_position = True
        self._autopilot, self._settings, self._body = autopilot, settings, body
        self._velocity_m_s = _STILL  # NED
        self._yaw_rate_rad_s = 0.0
        self._first_s = -math.inf  # of the set-points without a gap
        self._last_s = -math.inf
        self._gcs_s: float | None = None
        self._grounded_s = 0.0  # since when it stands
        self._flew = False  # since it was armed
        self._climb_to_m: float | None = None

    @property
    def is_taking_off(self) -> bool:
        """Whether it climbs by a command to take off."""
        return self._climb_to_m is not None

    @property
    def is_landing(self) -> bool:
        """Whether it comes down in its landing mode."""
        return self.armed and self.mode == self._autopilot.land and not self._body.on_ground

    def hear_gcs(self, system: int, now_s: float) -> None:
        """A heartbeat came."""
        if system == self._settings.gcs_system_id:
            self._gcs_s = now_s

    def pilot(self, mode: str) -> None:
        """The pilot moves the mode switch: always obeyed."""
        self._enter(mode)

    def set_mode(self, name: str, now_s: float) -> Verdict:
        """MAV_CMD_DO_SET_MODE."""
        if name not in self._autopilot.modes:
            return Verdict(UNSUPPORTED)
        if name == PX4.controlled and not self._offboard_is_available(now_s):
            return Verdict(
                TEMPORARILY_REJECTED, "Switching to Offboard is not available: no signal"
            )
        self._enter(name)
        return Verdict(ACCEPTED)

    def arm(self, now_s: float) -> Verdict:
        """MAV_CMD_COMPONENT_ARM_DISARM with 1."""
        if self.armed:
            return Verdict(ACCEPTED)
        why = self.deny_arming or ("" if self.has_position else "position estimate invalid")
        if why:
            return Verdict(self._denial, f"Arming denied: {why}")
        if self.mode == self._autopilot.land:
            return Verdict(self._denial, "Arming denied: landing mode")
        if self.mode == PX4.controlled and not self._offboard_is_available(now_s):
            return Verdict(self._denial, "Arming denied: no offboard signal")
        self.armed, self._flew, self._grounded_s = True, False, now_s
        return Verdict(ACCEPTED)

    def disarm(self, *, forced: bool) -> Verdict:
        """MAV_CMD_COMPONENT_ARM_DISARM with 0."""
        if self.armed and not forced and not self._body.on_ground:
            return Verdict(self._denial, "Disarming denied: not landed")
        self.armed = False
        self._climb_to_m = None
        return Verdict(ACCEPTED)

    def take_off(self, altitude_m: float) -> Verdict:
        """MAV_CMD_NAV_TAKEOFF."""
        if self.mode != self._autopilot.controlled or not self.armed or altitude_m <= 0:
            return Verdict(FAILED, "Take-off refused")
        self._climb_to_m = altitude_m
        return Verdict(ACCEPTED)

    def setpoint(
        self, frame: int, velocity_m_s: tuple[float, float, float], yaw_rate: float, now_s: float
    ) -> str:
        """A set-point came; says what is wrong with it."""
        if frame not in FRAMES[self._autopilot.name]:
            return f"Set-point: coordinate frame {frame} unsupported"
        if not all(map(math.isfinite, (*velocity_m_s, yaw_rate))):
            return "Set-point: not finite"
        if now_s - self._last_s > self._settings.proof_gap_s:
            self._first_s = now_s
        self._last_s = now_s
        if self.mode == self._autopilot.controlled:
            self._climb_to_m = None
            self._velocity_m_s = self._to_ned(frame, velocity_m_s)
            self._yaw_rate_rad_s = yaw_rate
        return ""

    def tick(self, now_s: float, dt_s: float) -> str:
        """One step of flight; says what a failsafe did."""
        said = self._watch(now_s)
        if not self.armed:
            self._body.fall(dt_s)
            self._grounded_s = now_s
            return said
        self._body.fly(*self._wanted(now_s), dt_s)
        self._watch_ground(now_s)
        return said

    @property
    def _denial(self) -> int:
        return TEMPORARILY_REJECTED if self._autopilot is PX4 else FAILED

    def _enter(self, mode: str) -> None:
        self.mode, self._velocity_m_s, self._yaw_rate_rad_s = mode, _STILL, 0.0
        self._climb_to_m = None

    def _offboard_is_available(self, now_s: float) -> bool:
        alive = now_s - self._last_s <= self._settings.offboard_loss_s
        return alive and now_s - self._first_s >= self._settings.proof_s and self.has_position

    def _to_ned(
        self, frame: int, velocity: tuple[float, float, float]
    ) -> tuple[float, float, float]:
        if frame in (LOCAL_NED, 7):
            return velocity
        ahead, right, down = velocity
        if self._autopilot is PX4:  # by the whole attitude; this body leans by its pitch alone
            sine, cosine = math.sin(self._body.pitch_rad), math.cos(self._body.pitch_rad)
            ahead, down = cosine * ahead + sine * down, cosine * down - sine * ahead
        sine, cosine = math.sin(self._body.heading_rad), math.cos(self._body.heading_rad)
        return (cosine * ahead - sine * right, sine * ahead + cosine * right, down)

    def _watch(self, now_s: float) -> str:
        """Failsafes: says which one took the controls."""
        if self.armed and self._offboard_is_lost(now_s):
            return self._fail_to(self._settings.offboard_loss_mode, "offboard control lost")
        if self.armed and self._gcs_is_lost(now_s):
            return self._fail_to(self._autopilot.land, "ground station lost")
        return ""

    def _offboard_is_lost(self, now_s: float) -> bool:
        silent = now_s - self._last_s > self._settings.offboard_loss_s
        return self.mode == PX4.controlled and (silent or not self.has_position)

    def _gcs_is_lost(self, now_s: float) -> bool:
        """Only after it was there once."""
        if self._autopilot is PX4 or self._gcs_s is None or self.mode == self._autopilot.land:
            return False
        return now_s - self._gcs_s > self._settings.gcs_timeout_s

    def _fail_to(self, mode: str, why: str) -> str:
        self._enter(mode)
        self.failing = True
        return f"Failsafe: {why}"

    def _wanted(self, now_s: float) -> tuple[tuple[float, float, float], float]:
        """Velocity NED m/s and yaw rate rad/s that it flies."""
        if self.mode == self._autopilot.land:
            return (0.0, 0.0, self._settings.land_speed_m_s), 0.0
        if self._climb_to_m is not None:
            left_m = self._climb_to_m - self._body.altitude_m
            if left_m > 0.05:
                return (0.0, 0.0, -min(self._settings.climb_speed_m_s, left_m)), 0.0
            self._climb_to_m = None
        if self.mode != self._autopilot.controlled or self._waits_on_ground:
            return _STILL, 0.0
        timed_out = now_s - self._last_s > self._settings.guided_timeout_s
        if self._autopilot is not PX4 and timed_out:
            return _STILL, 0.0
        return self._velocity_m_s, self._yaw_rate_rad_s

    @property
    def _waits_on_ground(self) -> bool:
        """ArduPilot leaves the ground by a command to take off alone."""
        return self._autopilot.takes_off and self._body.on_ground

    def _watch_ground(self, now_s: float) -> None:
        """Disarms some time after a landing, or after arming without one."""
        if not self._body.on_ground:
            self._grounded_s, self._flew = now_s, True
            return
        patience_s = self._settings.disarm_after_s if self._flew else self._settings.disarm_unless_s
        if now_s - self._grounded_s > patience_s:
            self.armed = False
