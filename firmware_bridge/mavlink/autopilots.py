"""The two families of flight controllers: how they name and number what both of them do.

PX4 packs main and sub mode into `custom_mode` and gives an outsider the mode OFFBOARD; ArduCopter
numbers its modes and has GUIDED. Sources: PX4 `px4_custom_mode.h` and its page "Offboard Mode";
ArduPilot `ArduCopter/mode.h` and its page "Copter Commands in Guided Mode". pymavlink has the same
tables, and a test compares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LOCAL_NED: Final = 1  # MAV_FRAME_LOCAL_NED
BODY_NED: Final = 8  # MAV_FRAME_BODY_NED
BODY_OFFSET_NED: Final = 9  # MAV_FRAME_BODY_OFFSET_NED


def _px4(main: int, sub: int = 0) -> int:
    """PX4's `custom_mode`."""
    return main << 16 | sub << 24


@dataclass(frozen=True)
class Autopilot:
    """What differs between them, as far as a stream of velocities goes."""

    name: str
    mav_autopilot: int  # MAV_AUTOPILOT, as its heartbeat says
    modes: Mapping[str, int]  # name in lower case -> `custom_mode`
    controlled: str  # the mode in which it follows set-points
    land: str  # the mode in which it lands where it is
    frame: int  # MAV_FRAME in which it is sent velocities; see `axes`
    takes_off: bool  # climbs from the ground only after MAV_CMD_NAV_TAKEOFF

    def mode_name(self, custom_mode: int) -> str:
        """The mode of a heartbeat, or `mode_` and its number."""
        for name, number in self.modes.items():
            if number == custom_mode:
                return name
        return f"mode_{custom_mode}"

    def mode_params(self, name: str) -> tuple[float, float, float]:
        """Parameters 1 to 3 of MAV_CMD_DO_SET_MODE; 1 is MAV_MODE_FLAG_CUSTOM_MODE_ENABLED."""
        number = self.modes[name]
        if self.name == PX4.name:
            return (1.0, float(number >> 16 & 0xFF), float(number >> 24))
        return (1.0, float(number), 0.0)


PX4 = Autopilot(
    name="px4",
    mav_autopilot=12,
    modes={
        "manual": _px4(1),
        "altctl": _px4(2),
        "posctl": _px4(3),
        "takeoff": _px4(4, 2),
        "loiter": _px4(4, 3),
        "mission": _px4(4, 4),
        "rtl": _px4(4, 5),
        "land": _px4(4, 6),
        "acro": _px4(5),
        "offboard": _px4(6),
        "stabilized": _px4(7),
    },
    controlled="offboard",
    land="land",
    frame=LOCAL_NED,
    takes_off=False,
)

ARDUPILOT = Autopilot(
    name="ardupilot",
    mav_autopilot=3,
    modes={
        "stabilize": 0,
        "acro": 1,
        "alt_hold": 2,
        "auto": 3,
        "guided": 4,
        "loiter": 5,
        "rtl": 6,
        "circle": 7,
        "land": 9,
        "drift": 11,
        "sport": 13,
        "poshold": 16,
        "brake": 17,
        "guided_nogps": 20,
        "smart_rtl": 21,
    },
    controlled="guided",
    land="land",
    frame=BODY_OFFSET_NED,
    takes_off=True,
)

AUTOPILOTS: dict[str, Autopilot] = {row.name: row for row in (PX4, ARDUPILOT)}
