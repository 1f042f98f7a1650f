"""``reflexarc validate``: is this graph right?"""

import json
import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from robot.graph import load_graph
from robot.validation import step_rate_hz, validate


@dataclass(frozen=True)
class Validate:
    """Check a graph without running it: ports, types, rates, loops, reach, limits, calibration.

    Example: reflexarc validate room_sim --set simulator.options.obstacles=6
    """

    graph: tyro.conf.Positional[str]
    """A name under configs/graphs/, or the path of a .toml file."""
    set: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NODE.KEY=VALUE")
    ] = ()
    """Overrides a parameter of a node; may be given several times."""
    json: bool = False
    """Print the resolved graph as JSON."""

    def __call__(self) -> int:
        """Prints the nodes and edges; raises an InputError where the graph is wrong."""
        graph = load_graph(self.graph, self.set)
        validate(graph)
        if self.json:
            sys.stdout.write(
                json.dumps({"valid": True, **json.loads(graph.resolved_json())}) + "\n"
            )
            return 0
        clock = "lockstep or wall" if graph.makes_lockstep else "wall"
        lines = [f"{graph.path}: valid ({clock} clock, robot {graph.robot.name})"]
        for node in graph.nodes.values():
            rate_hz = step_rate_hz(graph, node)
            rate = f"{rate_hz:g} Hz" if rate_hz else "on message"
            lines.append(f"  {node.name:<12} {node.class_name:<10} {rate}")
        lines += [f"  {edge}  ({edge.type.__name__}, {edge.policy})" for edge in graph.edges]
        sys.stdout.write("\n".join(lines) + "\n")
        return 0
