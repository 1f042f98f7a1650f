"""The interface behind which all hardware stands: send a command, read what was applied.

`send` and `read` are separate, because an observation never waits for an action. Neither blocks.
A driver receives commands that a `CommandLimiter` has passed; it watches only over their arrival.
"""

import pkgutil
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from firmware_bridge.drivers import DRIVERS
from firmware_bridge.errors import LinkTableError


class DriverState(NamedTuple):
    """What the hardware says of itself."""

    values: NDArray[np.float64]  # (n,) command being applied, in the axes' units
    stopped: bool  # it stopped by itself, whatever was sent
    faults: tuple[str, ...]  # why it stopped, or what it refused since the last read


class Driver(Protocol):
    """A kind of hardware."""

    def send(self, values: NDArray[np.float64], now_ns: int) -> None:
        """Hands over a command, (n,) in the axes' units, at monotonic time `now_ns`."""
        ...

    def read(self, now_ns: int) -> DriverState:
        """The newest state at monotonic time `now_ns`."""
        ...

    def close(self) -> None:
        """Stops the robot and frees the port. A second call does nothing."""
        ...


def make_driver(link: Mapping[str, Any], limits: Limits) -> Driver:
    """Builds the driver that the `[link]` table of a robot TOML names.

    Args:
        link: `driver` = a row of DRIVERS; its other keys are fields of that driver's `Config`.
        limits: of the robot; a driver knows the axes and their stop values from it.

    Raises:
        LinkTableError: an unknown driver, or an option that the driver does not have.
    """
    name = link.get("driver")
    if name not in DRIVERS:
        raise LinkTableError(
            f"[link] driver is {name!r}: valid drivers are {', '.join(sorted(DRIVERS))}"
        )
    driver_class = pkgutil.resolve_name(DRIVERS[name])
    options = {key: value for key, value in link.items() if key != "driver"}
    valid = sorted(field.name for field in fields(driver_class.Config))
    for key in options:
        if key not in valid:
            raise LinkTableError(
                f"[link] driver {name!r} has no option {key!r}: valid options are "
                + ", ".join(valid)
            )
    return driver_class(limits, driver_class.Config(**options))
