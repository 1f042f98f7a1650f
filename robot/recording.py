"""A log as something that can be replayed: its graph, seed and clock, and who may run again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perception.quantities import InputError
from robot.graph import Graph, graph_from_resolved
from robot.record import LogError, LogReader


@dataclass(frozen=True)
class Recording:
    """A log that can be replayed."""

    path: Path
    graph: Graph
    seed: int
    lockstep: bool


def open_recording(path: Path, overrides: Sequence[str] = ()) -> Recording:
    """What a log tells of its run.

    Args:
        path: the log.
        overrides: ``node.key=value`` texts, to replay with another parameter.

    Raises:
        InputError: no log, one of another version or without graph, or a wrong override.
        LogError: cut short.
    """
    reader = LogReader(path)
    metadata = reader.metadata()
    if not reader.is_closed:
        raise LogError(f"{path}: is cut short; mend it with: reflexarc recover {path.parent}")
    missing = [key for key in ("graph", "seed", "clock") if key not in metadata]
    if missing:
        raise LogError(
            f"{path}: does not tell the {missing[0]} of its run, so nothing can be run again; "
            "record it anew"
        )
    graph = graph_from_resolved(metadata["graph"], path, overrides)
    if not (metadata["seed"].isdecimal() and metadata["clock"] in ("lockstep", "wall")):
        raise LogError(
            f"{path}: seed {metadata['seed']!r} or clock {metadata['clock']!r} is none; "
            "a seed is a whole number, a clock lockstep or wall"
        )
    return Recording(path, graph, int(metadata["seed"]), metadata["clock"] == "lockstep")


def nodes_to_run(graph: Graph, node: str | None, replace: Sequence[str]) -> frozenset[str]:
    """Nodes that run again: ``node``, or all but those in ``replace``; never a world or device.

    Raises:
        InputError: no such node, one that is only ever played back, or none is left.
    """
    able = [
        spec.name
        for spec in graph.nodes.values()
        if not spec.node_class.is_played_back(spec.config, graph.robot)
    ]
    for name in (*replace, *([] if node is None else [node])):
        if name not in graph.nodes:
            raise InputError(f"no node {name!r} in this log; nodes: {', '.join(graph.nodes)}")
    if node is not None and node not in able:
        raise InputError(
            f"node {node!r} is a world, a device or a watcher and is only ever played back; "
            f"nodes that can run again: {', '.join(able) or 'none'}"
        )
    chosen = frozenset(able if node is None else [node]) - frozenset(replace)
    if not chosen:
        raise InputError("no node is left to run again; name fewer with --replace")
    return chosen
