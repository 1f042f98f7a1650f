"""What a flight controller has said of itself, when, and whether that is enough to arm it."""

import math
from collections import deque
from typing import Any, Final

from firmware_bridge.mavlink.autopilots import Autopilot
from firmware_bridge.mavlink.axes import Motion

ARMED_FLAG: Final = 128  # MAV_MODE_FLAG_SAFETY_ARMED
PREARM_CHECK: Final = 0x10000000  # MAV_SYS_STATUS_PREARM_CHECK
STANDBY, CRITICAL = 3, 5  # MAV_STATE: below the first it is not ready, from the second on failing
ON_GROUND, IN_AIR = 1, 2  # MAV_LANDED_STATE
UNKNOWN_CHARGE: Final = -1  # SYS_STATUS.battery_remaining
STATUS_S: Final = 5.0  # the age up to which a slow message counts

TELEMETRY_HZ: Final = {
    "LOCAL_POSITION_NED": 25.0,
    "ATTITUDE": 25.0,
    "EXTENDED_SYS_STATE": 5.0,
    "SYS_STATUS": 2.0,
    "HOME_POSITION": 0.5,
}
"""What the driver lives on, asked for by MAV_CMD_SET_MESSAGE_INTERVAL while it does not come."""

_KEPT_TEXTS = 8


class Vehicle:
    """The newest message of each kind, with the time of its arrival."""

    def __init__(self, autopilot: Autopilot) -> None:
        self._autopilot = autopilot
        self._newest: dict[str, tuple[Any, int]] = {}  # type -> message, arrival ns
        self._ground_z_m: float | None = None  # NED, where it stood before it was armed
        self.texts: deque[str] = deque(maxlen=_KEPT_TEXTS)  # what it said in words, newest last

    def hear(self, message: Any, now_ns: int) -> None:
        """Takes one message that it sent."""
        kind = message.get_type()
        if kind in TELEMETRY_HZ or kind == "HEARTBEAT":
            self._newest[kind] = (message, now_ns)
        if kind == "STATUSTEXT":
            self.texts.append("".join(c if c.isprintable() else "?" for c in message.text).strip())
        if kind == "LOCAL_POSITION_NED" and self.landed_state == ON_GROUND and not self.armed:
            self._ground_z_m = message.z if math.isfinite(message.z) else self._ground_z_m

    def age_s(self, kind: str, now_ns: int) -> float:
        """Since a message of this kind came; infinite if none ever did."""
        if kind not in self._newest:
            return math.inf
        return (now_ns - self._newest[kind][1]) / 1e9

    @property
    def heard(self) -> bool:
        """Whether it ever sent a heartbeat."""
        return "HEARTBEAT" in self._newest

    @property
    def autopilot_id(self) -> int:
        """MAV_AUTOPILOT, as its heartbeat says."""
        return int(self._field("HEARTBEAT", "autopilot", 0))

    @property
    def armed(self) -> bool:
        """As its heartbeat says."""
        return bool(int(self._field("HEARTBEAT", "base_mode", 0)) & ARMED_FLAG)

    @property
    def mode(self) -> str:
        """Name of the flight mode that its heartbeat says."""
        return self._autopilot.mode_name(int(self._field("HEARTBEAT", "custom_mode", -1)))

    @property
    def follows(self) -> bool:
        """Whether it is in the mode in which it follows set-points."""
        return self.mode == self._autopilot.controlled

    @property
    def landed_state(self) -> int:
        """MAV_LANDED_STATE; 0 while unknown."""
        return int(self._field("EXTENDED_SYS_STATE", "landed_state", 0))

    def motion(self, now_ns: int, oldest_s: float) -> Motion | None:
        """What it measures; None if it is older than this, not finite, or the ground is unknown."""
        if self._ground_z_m is None or self.poor_estimate(now_ns, oldest_s) is not None:
            return None
        position, attitude = self._newest["LOCAL_POSITION_NED"][0], self._newest["ATTITUDE"][0]
        turned_rad = attitude.yawspeed * min(self.age_s("ATTITUDE", now_ns), 0.1)
        return Motion(
            position.vx,
            position.vy,
            self._ground_z_m - position.z,
            attitude.yaw + turned_rad,
            attitude.yawspeed,
        )

    def why_not_arm(self, now_ns: int, oldest_s: float, min_battery: float) -> str | None:
        """The first thing that speaks against arming, one of `ARMING_CHECKS`; None: nothing does.

        Args:
            now_ns: monotonic time.
            oldest_s: the age up to which its estimate of position and attitude counts.
            min_battery: the charge that it must have, 0 to 1.
        """
        charge = int(self._field("SYS_STATUS", "battery_remaining", UNKNOWN_CHARGE))
        checks = {
            "not_ready": self._state < STANDBY,
            "no_status": self.age_s("SYS_STATUS", now_ns) > STATUS_S,
            "battery_low": UNKNOWN_CHARGE < charge < 100 * min_battery,
            "no_landed_state": self.age_s("EXTENDED_SYS_STATE", now_ns) > STATUS_S,
            "no_home": "HOME_POSITION" not in self._newest,
        }
        failed = next((word for word, fails in checks.items() if fails), None)
        return failed or self.why_not_fly(now_ns, oldest_s)

    def why_not_fly(self, now_ns: int, oldest_s: float) -> str | None:
        """The first thing that speaks against taking the controls of it, armed or not."""
        if self._state >= CRITICAL:
            return "failsafe"
        if (poor := self.poor_estimate(now_ns, oldest_s)) is not None:
            return poor
        return "ground_unknown" if self._ground_z_m is None else None

    def poor_estimate(self, now_ns: int, oldest_s: float) -> str | None:
        """Which of position and attitude is too old or not finite."""
        for word, kind, names in (
            ("no_position", "LOCAL_POSITION_NED", ("z", "vx", "vy", "vz")),
            ("no_attitude", "ATTITUDE", ("yaw", "yawspeed")),
        ):
            if self.age_s(kind, now_ns) > oldest_s:
                return word
            message = self._newest[kind][0]
            if not all(math.isfinite(getattr(message, name)) for name in names):
                return word
        return None

    @property
    def _state(self) -> int:
        return int(self._field("HEARTBEAT", "system_status", 0))  # MAV_STATE

    @property
    def prearm_fails(self) -> bool:
        """Whether its own checks, made for the mode that it is in, speak against arming."""
        present = int(self._field("SYS_STATUS", "onboard_control_sensors_present", 0))
        health = int(self._field("SYS_STATUS", "onboard_control_sensors_health", 0))
        return bool(present & PREARM_CHECK) and not health & PREARM_CHECK

    def _field(self, kind: str, name: str, otherwise: float) -> float:
        return getattr(self._newest[kind][0], name) if kind in self._newest else otherwise


ARMING_CHECKS: Final = (
    "not_ready",
    "no_status",
    "battery_low",
    "no_landed_state",
    "no_home",
    "failsafe",
    "no_position",
    "no_attitude",
    "ground_unknown",
)
"""All that `why_not_arm` may say; docs/users/mavlink.md explains each."""
