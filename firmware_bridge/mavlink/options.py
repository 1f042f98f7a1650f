"""Options of `[link]` for the MAVLink driver, checked before anything is opened."""

import math
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from firmware_bridge.errors import LinkTableError
from firmware_bridge.mavlink.autopilots import AUTOPILOTS
from firmware_bridge.mavlink.datagrams import FORMS as UDP_FORMS
from firmware_bridge.mavlink.datagrams import host_and_port, is_datagrams
from firmware_bridge.mavlink.stream import SLOWEST_HZ
from firmware_bridge.port import FORMS
from firmware_bridge.ports import PORTS

REACTIONS: Final = ("hold", "land")
EXITS: Final = ("land", "leave")
_NUMBERS: Final = {  # least, greatest
    "baud": (1200, 12_000_000),
    "system_id": (1, 255),
    "component_id": (1, 255),
    "own_system_id": (1, 255),
    "own_component_id": (1, 255),
    "stream_hz": (SLOWEST_HZ, 100.0),
    "open_timeout_s": (0.0, 60.0),
    "watchdog_s": (0.02, 5.0),
    "heartbeat_s": (1.5, 30.0),
    "estimate_s": (0.1, 5.0),
    "land_after_s": (0.0, 60.0),
    "altitude_gain_per_s": (0.1, 5.0),
    "min_battery": (0.0, 1.0),
}


@dataclass(frozen=True)
class Config:
    """Options of `[link]`."""

    port: str = "udpin:127.0.0.1:14540"  # where PX4's simulation sends to; or udpout:, or a path
    baud: int = 921_600  # of a serial port; PX4's TELEM2 and ArduPilot's companion default
    autopilot: str = "px4"  # or "ardupilot"
    system_id: int = 1  # of the vehicle; what others say is dropped
    component_id: int = 1  # of its autopilot, MAV_COMP_ID_AUTOPILOT1
    own_system_id: int = 245  # not 255: a ground station's heartbeat must not stand in for ours
    own_component_id: int = 191  # MAV_COMP_ID_ONBOARD_COMPUTER
    stream_hz: float = 20.0  # set-points; PX4 wants more than 2
    open_timeout_s: float = 5.0  # s that `open` waits for the vehicle; 0: it does not wait
    watchdog_s: float = 0.25  # s without a command; it latches, so a hiccup of 0.1 s must pass
    heartbeat_s: float = 3.0  # s without the vehicle's heartbeat, of which one comes each second
    estimate_s: float = 0.5  # s without its position or attitude, of which 25 come each second
    reaction: str = "land"  # once stopped it hovers; then it lands, or with "hold" hovers on
    land_after_s: float = 2.0  # s of hovering before it lands: time for a pilot to take over
    on_exit: str = "land"  # or "leave": to the vehicle's own failsafe
    altitude_gain_per_s: float = 1.0  # 1/s, vertical speed per metre of altitude that is off
    min_battery: float = 0.2  # of full charge, below which it is not armed
    signing_key_file: str = ""  # 64 hexadecimal digits, mode 0600; "": messages are not signed
    trust_network: bool = False  # True: unsigned messages are taken from beyond this machine

    def __post_init__(self) -> None:
        """Refuses what cannot work.

        Raises:
            LinkTableError: a value out of its domain, or an open port that anybody may write to.
            PortNotFoundError: a UDP address that is none.
        """
        for name, (least, greatest) in _NUMBERS.items():
            self._check_number(name, least, greatest)
        self._check_word("autopilot", tuple(AUTOPILOTS))
        self._check_word("reaction", REACTIONS)
        self._check_word("on_exit", EXITS)
        self._check_port()

    def _check_number(self, name: str, least: float, greatest: float) -> None:
        value = getattr(self, name)
        whole = isinstance(least, int)
        fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not fits or not math.isfinite(value) or not least <= value <= greatest:
            kind = "a whole number" if whole else "a number"
            raise LinkTableError(f"[link] {name} is {value!r}: {kind} from {least} to {greatest}")

    def _check_word(self, name: str, valid: tuple[str, ...]) -> None:
        if getattr(self, name) not in valid:
            raise LinkTableError(
                f"[link] {name} is {getattr(self, name)!r}: valid are {', '.join(valid)}"
            )

    def _check_port(self) -> None:
        """Whoever reaches an unsigned port can fly the vehicle, so it is of this machine alone."""
        known = isinstance(self.port, str) and self.port.partition(":")[0] in PORTS
        if not isinstance(self.port, str) or not (
            known or is_datagrams(self.port) or self.port.startswith("/")
        ):
            raise LinkTableError(
                f"[link] port is {self.port!r}: write one like {UDP_FORMS}, {FORMS}"
            )
        if not is_datagrams(self.port):
            return
        host, _ = host_and_port(self.port)
        safe = ip_address(host).is_loopback or self.signing_key_file or self.trust_network
        if not safe:
            raise LinkTableError(
                f"[link] port {self.port!r} is open to a network: give signing_key_file, "
                "or trust_network = true where you trust all who are on it"
            )
