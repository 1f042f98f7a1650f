"""Keys of the terminal: two per axis, and a few to end, repeat and stop.

A terminal tells keys that go down and repeats of them, but never that one goes up. So a key counts
for the period in which it came; held down, the terminal repeats it and so does the robot.
"""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from firmware_bridge.axis_limits import Limits
from perception.quantities import InputError
from policies.collection import Wish
from robot.teleop import Hand

KEY_PAIRS = ("ws", "ad", "rf", "eq", "ik", "jl", "uo")  # more, less; x ahead, y left, z up, open
WISHES: dict[str, Wish] = {"\n": "end", "\r": "end", "\x7f": "again", "\x08": "again", "x": "stop"}
READ_BYTES = 1024


class KeyboardError(InputError):
    """There is no terminal to read keys from, or a robot with more axes than keys."""


@dataclass(frozen=True)
class Config:
    """How keys move things."""

    deflection: float = 0.6  # of a key; 1 is as fast as the robot may


class Keyboard:
    """The terminal in cbreak mode, until it is closed."""

    Config = Config

    def __init__(self, config: Config, limits: Limits, descriptor: int | None = None) -> None:
        """Takes the terminal.

        Args:
            config: see there.
            limits: of the robot.
            descriptor: of a terminal; default: standard input.

        Raises:
            KeyboardError: there is no terminal, or more axes than keys.
        """
        names = [axis.name for axis in limits.axes]
        if len(names) > len(KEY_PAIRS):
            raise KeyboardError(
                f"the robot has {len(names)} axes, the keys are for {len(KEY_PAIRS)}"
            )
        self._config, self._names = config, names
        self._descriptor = sys.stdin.fileno() if descriptor is None else descriptor
        try:
            self._before = termios.tcgetattr(self._descriptor)
        except termios.error as error:
            raise KeyboardError(
                "--pilot keyboard needs a terminal, and standard input is none"
            ) from error
        tty.setcbreak(self._descriptor)

    @property
    def help(self) -> str:
        """Which key does what."""
        pairs = zip(self._names, KEY_PAIRS, strict=False)
        keys = ", ".join(f"{pair[0]}/{pair[1]} {name}" for name, pair in pairs)
        return f"{keys}; Enter ends an attempt, Backspace repeats it, x stops"

    def read(self) -> Hand:
        """What the keys since the last reading say."""
        keys = b""
        while select.select([self._descriptor], [], [], 0)[0]:
            new = os.read(self._descriptor, READ_BYTES)
            keys += new
            if not new:  # the terminal has gone
                return Hand(np.zeros(len(self._names)), "stop")
        return hand_of(keys.decode("ascii", "ignore"), len(self._names), self._config.deflection)

    def close(self) -> None:
        """Gives the terminal back as it was."""
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)


def hand_of(keys: Iterable[str], axes: int, deflection: float) -> Hand:
    """What keys mean; opposite keys cancel, the last wish counts."""
    pressed = list(keys)
    directions = np.zeros(axes)
    for axis, (more, less) in zip(range(axes), KEY_PAIRS, strict=False):
        directions[axis] = (more in pressed) - (less in pressed)
    wishes: list[Wish] = [WISHES[key] for key in pressed if key in WISHES]
    return Hand(deflection * directions, next(reversed(wishes), None))
