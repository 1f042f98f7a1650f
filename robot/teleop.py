"""A person acts in place of a pilot: a device gives deflections, this gives commands at the rate.

A deflection is -1 to 1 per axis of the robot, 0 when the hand is off. An axis whose limits have a
stop is commanded around it and goes back there with the hand off: let go, and the robot stands. An
axis without one holds what it has, as a gripper must: a deflection moves it through its range.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import AxisLimit, Limits
from perception.tables import config_from_options, load_item
from policies.collection import Wish
from policies.observation import Observation
from policies.spec import PolicySpec, bounds_of
from robot.clock import SECOND_NS, Pacer
from robot.operators import OPERATORS

TRAVEL_S = 1.0  # that an axis without a stop takes through its whole range


class Hand(NamedTuple):
    """What a device says at one moment."""

    deflection: NDArray[np.float64]  # (n,) -1..1 per axis of the robot
    wish: Wish | None = None


class Device(Protocol):
    """Something that a person moves."""

    @property
    def help(self) -> str:
        """How it is used, one line."""
        ...

    def read(self) -> Hand:
        """What it says now; never waits."""
        ...

    def close(self) -> None:
        """Gives back what it holds, such as the terminal."""
        ...


class Teleoperated:
    """A policy whose actions come from a person."""

    def __init__(
        self, device: Device, limits: Limits, rate_hz: float, wait: Callable[[], None]
    ) -> None:
        """Holds still until the first action.

        Args:
            device: what the person moves.
            limits: of the robot.
            rate_hz: how often it acts.
            wait: for the next deadline; called once per action.
        """
        self.spec = PolicySpec((), bounds_of(limits), rate_hz)
        self.wish: Wish | None = None  # of the person, since the last action
        self._device, self._axes, self._wait = device, limits.axes, wait
        self._travel = 1 / (TRAVEL_S * rate_hz)  # part of a range per step
        self.reset(np.random.default_rng(0))

    def reset(self, rng: np.random.Generator) -> None:
        """Begins an attempt: axes without a stop at their greatest, a gripper open."""
        del rng
        self._held = [axis.maximum for axis in self._axes]
        self._device.read()  # what was pressed between two attempts is not for this one
        self.wish = None

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The command (n,) that the hand gives at the next deadline."""
        del observation
        self._wait()
        hand = self._device.read()
        self.wish = hand.wish
        deflection = np.clip(hand.deflection, -1, 1)
        self._held = [
            commanded(axis, float(part), held, self._travel)
            for axis, part, held in zip(self._axes, deflection, self._held, strict=True)
        ]
        return np.array(self._held)


def commanded(axis: AxisLimit, deflection: float, held: float, travel: float) -> float:
    """What an axis is commanded, in its unit.

    Args:
        axis: its limits.
        deflection: -1..1.
        held: what it was commanded before, in its unit.
        travel: part of the range that full deflection moves an axis without a stop per step.
    """
    if axis.stop is None:
        moved = held + deflection * travel * (axis.maximum - axis.minimum)
        return min(max(moved, axis.minimum), axis.maximum)
    end = axis.maximum if deflection > 0 else axis.minimum
    return axis.stop + abs(deflection) * (end - axis.stop)


def wall_pace(rate_hz: float) -> Callable[[], None]:
    """Waits for deadlines one period apart on the monotonic clock."""
    pacer = Pacer(rate_hz, time.monotonic_ns())

    def wait() -> None:
        time.sleep(max(0, pacer.next_ns - time.monotonic_ns()) / SECOND_NS)
        pacer.advance(time.monotonic_ns())

    return wait


def open_device(name: str, limits: Limits, options: dict[str, Any] | None = None) -> Device:
    """A device of the table, for the axes of a robot.

    Raises:
        InputError: no such device or option, or it is not there.
    """
    device = load_item(OPERATORS, "device", name)
    return device(config_from_options(device.Config, options or {}, f"device {name}"), limits)
