"""Lockstep: who may step next. Pure logic, shared by both executors, so their logs are equal.

Time moves in the ticks of the node that owns it. Within tick t a node steps once all its writers
are done with t, and only if its period has come or a message for it is there; nodes that do not
depend on each other may step at the same time. A delayed edge hands over what its writer sent up
to tick t-1, which is what closes a control loop.
"""

from collections.abc import Mapping

from robot.clock import SECOND_NS
from robot.graph import Edge, Graph


class LockstepSchedule:
    """One run's ticks. ``begin`` a tick, ``done`` for each node that ``ready`` gave out."""

    def __init__(self, graph: Graph) -> None:
        owner = graph.time_owner
        assert owner is not None  # noqa: S101 - validated
        assert owner.rate_hz is not None  # noqa: S101 - validated
        self.tick_ns = round(SECOND_NS / owner.rate_hz)
        self._tick = -1
        self._edges_into = {name: graph.edges_into(name) for name in graph.nodes}
        self._wakes = {
            (name, port): spec.wakes
            for name, node in graph.nodes.items()
            for port, spec in node.inputs.items()
        }
        self._writers = {
            name: {e.writer for e in edges if not e.policy.delayed}
            for name, edges in self._edges_into.items()
        }
        self._period_ticks = {
            name: round(owner.rate_hz / node.rate_hz) if node.rate_hz else None
            for name, node in graph.nodes.items()
        }
        self._sent: dict[tuple[str, str], int] = {}
        self._sent_before: dict[tuple[str, str], int] = {}
        self._consumed: dict[Edge, int] = dict.fromkeys(graph.edges, 0)
        self._pending: set[str] = set()
        self._running: set[str] = set()

    @property
    def now_ns(self) -> int:
        """Virtual time of the current tick."""
        return self._tick * self.tick_ns

    def begin(self) -> None:
        """Starts the next tick.

        Raises:
            RuntimeError: a node is not done with the current one.
        """
        if not self.complete:
            raise RuntimeError(f"tick {self._tick}: {self._pending | self._running} not done")
        self._tick += 1
        self._sent_before = dict(self._sent)
        self._pending = set(self._writers)

    @property
    def complete(self) -> bool:
        """Whether every node is done with the current tick."""
        return not self._pending and not self._running

    def ready(self) -> list[tuple[str, dict[Edge, int]]]:
        """Nodes to step now, each with the newest ``seq`` it shall see on each of its edges."""
        steps = []
        progress = True
        while progress:
            progress = False
            for name in sorted(self._pending):
                if self._writers[name] & (self._pending | self._running):
                    continue
                self._pending.remove(name)
                if self._steps(name):
                    self._running.add(name)
                    steps.append((name, self._visible(name)))
                else:
                    progress = True
        return steps

    def done(self, name: str, sent: Mapping[str, int]) -> None:
        """Notes that a node has stepped; ``sent`` counts its messages so far, by port."""
        self._running.remove(name)
        for port, count in sent.items():
            self._sent[name, port] = count

    def _steps(self, name: str) -> bool:
        """Whether the node's period has come or a message wakes it."""
        period = self._period_ticks[name]
        if period is not None and self._tick % period == 0:
            return True
        return any(
            self._wakes[name, edge.input] and self._available(edge) > self._consumed[edge]
            for edge in self._edges_into[name]
        )

    def _available(self, edge: Edge) -> int:
        """Messages of an edge that its reader may see in this tick, counted from the start."""
        counts = self._sent_before if edge.policy.delayed else self._sent
        return counts.get((edge.writer, edge.output), 0)

    def _visible(self, name: str) -> dict[Edge, int]:
        """Newest visible ``seq`` by edge; the reader has then consumed all of them."""
        for edge in self._edges_into[name]:
            self._consumed[edge] = self._available(edge)
        return {edge: self._available(edge) - 1 for edge in self._edges_into[name]}
