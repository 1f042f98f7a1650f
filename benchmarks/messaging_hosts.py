"""Transports between hosts, for ``benchmarks.messaging``: plain TCP, CURVE, and the whole border.

All on loopback, so that what is measured is the encryption and not a cable. ``border`` is what a
node's process does for an edge from another host: CURVE with its door-keeper, and the stamps of
what comes in are shifted by the estimated offset of the clocks.
"""

import time
from pathlib import Path
from typing import Any

from benchmarks.messaging_transports import (
    QUEUE,
    OursReceiver,
    OursSender,
    Pixels,
    Transport,
    port_of,
)

PLAIN, CURVE, BORDER = 2, 3, 4  # which of the free ports
BOUND_NS = 50_000  # of the estimated offset, as over a cable


class TcpSender(OursSender):
    """An edge over TCP without keys, which only loopback allows."""

    port = PLAIN

    def _open(self, folder: Path) -> Any:
        import zmq

        from robot.bus import EdgeWriter

        address = f"tcp://127.0.0.1:{port_of(folder, self.port)}"
        context, keys = zmq.Context(), self._keys(folder)
        return EdgeWriter(context, address, self._edge, keys, "here", lossless=False)

    def _keys(self, folder: Path) -> Any:
        """The sender's keys."""
        del folder


class TcpReceiver(OursReceiver):
    """The same, read."""

    port = PLAIN

    def _open(self, folder: Path) -> Any:
        import zmq

        from robot.bus import EdgeReader

        address = f"tcp://127.0.0.1:{port_of(folder, self.port)}"
        context, keys = zmq.Context(), self._keys(folder)
        return EdgeReader(self._guard(context, keys), address, self._edge, keys)

    def _keys(self, folder: Path) -> Any:
        """The receiver's keys."""
        del folder

    def _guard(self, context: Any, keys: Any) -> Any:
        """Puts a door-keeper to the context, where there are keys."""
        del keys
        return context


class CurveSender(TcpSender):
    """An edge over TCP with CURVE, both ends known to each other."""

    port = CURVE

    def _keys(self, folder: Path) -> Any:
        from robot.keys import KeyRing

        return KeyRing(folder / "there")


class CurveReceiver(TcpReceiver):
    """The same, read; the door-keeper is in the poll loop as in a node's process."""

    port = CURVE

    def _keys(self, folder: Path) -> Any:
        return make_keys(folder)["here"]

    def _guard(self, context: Any, keys: Any) -> Any:
        from robot.curve import DoorKeeper

        self._keeper = DoorKeeper(context, keys)
        return context

    def _wait(self) -> None:
        self._poller.register(self._keeper.socket)
        self._poller.poll()
        self._keeper.answer()


class BorderSender(OursSender):
    """An edge of a graph of two hosts, as the process of its writer opens it."""

    def _open(self, folder: Path) -> Any:
        import zmq

        from robot.bus import EdgeWriter

        context = zmq.Context()
        border, self._edge = border_of(context, folder, "camera")
        way = border.way(0, self._edge)
        return EdgeWriter(context, way.address, self._edge, way.keys, way.peer, lossless=False)


class BorderReceiver(OursReceiver):
    """The same, as the process of its reader does it: stamps come out on this host's clock."""

    def _open(self, folder: Path) -> Any:
        import zmq

        from robot.bus import EdgeReader

        make_keys(folder)
        context = zmq.Context()
        self._border, self._edge = border_of(context, folder, "viewer")
        way = self._border.way(0, self._edge)
        return EdgeReader(context, way.address, self._edge, way.keys)

    def _wait(self) -> None:
        self._poller.register(self._border.socket)
        self._poller.poll()
        self._border.answer()
        self._learn()

    def _learn(self) -> None:
        """What a supervisor tells a node's process about the other clock, here the same."""
        from robot.control import HostTime

        self._border.learn(HostTime("there", 0, BOUND_NS, time.monotonic_ns()))

    def receive(self) -> Pixels:
        """As any of ours, with the stamps shifted in between."""
        frames = self._border.localise(self._edge, self._frames())
        return self._decode(self._edge.type, frames).pixels


def make_keys(folder: Path) -> dict[str, Any]:
    """A key ring for each host, which trusts the other's."""
    from robot.keys import KeyRing, key_text

    rings = {name: KeyRing(folder / name) for name in ("here", "there")}
    pairs = {name: ring.create() for name, ring in rings.items()}
    rings["here"].trust("there", key_text(pairs["there"].public))
    rings["there"].trust("here", key_text(pairs["here"].public))
    return rings


def border_of(context: Any, folder: Path, node: str) -> tuple[Any, Any]:
    """A node's border in a graph of two hosts, and the one edge that crosses it."""
    from benchmarks.messaging_nodes import graph_of_two_hosts
    from robot.border import Border
    from robot.clock import WallClock

    graph = graph_of_two_hosts(folder, port_of(folder, BORDER), QUEUE)
    keys = folder / ("here" if node == "viewer" else "there")
    return Border(context, graph, node, folder, keys, WallClock()), graph.edges[0]


BETWEEN_HOSTS: dict[str, Transport] = {
    "tcp": Transport("reflexarc, plain TCP", TcpSender, TcpReceiver),
    "curve": Transport("reflexarc, TCP with CURVE", CurveSender, CurveReceiver),
    "border": Transport("reflexarc, edge between hosts", BorderSender, BorderReceiver),
}
