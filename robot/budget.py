"""What a running graph may cost, and whether it kept to it.

After openpilot's ``test_onroad``: the graph runs as its users run it, a process per node by wall
clock, and its own log is held against a budget. The measuring and the comparing are plain
functions over a log, so a recorded run can be judged as well as a fresh one.
"""

import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from perception.quantities import InputError
from robot.clock import SECOND_NS
from robot.config import find_config, read_toml, refuse_unknown, to_config
from robot.control import Vitals
from robot.executor import RunOptions
from robot.graph import Graph, load_graph
from robot.messages import Telemetry
from robot.record import LogReader
from robot.supervisor import Supervisor
from robot.trace import OF_THE_MACHINE, Port, Streams, hops, logged_graph, sent_times, spread
from robot.validation import validate


@dataclass(frozen=True)
class NodeBudget:
    """What one node may cost; what is not given is not asked."""

    cpu_share: float | None = None  # mean CPU time per second of real time, 1 = one core
    memory_mb: float | None = None  # resident memory at the end, 10^6 bytes
    memory_growth_mb: float | None = None  # resident memory at the end less that after warm-up
    latency_p50_ms: float | None = None  # from the message it used to the message it made of it
    latency_p99_ms: float | None = None


@dataclass(frozen=True)
class StreamBudget:
    """How one output port shall speak."""

    min_hz: float | None = None  # messages per second, at least
    max_hz: float | None = None  # and at most
    jitter: float | None = None  # standard deviation of the intervals, as a share of their mean
    age_p50_ms: float | None = None  # time since capture when a message was sent
    age_p99_ms: float | None = None


@dataclass(frozen=True)
class Budget:
    """A graph's budget, from ``configs/budgets/``."""

    graph: str  # a name under configs/graphs/, or a path
    seconds: float = 20.0  # s, how long it runs
    warm_up_s: float = 5.0  # s at the beginning that are not judged
    seed: int = 0
    cpu_share: float | None = None  # of all nodes together, 1 = one core
    nodes: dict[str, NodeBudget] = field(default_factory=dict)
    streams: dict[str, StreamBudget] = field(default_factory=dict)  # by node.port

    def __post_init__(self) -> None:
        if not 0 <= self.warm_up_s < self.seconds:
            raise InputError(
                f"warm_up_s = {self.warm_up_s:g} must be 0 or more, and less than "
                f"seconds = {self.seconds:g}"
            )


class NodeCost(NamedTuple):
    """What one node did cost."""

    cpu_share: float
    memory_mb: float
    memory_growth_mb: float
    latency_ms: dict[str, float] | None
    """p50 to max; None for a node that made nothing of a message."""


class StreamFigures(NamedTuple):
    """How one output port spoke."""

    rate_hz: float
    jitter: float
    age_ms: dict[str, float]


class Measured(NamedTuple):
    """A run in numbers."""

    nodes: dict[str, NodeCost]
    streams: dict[str, StreamFigures]


def load_budget(name_or_path: str) -> Budget:
    """Reads a budget by its name under ``configs/budgets/`` or by path.

    Raises:
        InputError: no such budget, or anything in it that is unknown or of the wrong type.
    """
    path = find_config("budgets", name_or_path)
    tables = read_toml(path)
    refuse_unknown(str(path), tables, Budget.__dataclass_fields__)
    rows = ("nodes", NodeBudget), ("streams", StreamBudget)
    typed: dict[str, Any] = {
        key: {
            name: to_config(f"{path}: {key}.{name}", row, kind)
            for name, row in _table(path, tables, key).items()
        }
        for key, kind in rows
    }
    return to_config(str(path), {**tables, **typed}, Budget)


def refuse_strangers(budget: Budget, graph: Graph) -> None:
    """Raises an InputError for a node or port of the budget that the graph does not have."""
    refuse_unknown(f"budget of {graph.name}: nodes", budget.nodes, graph.nodes)
    ports = [f"{node.name}.{port}" for node in graph.nodes.values() for port in node.outputs]
    refuse_unknown(f"budget of {graph.name}: streams", budget.streams, ports)


def run_budget(budget: Budget, overrides: tuple[str, ...], run_dir: Path) -> list[str]:
    """Runs the budget's graph, a process per node by wall clock; returns what went over.

    Raises:
        InputError: the budget names what the graph does not have, or the graph is not right.
    """
    graph = load_graph(budget.graph, overrides)
    validate(graph, lockstep=False)
    refuse_strangers(budget, graph)
    options = RunOptions(budget.seconds, budget.seed, lockstep=False, run_dir=run_dir)
    heard: list[Telemetry] = []

    def note(node: str, vitals: Vitals) -> None:
        told = vitals.telemetry
        heard.append(msgspec.structs.replace(told, source=node, sent_ns=told.captured_ns))

    supervisor = Supervisor(graph, overrides, options, lambda *_: None, note)
    result = supervisor.run(lambda _: None, lambda: False)
    if result.failures:
        return [f"{node}: failed: {error}" for node, error in result.failures.items()]
    return list(compare(measure(run_dir / "log.mcap", budget.warm_up_s, heard), budget))


