"""Leaving the ground, for autopilots that climb from it only by a command of its own.

ArduCopter in GUIDED stays on the ground whatever velocity it is sent, until MAV_CMD_NAV_TAKEOFF; a
set-point during the climb ends it half-way (its page "Copter Commands in Guided Mode"). PX4 in
OFFBOARD takes off by a velocity upwards, so nothing here happens.
"""

from typing import Final

from firmware_bridge.mavlink.asking import Asker
from firmware_bridge.mavlink.autopilots import Autopilot
from firmware_bridge.mavlink.vehicle import IN_AIR, ON_GROUND, Vehicle

NAV_TAKEOFF: Final = 22  # MAV_CMD_NAV_TAKEOFF; its seventh parameter is the height, m
CLIMB_NS: Final = 30_000_000_000  # until it must be in the air


class Takeoff:
    """From the first command on the ground to "in the air" as the vehicle says."""

    def __init__(self, autopilot: Autopilot, vehicle: Vehicle, asker: Asker) -> None:
        self._needed, self._vehicle, self._asker = autopilot.takes_off, vehicle, asker
        self._since_ns: int | None = None

    @property
    def is_climbing(self) -> bool:
        """Whether it was asked for and is not over."""
        return self._since_ns is not None

    def begin(self, altitude_m: float, now_ns: int) -> None:
        """Asks for it, if the vehicle stands and needs it."""
        if self._needed and self._vehicle.landed_state == ON_GROUND:
            self._since_ns = now_ns
            self._asker.ask(NAV_TAKEOFF, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, altitude_m))

    def end(self) -> None:
        """It is over, however far it came."""
        self._since_ns = None
        self._asker.forget(NAV_TAKEOFF)

    def tick(self, now_ns: int) -> str | None:
        """Why it failed, if it did."""
        if self._since_ns is None:
            return None
        if self._vehicle.landed_state == IN_AIR:
            self.end()
            return None
        answer = self._asker.answer(NAV_TAKEOFF)
        if answer not in (None, "accepted"):
            return f"takeoff_{answer}"
        return "takeoff_timeout" if now_ns - self._since_ns > CLIMB_NS else None
