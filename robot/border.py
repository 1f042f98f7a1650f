"""Where a node's edges leave its host, or come in from another one.

An edge within a host is an ipc socket in the run's folder. One between hosts is tcp with CURVE, the
reader listening; the stamps of what comes in are shifted to this host's clock before anything
else sees them, so neither a node nor the log can tell where a message came from.
"""

from pathlib import Path
from typing import NamedTuple

from firmware_bridge.clock_sync import MAX_DRIFT, Estimate
from robot.bus import edge_address
from robot.clock import Clock
from robot.control import HostTime
from robot.curve import Context, DoorKeeper, Socket
from robot.graph import Edge, Graph
from robot.host_clock import shifted
from robot.keys import KeyRing
from robot.wire import Frames, decode, encode


class Way(NamedTuple):
    """How to reach the other end of an edge."""

    address: str
    keys: KeyRing | None
    """None: the edge stays on this host."""
    peer: str
    """The host that reads it, whose key a writer asks for."""


class Border:
    """All that one node's process knows of other hosts."""

    def __init__(
        self,
        context: Context,
        graph: Graph,
        node: str,
        folder: Path,
        keys: Path | None,
        clock: Clock,
    ) -> None:
        self._graph, self._folder, self._clock = graph, folder, clock
        self._known: dict[str, HostTime] = {}
        self._ring = KeyRing(keys) if graph.hosts else None
        listens = any(graph.crosses(edge) for edge in graph.edges_into(node))
        self._keeper = DoorKeeper(context, self._ring) if self._ring and listens else None

    @property
    def socket(self) -> Socket | None:
        """To be watched for reading, if there is a door to keep."""
        return self._keeper.socket if self._keeper else None

    def way(self, index: int, edge: Edge) -> Way:
        """Where the graph's ``index``-th edge goes."""
        if not self._graph.crosses(edge):
            return Way(edge_address(self._folder, index), None, "")
        reader = self._graph.nodes[edge.reader].host
        assert reader is not None  # noqa: S101 - validated
        return Way(self._graph.hosts[reader].edge_address(index), self._ring, reader)

    def answer(self) -> None:
        """Answers who knocks."""
        if self._keeper:
            self._keeper.answer()

    def alerts(self) -> list[str]:
        """Who was refused since the last call."""
        return self._keeper.alerts() if self._keeper else []

    def gauges(self) -> dict[str, float]:
        """What the door-keeper counted, if there is one."""
        if self._keeper is None:
            return {}
        refused = sum(self._keeper.refused.values())
        return {"peers_admitted": float(self._keeper.admitted), "peers_refused": float(refused)}

    def learn(self, time: HostTime) -> None:
        """Takes in what is known of another host's clock."""
        self._known[time.host] = time

    def localise(self, edge: Edge, frames: Frames) -> Frames:
        """The frames of a message with its stamps on this host's clock.

        Raises:
            WireError: no message of the edge's type.
        """
        host = self._graph.nodes[edge.writer].host
        if host is None or not self._graph.crosses(edge):
            return frames
        message = shifted(decode(edge.type, frames), self._estimate(host))
        return [encode(message)[0], *frames[1:]]

    def close(self) -> None:
        """Nobody comes in any more."""
        if self._keeper:
            self._keeper.close()

    def _estimate(self, host: str) -> Estimate | None:
        """The other clock now: the bound grows from when it was told."""
        time = self._known.get(host)
        if time is None or time.bound_ns < 0:
            return None
        age_ns = max(0, self._clock.now_ns() - time.at_ns)
        return Estimate(time.offset_ns, time.bound_ns + int(age_ns * MAX_DRIFT))
