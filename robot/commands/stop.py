"""``reflexarc stop``: ends a run that is going on, in order."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from robot.run_control import RunClient
from robot.run_registry import find_run


@dataclass(frozen=True)
class Stop:
    """Ask a run to end in order, as Ctrl-C in its own terminal would.

    Example: reflexarc stop room_sim
    """

    run: tyro.conf.Positional[str | None] = None
    """The run's process number, graph or run folder; without it the only one that is going on."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Asks; does not wait for the end."""
        entry = find_run(self.run)
        client = RunClient(Path(entry.folder))
        try:
            client.stop()
        finally:
            client.close()
        if self.json:
            sys.stdout.write(json.dumps({"stopping": entry.pid, "graph": entry.graph}) + "\n")
        else:
            sys.stdout.write(f"{entry.graph} (process {entry.pid}) is stopping\n")
        return 0
