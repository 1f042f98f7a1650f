"""The interface behind which all hardware stands: say what you want, read what became of it.

Reading, commanding and asking (to arm, to stop) are separate, because an observation never waits
for an action, and none of them blocks; only `open` waits. A driver receives commands that a
`CommandLimiter` has passed. It owns what comes after: the wire, the arming state machine at the
other end, and what becomes of the torque when this process ends.

Hardware never arms itself: its driver stays DISARMED until `request(Wish.ARM)`.
"""

import pkgutil
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from firmware_bridge.drivers import DRIVERS
from firmware_bridge.errors import LinkTableError
from firmware_bridge.safety_words import Mode, Reason, Wish

NO_EVENTS: Mapping[str, int] = MappingProxyType({})


class Features(NamedTuple):
    """What a kind of hardware can do; known without a connection."""

    arms_itself: bool  # moves as soon as it is commanded; only what is simulated does
    observes: tuple[str, ...]  # of "values", "effort", "voltage_v", "temperature_c"
    reactions: tuple[str, ...]  # what it can be set to do when commands end: names of `Reaction`


class DriverState(NamedTuple):
    """What the hardware says of itself."""

    values: NDArray[np.float64]  # (n,) command being applied, in the axes' units
    stopped: bool  # it stopped by itself, whatever was sent
    faults: tuple[str, ...]  # why it stopped, or what it refused since the last read; snake_case
    mode: Mode = Mode.ACTIVE
    measured: NDArray[np.float64] | None = None  # (n,) in the axes' units, NaN where unknown
    counters: Mapping[str, int] = NO_EVENTS  # since `open`


class Driver(Protocol):
    """A kind of hardware; built as `DriverClass(limits, config)`, where nothing is opened yet.

    `now_ns` is monotonic time in nanoseconds. It is passed in always: only `open` reads a clock
    of its own, to know how long it waits.
    """

    @property
    def features(self) -> Features:
        """What it can do."""
        ...

    def open(self, now_ns: int) -> None:
        """Connects; takes as long as the driver's own `open_timeout_s` allows.

        Raises:
            BridgeInputError: nobody there, busy, not permitted, or not what was expected; one line.
        """
        ...

    def read(self, now_ns: int) -> DriverState:
        """The newest state; called at every tick, so this is where a link keeps itself alive."""
        ...

    def send(self, values: NDArray[np.float64], now_ns: int) -> None:
        """Hands over a command, (n,) in the axes' units; refused unless ARMED or ACTIVE."""
        ...

    def request(self, wish: Wish, now_ns: int) -> None:
        """Asks for another mode.

        The outcome shows in what is read later: the mode, or the word `refusal(wish, why)` among
        the faults.
        """
        ...

    def stop(self, now_ns: int) -> None:
        """Stops in the way that is configured, and stays stopped until it is reset."""
        ...

    def close(self) -> None:
        """Stops, does to the torque what the link's options say, and frees the port.

        Harmless before `open`, and a second time.
        """
        ...


def refusal(wish: Wish, why: Reason | str) -> str:
    """The fault by which a driver tells that it did not do what it was asked.

    Args:
        wish: that it refused.
        why: a `Reason`, or a word of the driver's own for what no controller can say, "no_link".
    """
    reason = why.name if isinstance(why, Reason) else why
    return f"{wish.name}_refused_{reason}".lower()


def why_refused(wish: Wish, faults: tuple[str, ...]) -> tuple[str, ...]:
    """The reasons of the refusals of a wish among a driver's faults."""
    begin = refusal(wish, "")
    return tuple(fault.removeprefix(begin) for fault in faults if fault.startswith(begin))


def make_driver(link: Mapping[str, Any], limits: Limits) -> Driver:
    """Builds the driver that the `[link]` table of a robot TOML names; connects to nothing.

    Args:
        link: `driver` = a row of DRIVERS; its other keys are fields of that driver's `Config`.
        limits: of the robot; a driver knows the axes and their stop values from it.

    Raises:
        LinkTableError: an unknown driver, an option that the driver does not have, or one that it
            needs and that is not given.
    """
    name = link.get("driver")
    if name not in DRIVERS:
        raise LinkTableError(
            f"[link] driver is {name!r}: valid drivers are {', '.join(sorted(DRIVERS))}"
        )
    driver_class = pkgutil.resolve_name(DRIVERS[name])
    options = {key: value for key, value in link.items() if key != "driver"}
    known = {field.name: field for field in fields(driver_class.Config)}
    valid = f"valid options are {', '.join(sorted(known))}"
    for key in options:
        if key not in known:
            raise LinkTableError(f"[link] driver {name!r} has no option {key!r}: {valid}")
    for key, field in known.items():
        optional = field.default is not MISSING or field.default_factory is not MISSING
        if key not in options and not optional:
            raise LinkTableError(f"[link] driver {name!r} needs the option {key!r}: {valid}")
    return driver_class(limits, driver_class.Config(**options))
