"""The `[link]` options of a robot behind a microcontroller, checked before anything is connected.

[link]
driver = "mcu"
port = "/dev/serial/by-id/usb-..."
reaction = "land"
on_exit = "land"
land_axis = "altitude"
land_per_s = 0.3

[link.axes.altitude]
max_following = 0.4  # m
"""

import math
from dataclasses import dataclass
from typing import Any

from firmware_bridge.errors import LinkTableError
from firmware_bridge.safety_words import Reaction

REACTIONS = tuple(reaction.name.lower() for reaction in Reaction)
ON_EXIT: dict[str, tuple[str, ...]] = {
    "hold": ("hold", "decelerate"),
    "limp": REACTIONS,
    "land": ("land",),
}
"""What becomes of the torque when the host ends in order -> the reactions that it goes with."""

_TIMES = ("watchdog_s", "heartbeat_s", "sensor_s", "following_s", "max_delay_s")
_LONGEST_S = 65.535  # milliseconds in 16 bits


@dataclass(frozen=True)
class McuOptions:
    """Options of `[link]` for the driver `mcu`."""

    port: str  # /dev/ttyACM0, tcp://127.0.0.1:5760, unix:/run/board.sock
    baud: int = 1_000_000  # what the reference firmware is built with
    watchdog_s: float = 0.1  # s without a good command until the controller stops by itself
    heartbeat_s: float = 0.5  # s without a sign of life, likewise; the host gives ten a second
    sensor_s: float = 0.05  # s until a sensor counts as lost or stuck
    following_s: float = 0.05  # s that an axis may be off by more than its max_following
    max_delay_s: float = 0.1  # s that a command may be under way
    reaction: str = "hold"  # of a protective stop; one of REACTIONS
    on_exit: str = "hold"  # when the host ends in order; one of ON_EXIT
    land_axis: str = ""  # name of the axis that goes down, for reaction "land"
    land_per_s: float = 0.0  # axis/s, how fast
    min_voltage_v: float = 0.0  # V, of the actuators' supply
    max_temperature_c: float = math.inf  # °C, of the actuators
    open_timeout_s: float = 2.0  # s until the controller must have agreed to everything

    def __post_init__(self) -> None:
        """Refuses what no controller could be told.

        Raises:
            LinkTableError: one line: the option, what is wrong, what is valid.
        """
        if not isinstance(self.port, str) or not self.port:
            raise LinkTableError(f"[link] port is {self.port!r}: write a path such as /dev/ttyACM0")
        if type(self.baud) is not int or self.baud <= 0:
            raise LinkTableError(f"[link] baud is {self.baud!r}, must be bits per second > 0")
        for key in (*_TIMES, "open_timeout_s"):
            value = getattr(self, key)
            if not _is_number(value) or not 0.001 <= value <= _LONGEST_S:
                raise LinkTableError(f"[link] {key} is {value!r}, must be 0.001..{_LONGEST_S} s")
        self._check_words()
        for key in ("land_per_s", "min_voltage_v", "max_temperature_c"):
            if not _is_number(getattr(self, key)):
                raise LinkTableError(f"[link] {key} is {getattr(self, key)!r}, not a number")

    def _check_words(self) -> None:
        words = {"reaction": REACTIONS, "on_exit": tuple(ON_EXIT)}
        for key, valid in words.items():
            if getattr(self, key) not in valid:
                raise LinkTableError(
                    f"[link] {key} is {getattr(self, key)!r}: valid are {', '.join(valid)}"
                )
        if self.reaction not in ON_EXIT[self.on_exit]:
            raise LinkTableError(
                f"[link] on_exit {self.on_exit!r} does not go with reaction {self.reaction!r}: "
                f"it needs one of {', '.join(ON_EXIT[self.on_exit])}"
            )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and not math.isnan(value)