def measure(log: Path, warm_up_s: float, heard: Sequence[Telemetry] = ()) -> Measured:
    """A recorded run in numbers, without its first ``warm_up_s`` seconds.

    Args:
        log: the run's log.
        warm_up_s: seconds.
        heard: telemetry that went past the log: a recorder does not record itself.

    Raises:
        LogError: the log cannot be read, or holds no graph.
    """
    logged = list(LogReader(log).messages())
    begin_ns = min((row.message.sent_ns for row in logged), default=0)
    end_of_warm_up_ns = begin_ns + warm_up_s * SECOND_NS
    judged = [row for row in logged if row.message.sent_ns >= end_of_warm_up_ns]
    latencies = _latencies_ms(logged_graph(log), sent_times(judged))
    told: dict[str, list[Telemetry]] = {}
    spoken: dict[str, list[Any]] = {}
    for row in judged:
        message = row.message
        if isinstance(message, Telemetry):
            told.setdefault(message.source, []).append(message)
        elif not isinstance(message, OF_THE_MACHINE):
            port = row.topic.rpartition("/")[2]
            spoken.setdefault(f"{message.source}.{port}", []).append(message)
    recorded = set(told)
    for message in heard:
        if message.source not in recorded and message.sent_ns >= end_of_warm_up_ns:
            told.setdefault(message.source, []).append(message)
    return Measured(
        {node: _cost(messages, latencies.get(node)) for node, messages in told.items()},
        {port: _figures(messages) for port, messages in spoken.items() if len(messages) > 2},
    )


def compare(measured: Measured, budget: Budget) -> Iterator[str]:
    """A line for each number that is over the budget, naming node, number and budget."""
    for name, allowed in budget.nodes.items():
        cost = measured.nodes.get(name)
        if cost is None:
            yield f"{name}: no telemetry of it was recorded"
            continue
        yield from _node_faults(name, cost, allowed)
    for name, wanted in budget.streams.items():
        figures = measured.streams.get(name)
        if figures is None:
            yield f"{name}: fewer than three of its messages were recorded"
            continue
        yield from _stream_faults(name, figures, wanted)
    total = sum(cost.cpu_share for cost in measured.nodes.values())
    yield from _over("all nodes", "CPU share", total, budget.cpu_share, "cores")


def _node_faults(name: str, cost: NodeCost, allowed: NodeBudget) -> Iterator[str]:
    yield from _over(name, "CPU share", cost.cpu_share, allowed.cpu_share, "cores")
    yield from _over(name, "memory", cost.memory_mb, allowed.memory_mb, "MB")
    yield from _over(name, "memory growth", cost.memory_growth_mb, allowed.memory_growth_mb, "MB")
    latency_ms = cost.latency_ms or {}
    for share, limit_ms in (("p50", allowed.latency_p50_ms), ("p99", allowed.latency_p99_ms)):
        if limit_ms is not None and share not in latency_ms:
            yield f"{name}: latency {share}: none was measured, it made nothing of what it read"
        yield from _over(name, f"latency {share}", latency_ms.get(share, 0.0), limit_ms, "ms")


def _stream_faults(name: str, figures: StreamFigures, wanted: StreamBudget) -> Iterator[str]:
    if wanted.min_hz is not None and figures.rate_hz < wanted.min_hz:
        yield f"{name}: rate {figures.rate_hz:.2f} Hz, budget at least {wanted.min_hz:g} Hz"
    yield from _over(name, "rate", figures.rate_hz, wanted.max_hz, "Hz")
    yield from _over(name, "jitter", figures.jitter, wanted.jitter, "of the mean interval")
    yield from _over(name, "age p50", figures.age_ms["p50"], wanted.age_p50_ms, "ms")
    yield from _over(name, "age p99", figures.age_ms["p99"], wanted.age_p99_ms, "ms")


def _over(where: str, what: str, value: float, limit: float | None, unit: str) -> Iterator[str]:
    """One line where a value is above its limit."""
    if limit is not None and not value <= limit:
        yield f"{where}: {what} {value:.2f} {unit}, budget {limit:g} {unit}"


def _table(path: Path, tables: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A table of tables."""
    table = tables.get(key, {})
    if not isinstance(table, dict) or not all(isinstance(row, dict) for row in table.values()):
        raise InputError(f"{path}: {key!r} must hold tables: write [{key}.NAME]")
    return table


def _latencies_ms(graph: Any, streams: Streams) -> dict[str, dict[str, float]]:
    """Per node, from the message that it used to the slowest one that it made of it."""
    slowest: dict[str, dict[str, float]] = {}
    for port, sources in hops(graph, streams).items():
        for before in sources:
            found = spread(_hop_ms(streams, before, port))
            node = port[0]
            if node not in slowest or found["p50"] > slowest[node]["p50"]:
                slowest[node] = found
    return slowest


def _hop_ms(streams: Streams, before: Port, after: Port) -> list[float]:
    """How long each frame took from one port to the next."""
    sent, made = streams[before], streams[after]
    return [(made[frame] - sent[frame]) / 1e6 for frame in sent.keys() & made.keys()]


def _cost(told: Sequence[Telemetry], latency_ms: dict[str, float] | None) -> NodeCost:
    cpu = [message.cpu_share or 0.0 for message in told]
    memory = [message.memory_mb or 0.0 for message in told]
    return NodeCost(statistics.fmean(cpu), memory[-1], memory[-1] - memory[0], latency_ms)


def _figures(messages: Sequence[Any]) -> StreamFigures:
    """Rates by sequence numbers, so that what a recorder lost does not count as silence."""
    first, last = messages[0], messages[-1]
    seconds = max(last.sent_ns - first.sent_ns, 1) / SECOND_NS
    intervals = [(b.sent_ns - a.sent_ns) / (b.seq - a.seq) for a, b in itertools.pairwise(messages)]
    return StreamFigures(
        rate_hz=(last.seq - first.seq) / seconds,
        jitter=statistics.pstdev(intervals) / max(statistics.fmean(intervals), 1),
        age_ms=spread([(m.sent_ns - m.captured_ns) / 1e6 for m in messages]),
    )
