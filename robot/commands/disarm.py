"""``reflexarc disarm``: takes the torque off a robot in order."""

from dataclasses import dataclass

import tyro

from robot.demanding import demand_of
from robot.run_registry import find_run
from robot.wishes import Demand


@dataclass(frozen=True)
class Disarm:
    """Take the torque off the robot of a run, which goes on; says what came of it.

    Example: reflexarc disarm room_hil
    """

    run: tyro.conf.Positional[str | None] = None
    """The run's process number, graph or run folder; without it the only one that is going on."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Asks; exit code 1 if the robot is not disarmed then."""
        return demand_of([find_run(self.run)], Demand.DISARM, as_json=self.json)
