"""Where the time of one frame went, node by node, from the log of a run.

A message keeps the ``captured_ns`` of the data that it was made from, so the messages of one frame
are those of equal ``captured_ns`` along the graph's edges. Each hop runs from the moment when the
message before was handed to the bus to the moment when this one was: transport, waiting for the
node, and its work together. The first hop begins at capture.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from mcap.records import Metadata
from mcap.stream_reader import StreamReader

from perception.quantities import InputError
from robot.graph import BUILT_IN_OUTPUTS
from robot.log_records import RECORD_LIMIT_BYTES
from robot.record import DAMAGE, LogError, Logged, LogReader

Port = tuple[str, str]
"""A node and one of its output ports."""
Streams = Mapping[Port, Mapping[int, int]]
"""Per output port, when the first message of each ``captured_ns`` was sent, in ns."""

OF_THE_MACHINE = tuple(output.type for output in BUILT_IN_OUTPUTS.values())
"""Messages that every node sends of itself; no frame is in them."""
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


class TraceError(InputError):
    """A log in which no frame can be followed."""


class HopTime(msgspec.Struct, frozen=True, kw_only=True):
    """One node's share of the way."""

    node: str
    port: str
    median_frame_ms: float
    """In the frame whose whole way took the median time."""
    worst_frame_ms: float
    """In the frame whose whole way took the 99th percentile."""
    all_ms: dict[str, float]
    """p50, p90, p99, max over all frames."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """The way of the frames through a graph."""

    graph: str
    frames: int
    """Frames that set out."""
    arrived: int
    """Frames that came to the end of the way; the others were overtaken or are not in the log."""
    hops: tuple[HopTime, ...]
    total_ms: dict[str, float]
    """p50, p90, p99, max of the whole way."""
    median_captured_ns: int
    worst_captured_ns: int


class LoggedGraph(NamedTuple):
    """What a log tells of its graph."""

    name: str
    edges: tuple[tuple[str, str, str], ...]
    """Writer, output, reader; edges that hand over a tick later are left out."""


def trace_log(log: Path, to: str | None = None) -> Trace:
    """Follows the frames of a log.

    Args:
        log: a run's ``log.mcap``.
        to: ``node.port`` that the way leads to; None: the end of the longest way.

    Raises:
        LogError: the log cannot be read.
        TraceError: no frame can be followed, or not to there.
    """
    graph = logged_graph(log)
    streams = sent_times(LogReader(log).messages())
    return trace(graph.name, longest_way(graph, streams, to), streams)


def logged_graph(log: Path) -> LoggedGraph:
    """The graph that a log was made by, from the log's own metadata.

    Raises:
        LogError: no log of ours.
    """
    try:
        with log.open("rb") as stream:
            records = StreamReader(stream, record_size_limit=RECORD_LIMIT_BYTES).records
            metadata = next(r for r in records if isinstance(r, Metadata) and r.name == "reflexarc")
        resolved: Any = json.loads(metadata.metadata["graph"])
        edges = (_edge(t) for t, policy in resolved["edges"].items() if "delayed" not in policy)
        return LoggedGraph(str(resolved["graph"]), tuple(edges))
    except OSError as error:
        raise LogError(f"{log}: cannot be read: {error.strerror}") from error
    except (StopIteration, KeyError, TypeError, AttributeError, *DAMAGE) as error:
        raise LogError(f"{log}: holds no graph, so nothing can be followed through it") from error


def _edge(text: str) -> tuple[str, str, str]:
    """Writer, output and reader in the text of an edge."""
    before, _, after = text.partition(" -> ")
    writer, output = before.split(".")
    return writer, output, after.partition(".")[0]


def sent_times(logged: Iterable[Logged]) -> Streams:
    """When each frame's message was sent, by output port; the machine's own load left out."""
    streams: dict[Port, dict[int, int]] = {}
    for entry in logged:
        message = entry.message
        if not isinstance(message, OF_THE_MACHINE):
            port = (message.source, entry.topic.rpartition("/")[2])
            streams.setdefault(port, {}).setdefault(message.captured_ns, message.sent_ns)
    return streams


def hops(graph: LoggedGraph, streams: Streams) -> dict[Port, list[Port]]:
    """Which output was made from which: the reader of an edge passed on its ``captured_ns``."""
    made_from: dict[Port, list[Port]] = {}
    for writer, output, reader in graph.edges:
        before = streams.get((writer, output), {})
        for port, after in streams.items():
            if port[0] == reader and before.keys() & after.keys():
                made_from.setdefault(port, []).append((writer, output))
    return made_from


def longest_way(graph: LoggedGraph, streams: Streams, to: str | None = None) -> list[Port]:
    """The output ports that a frame passes, from where it was captured on.

    Raises:
        TraceError: there is no way, or none to there.
    """
    made_from = hops(graph, streams)

    def way_to(port: Port, passed: tuple[Port, ...]) -> list[Port]:
        before = [way_to(p, (*passed, p)) for p in made_from.get(port, ()) if p not in passed]
        return [*max(before, key=lambda way: _rank(way, streams), default=[]), port]

    ways = {f"{port[0]}.{port[1]}": way_to(port, (port,)) for port in made_from}
    if not ways:
        raise TraceError(f"{graph.name}: no message in the log was made from another one's frame")
    if to is not None and to not in ways:
        raise TraceError(f"{graph.name}: no way leads to {to!r}; ends: {', '.join(sorted(ways))}")
    return ways[to] if to else max(ways.values(), key=lambda way: _rank(way, streams))


def trace(graph: str, way: Sequence[Port], streams: Streams) -> Trace:
    """The times of all frames that went a way.

    Raises:
        TraceError: none came to its end.
    """
    arrived = _arrived(way, streams)
    if not arrived:
        raise TraceError(f"{graph}: no frame came to {'.'.join(way[-1])}")
    steps_ms = {
        captured_ns: [(b - a) / 1e6 for a, b in zip([captured_ns, *sent], sent, strict=False)]
        for captured_ns, sent in arrived.items()
    }
    ordered = sorted(steps_ms, key=lambda captured_ns: sum(steps_ms[captured_ns]))
    median_ns, worst_ns = (nearest_rank(ordered, share) for share in (0.5, 0.99))
    return Trace(
        graph=graph,
        frames=len(streams[way[0]]),
        arrived=len(arrived),
        hops=tuple(
            HopTime(
                node=node,
                port=port,
                median_frame_ms=steps_ms[median_ns][i],
                worst_frame_ms=steps_ms[worst_ns][i],
                all_ms=spread([steps[i] for steps in steps_ms.values()]),
            )
            for i, (node, port) in enumerate(way)
        ),
        total_ms=spread([sum(steps) for steps in steps_ms.values()]),
        median_captured_ns=median_ns,
        worst_captured_ns=worst_ns,
    )


def spread(values: Sequence[float]) -> dict[str, float]:
    """Percentiles and maximum of values, of which there is at least one."""
    ordered = sorted(values)
    return {name: nearest_rank(ordered, s) for name, s in SHARES.items()} | {"max": ordered[-1]}


def nearest_rank(ordered: Sequence[Any], share: float) -> Any:
    """The element that ``share`` of a sorted sequence do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _arrived(way: Sequence[Port], streams: Streams) -> dict[int, list[int]]:
    """Per frame that came through, when each message of its way was sent."""
    return {
        captured_ns: sent
        for captured_ns in streams[way[0]]
        if all(captured_ns in streams[port] for port in way)
        and (sent := [streams[port][captured_ns] for port in way]) == sorted(sent)
    }


def _rank(way: Sequence[Port], streams: Streams) -> tuple[int, int, Sequence[Port]]:
    """Longer first, then what more frames went, then by name."""
    return len(way), len(_arrived(way, streams)), way
