"""``reflexarc estop``: takes the torque off, at once, until somebody resets it."""

from dataclasses import dataclass

import tyro

from robot.demanding import demand_of
from robot.run_registry import NoRunError, find_run, running
from robot.wishes import Demand


@dataclass(frozen=True)
class Estop:
    """Stop the robots of all runs at once, or of one; only reflexarc arm --reset ends it.

    Example: reflexarc estop
    """

    run: tyro.conf.Positional[str | None] = None
    """The run's process number, graph or run folder; without it all that are going on."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Asks; exit code 1 if one of them may still move."""
        entries = running() if self.run is None else [find_run(self.run)]
        if not entries:
            raise NoRunError("no run is going on, so there is nothing to stop")
        return demand_of(entries, Demand.ESTOP, as_json=self.json)
