"""``reflexarc arm``: lets a robot move."""

from dataclasses import dataclass

import tyro

from robot.demanding import demand_of
from robot.run_registry import find_run
from robot.wishes import Demand


@dataclass(frozen=True)
class Arm:
    """Let the robot of a run move, once you have seen that it may; says what came of it.

    Example: reflexarc arm room_hil --reset
    """

    run: tyro.conf.Positional[str | None] = None
    """The run's process number, graph or run folder; without it the only one that is going on."""
    reset: bool = False
    """End a protective stop or an e-stop first."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Asks; exit code 1 if the robot is not armed then."""
        demand = Demand.REARM if self.reset else Demand.ARM
        return demand_of([find_run(self.run)], demand, as_json=self.json)
