"""A gamepad through the joystick interface of Linux: eight bytes per event, nothing to install.

    u32 time (ms) | s16 value | u8 kind | u8 number        little-endian (linux/joystick.h)

Kind 1 is a button (value 0 or 1), 2 a stick or trigger (-32767 to 32767); bit 0x80 marks the state
that the driver tells when the device is opened. Numbers are those of the driver xpad. A stick that
is let go returns to its middle by itself, and with it the robot to rest.
"""

import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firmware_bridge.axis_limits import Limits
from perception.quantities import InputError
from policies.collection import Wish
from robot.teleop import Hand

EVENT = struct.Struct("<IhBB")
BUTTON, STICK, INITIAL = 1, 2, 0x80
FULL = 32767
READ_BYTES = 64 * EVENT.size
STICKS = ((1, -1.0), (0, -1.0), (4, -1.0))
"""Stick and sign for the first axes of a robot: ahead, left, up. Sticks count right and down."""
BUTTON_PAIRS = ((1, 0), (5, 4))  # more, less, for the axes after those: B opens, A closes
WISHES: dict[int, Wish] = {7: "end", 6: "again", 8: "stop"}  # Start, Back, the middle one


class GamepadError(InputError):
    """A gamepad that is not there, has gone, or has fewer sticks than the robot axes."""


@dataclass(frozen=True)
class Config:
    """Where it is and how it moves things."""

    path: str = "/dev/input/js0"
    dead_zone: float = 0.15  # of a stick's way; worn sticks do not come back to 0
    deflection: float = 1.0  # of a stick at its end; 1 is as fast as the robot may


class Gamepad:
    """An open joystick device."""

    Config = Config

    def __init__(self, config: Config, limits: Limits) -> None:
        """Opens the device.

        Raises:
            GamepadError: it is not there, or the robot has more axes than it.
        """
        self._axes = len(limits.axes)
        most = len(STICKS) + len(BUTTON_PAIRS)
        if self._axes > most:
            raise GamepadError(f"the robot has {self._axes} axes, a gamepad serves {most}")
        self._config = config
        try:
            self._descriptor = os.open(config.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            found = ", ".join(map(str, sorted(Path("/dev/input").glob("js*")))) or "none"
            raise GamepadError(
                f"{config.path}: no gamepad ({error.strerror}); joysticks here: {found}"
            ) from error
        self._state = GamepadState()

    @property
    def help(self) -> str:
        """Which stick and button does what."""
        return (
            "left stick x and y, right stick z, B opens, A closes; Start ends an attempt, Back "
            "repeats it, the middle button stops"
        )

    def read(self) -> Hand:
        """What the events up to now say.

        Raises:
            GamepadError: it was unplugged.
        """
        while True:
            try:
                content = os.read(self._descriptor, READ_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                gone = "was unplugged" if error.errno == errno.ENODEV else error.strerror
                raise GamepadError(f"{self._config.path}: {gone}") from error
            if not content:
                break
            self._state.take(content)
        return self._state.hand(self._axes, self._config)

    def close(self) -> None:
        """Closes the device."""
        os.close(self._descriptor)


class GamepadState:
    """Sticks and buttons as the events tell them."""

    def __init__(self) -> None:
        self._sticks: dict[int, float] = {}  # -1..1
        self._buttons: dict[int, bool] = {}
        self._wish: Wish | None = None
        self._rest = b""

    def take(self, content: bytes) -> None:
        """The next bytes of the device; an event may be spread over two."""
        content = self._rest + content
        whole = len(content) // EVENT.size * EVENT.size
        self._rest = content[whole:]
        for _, value, kind, number in EVENT.iter_unpack(content[:whole]):
            if kind & ~INITIAL == STICK:
                self._sticks[number] = value / FULL
            elif kind & ~INITIAL == BUTTON:
                self._buttons[number] = bool(value)
                if value and not kind & INITIAL:
                    self._wish = WISHES.get(number, self._wish)

    def hand(self, axes: int, config: Config) -> Hand:
        """What it means for a robot; a wish is told once."""
        sticks = [sign * self._beyond(number, config.dead_zone) for number, sign in STICKS]
        buttons = [
            float(self._buttons.get(more, False)) - float(self._buttons.get(less, False))
            for more, less in BUTTON_PAIRS
        ]
        wish, self._wish = self._wish, None
        return Hand(config.deflection * np.array([*sticks, *buttons][:axes]), wish)

    def _beyond(self, number: int, dead_zone: float) -> float:
        """A stick outside of its dead zone, -1..1, from 0 on at its rim."""
        value = self._sticks.get(number, 0.0)
        return np.sign(value) * max(0.0, (abs(value) - dead_zone) / (1 - dead_zone))
