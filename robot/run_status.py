"""How a run is doing, put together from what its nodes last said of themselves.

The executor notes each node's vitals on a board; who watches the run (control socket, metrics)
reads it from another thread. Nothing here can make a node wait.
"""

import os
import threading
import time
from collections import deque

import msgspec

from robot.control import Vitals
from robot.executor import RunOptions
from robot.graph import Graph
from robot.messages import Telemetry
from robot.node import Role
from robot.validation import step_rate_hz

MAX_ALERTS = 100  # newest alerts shown of a run


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One node."""

    class_name: str
    expected_hz: float | None
    """How often it should step; None where nothing tells."""
    telemetry: Telemetry | None
    """What it last said; None before its first second."""
    heard_s: float | None
    """Seconds of real time since it said so."""


class EdgeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One edge, each end by its own counting; the ends speak at different moments."""

    policy: str
    sent: int | None = None
    """None while the writer has not spoken yet, as the others while the reader has not."""
    received: int | None = None
    dropped: int | None = None
    rate_hz: float | None = None
    age_ms_p50: float | None = None
    age_ms_p99: float | None = None
    age_ms_max: float | None = None


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A run at one moment."""

    graph: str
    clock: str
    """``wall`` or ``lockstep``."""
    pid: int
    run_dir: str | None
    run_seconds: float
    """Run so far, by the run's own clock."""
    wall_seconds: float
    stopping: bool
    """Whether somebody asked it to stop."""
    nodes: dict[str, NodeStatus]
    edges: dict[str, EdgeStatus]
    alerts: tuple[str, ...]
    """``node: text``, node by node, the newest last."""
    supervisor_alerts: tuple[str, ...] = ()
    """What the supervisor found: node, edges and their counts; the newest last."""


class StatusBoard:
    """Where an executor notes what it hears; any thread may read."""

    def __init__(self, graph: Graph, options: RunOptions) -> None:
        self._graph = graph
        self._options = options
        self._expected_hz = {n.name: step_rate_hz(graph, n) for n in graph.nodes.values()}
        self._lock = threading.Lock()
        self._vitals: dict[str, tuple[Vitals, float]] = {}
        self._found: deque[str] = deque(maxlen=MAX_ALERTS)
        self._began_s = time.monotonic()
        self._run_seconds = 0.0
        self.stopping = False
        self.actuators = tuple(
            node.name
            for node in graph.nodes.values()
            if node.node_class.role is Role.ACTUATOR and node.host == options.host
        )
        """Nodes of this host that have a driver."""

    def note(self, node: str, vitals: Vitals) -> None:
        """What a node says of itself, now."""
        with self._lock:
            self._vitals[node] = (vitals, time.monotonic())

    def alert(self, text: str) -> None:
        """What the supervisor found, now."""
        with self._lock:
            self._found.append(text)

    def progress(self, run_seconds: float) -> None:
        """How far the run is, by its own clock."""
        self._run_seconds = run_seconds

    def status(self) -> RunStatus:
        """The run at this moment."""
        with self._lock:
            heard, found = dict(self._vitals), tuple(self._found)
        now_s = time.monotonic()
        told = {name: vitals.telemetry for name, (vitals, _) in heard.items()}
        spoken_for = {f"supervisor: {text}" for text in found}  # by a node, for the log
        alerts = [
            f"{name}: {text}"
            for name, (vitals, _) in heard.items()
            for text in vitals.alerts
            if text not in spoken_for
        ]
        return RunStatus(
            graph=self._graph.name,
            clock="lockstep" if self._options.lockstep else "wall",
            pid=os.getpid(),
            run_dir=str(self._options.run_dir.resolve()) if self._options.run_dir else None,
            run_seconds=self._run_seconds,
            wall_seconds=now_s - self._began_s,
            stopping=self.stopping,
            nodes={
                name: NodeStatus(
                    class_name=spec.class_name,
                    expected_hz=self._expected_hz[name],
                    telemetry=told.get(name),
                    heard_s=now_s - heard[name][1] if name in heard else None,
                )
                for name, spec in self._graph.nodes.items()
            },
            edges=_edges(self._graph, told),
            alerts=tuple(alerts[-MAX_ALERTS:]),
            supervisor_alerts=found,
        )


def _edges(graph: Graph, told: dict[str, Telemetry]) -> dict[str, EdgeStatus]:
    """Both ends of every edge, side by side."""
    edges = {}
    for edge in graph.edges:
        writer, reader = told.get(edge.writer), told.get(edge.reader)
        seen = reader.edges.get(str(edge)) if reader else None
        edges[str(edge)] = EdgeStatus(
            policy=str(edge.policy),
            sent=writer.sent.get(edge.output) if writer else None,
            received=seen.received if seen else None,
            dropped=seen.dropped if seen else None,
            rate_hz=seen.rate_hz if seen else None,
            age_ms_p50=seen.age_ms_p50 if seen else None,
            age_ms_p99=seen.age_ms_p99 if seen else None,
            age_ms_max=seen.age_ms_max if seen else None,
        )
    return edges
