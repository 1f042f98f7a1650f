"""What the verbs `arm`, `disarm` and `estop` share: asking runs, and telling what came of it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perception.quantities import InputError
from robot.run_control import RunClient
from robot.run_registry import RunEntry
from robot.wishes import Demand


@dataclass(frozen=True)
class Answer:
    """What came of a demand at one actuator, or at a run that could not be asked."""

    graph: str
    pid: int
    node: str | None
    done: bool
    mode: str
    text: str

    def __str__(self) -> str:
        """One line."""
        node = "" if self.node is None else f" {self.node}:"
        return f"{self.graph} (process {self.pid}):{node} {self.text}"


def demand_of(entries: Sequence[RunEntry], demand: Demand, *, as_json: bool) -> int:
    """Asks each run and prints what came of it; 1 if anything was refused or not answered."""
    answers = [answer for entry in entries for answer in _ask(entry, demand)]
    if as_json:
        sys.stdout.write(json.dumps([vars(answer) for answer in answers]) + "\n")
    else:
        for answer in answers:
            stream = sys.stdout if answer.done else sys.stderr
            prefix = "" if answer.done else f"reflexarc: {demand}: "
            stream.write(f"{prefix}{answer}\n")
    return 0 if all(answer.done for answer in answers) else 1


def _ask(entry: RunEntry, demand: Demand) -> list[Answer]:
    """What came of it, by actuator; a run that does not answer keeps no other from being asked."""
    client = RunClient(Path(entry.folder))
    try:
        outcomes = client.demand(demand)
    except InputError as error:
        return [Answer(entry.graph, entry.pid, None, False, "unknown", str(error))]
    finally:
        client.close()
    return [
        Answer(entry.graph, entry.pid, node, outcome.done, outcome.mode, outcome.text)
        for node, outcome in sorted(outcomes.items())
    ]
