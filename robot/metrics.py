"""A run's figures for Prometheus, on loopback: ``reflexarc run GRAPH --metrics PORT``.

Each scrape reads the run's status board, so nothing is kept twice and nobody on the bus notices.
The package prometheus-client is an extra; a robot that is not scraped does not need it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from perception.quantities import InputError
from robot.run_status import EdgeStatus, RunStatus, StatusBoard

HOST = "127.0.0.1"


class MetricsError(InputError):
    """The metrics cannot be served."""


class NodeMetric(NamedTuple):
    """One figure per node, taken from its telemetry."""

    name: str
    counts: bool
    """Whether it only grows."""
    help: str
    value: Callable[[Any], float | None]


class EdgeMetric(NamedTuple):
    """One figure per edge."""

    name: str
    counts: bool
    help: str
    value: Callable[[EdgeStatus], float | None]


NODE_METRICS = (
    NodeMetric("reflexarc_node_steps", True, "Steps taken", lambda t: t.steps),
    NodeMetric("reflexarc_node_rate_hz", False, "Steps per second", lambda t: t.rate_hz),
    NodeMetric(
        "reflexarc_node_step_seconds_p99",
        False,
        "99th percentile of the time of a step over the last second",
        lambda t: t.step_ms_p99 / 1e3,
    ),
    NodeMetric("reflexarc_node_overruns", True, "Deadlines missed", lambda t: t.overruns),
    NodeMetric(
        "reflexarc_node_cpu_share",
        False,
        "CPU time per second of real time, 1 is one core",
        lambda t: t.cpu_share,
    ),
    NodeMetric(
        "reflexarc_node_memory_bytes",
        False,
        "Resident memory of the node's process",
        lambda t: None if t.memory_mb is None else t.memory_mb * 1e6,
    ),
)
EDGE_METRICS = (
    EdgeMetric("reflexarc_edge_sent", True, "Messages sent by the writer", lambda e: e.sent),
    EdgeMetric("reflexarc_edge_received", True, "Messages the reader got", lambda e: e.received),
    EdgeMetric(
        "reflexarc_edge_dropped", True, "Messages the reader never got", lambda e: e.dropped
    ),
    EdgeMetric(
        "reflexarc_edge_age_seconds_p99",
        False,
        "99th percentile of the age of data when used, over the last second",
        lambda e: None if e.age_ms_p99 is None else e.age_ms_p99 / 1e3,
    ),
)


@contextmanager
def serve_metrics(board: StatusBoard, port: int | None) -> Iterator[int | None]:
    """Serves a run's figures while it lasts; yields the port, or None where none was asked for.

    Args:
        board: where the run's status is.
        port: on loopback; 0: any that is free; None: nothing is served.

    Raises:
        MetricsError: the port is taken, or the package is missing.
    """
    if port is None:
        yield None
        return
    try:
        from prometheus_client import start_http_server
        from prometheus_client.registry import CollectorRegistry
    except ImportError as error:
        raise MetricsError(
            "--metrics needs the package prometheus-client: pip install 'reflexarc[metrics]'"
        ) from error
    registry = CollectorRegistry()
    registry.register(_Collector(board))
    try:
        server, thread = start_http_server(port, addr=HOST, registry=registry)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a port"
        raise MetricsError(f"--metrics {port}: {reason}; give a free port, 1 to 65535") from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Collector:
    """Reads the board at each scrape."""

    def __init__(self, board: StatusBoard) -> None:
        self._board = board

    def collect(self) -> Iterator[Any]:
        """All metrics of this moment."""
        status = self._board.status()
        yield from _run_metrics(status)
        telemetry = {name: n.telemetry for name, n in status.nodes.items() if n.telemetry}
        for metric in NODE_METRICS:
            yield _family(metric, "node", {n: metric.value(t) for n, t in telemetry.items()})
        for metric in EDGE_METRICS:
            yield _family(metric, "edge", {e: metric.value(s) for e, s in status.edges.items()})


def _run_metrics(status: RunStatus) -> Iterator[Any]:
    seconds = NodeMetric(
        "reflexarc_run_seconds", True, "Time run, by the run's own clock", lambda s: s.run_seconds
    )
    yield _family(seconds, "graph", {status.graph: seconds.value(status)})
    heard = NodeMetric(
        "reflexarc_node_silence_seconds",
        False,
        "Time since the node last told how it does",
        lambda n: n.heard_s,
    )
    yield _family(heard, "node", {n: heard.value(node) for n, node in status.nodes.items()})


def _family(metric: NodeMetric | EdgeMetric, label: str, values: dict[str, float | None]) -> Any:
    """One metric with a sample per label; what is not known has no sample."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if metric.counts else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=[label])
    for name, value in values.items():
        if value is not None:
            family.add_metric([name], value)
    return family
