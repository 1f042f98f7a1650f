"""One node's ends of all its edges: a socket each, its cells in the counters file, shared memory.

What comes in goes to the node's runner, what goes out is counted before it leaves. Nothing here
waits, except where a last word is said: who may wait, and for how long, is its caller's to say.
"""

import time
from collections.abc import Callable
from pathlib import Path

import zmq

from robot.border import Border
from robot.bus import EdgeReader, EdgeWriter, wrap
from robot.clock import Clock
from robot.control import HostTime
from robot.counters import EdgeCells
from robot.curve import Context, Socket
from robot.edges import Keep
from robot.graph import Edge, Graph
from robot.launch import Launch
from robot.rings import Rings, edge_name
from robot.runner import NodeRunner, Outgoing

LAST_MESSAGES_S = 1.2  # silence after which no message of a writer that has ended can be under way


class NodeEdges:
    """The ends of one node's edges."""

    def __init__(
        self,
        context: Context,
        launch: Launch,
        graph: Graph,
        runner: NodeRunner,
        rings: Rings,
        cells: dict[Edge, EdgeCells],
        clock: Clock,
        poller: zmq.Poller,
    ) -> None:
        """Opens them all; what comes in will wake ``poller``."""
        self._runner, self._rings, self._cells, self._poller = runner, rings, cells, poller
        self._readers: dict[Socket, EdgeReader] = {}
        self._writers: dict[str, list[EdgeWriter]] = {}
        self._full: dict[Socket, EdgeWriter] = {}
        """Ends of latest edges whose newest message waits for room."""
        self.gone: frozenset[str] = frozenset()
        """Nodes that have died: nothing comes from them, nothing goes to them."""
        keys = Path(launch.keys) if launch.keys else None
        self._border = Border(context, graph, launch.node, Path(launch.folder), keys, clock)
        for index, edge in enumerate(graph.edges):
            if edge.reader == launch.node:
                self._open_reader(context, index, edge)
            if edge.writer == launch.node:
                self._open_writer(context, index, edge, lossless=launch.lockstep)
        for socket in self._readers:
            poller.register(socket, zmq.POLLIN)
        if self._border.socket is not None:
            poller.register(self._border.socket, zmq.POLLIN)
        self._handed = {
            port: max((cells[w.edge].sent for w in writers), default=0)
            for port, writers in self._writers.items()
        }
        if launch.life:
            runner.resume(self._handed, {edge: cells[edge].read() for edge in runner.edges})
            for port, writers in self._writers.items():
                for writer in writers:
                    cells[writer.edge].resume(self._handed[port])
        self._heard_s = dict.fromkeys(self._readers, time.monotonic())

    def _open_reader(self, context: Context, index: int, edge: Edge) -> None:
        way = self._border.way(index, edge)
        shared = None if way.keys else self._rings.reader(index, edge)
        reader = EdgeReader(context, way.address, edge, way.keys, ring=shared)
        self._readers[reader.socket] = reader

    def _open_writer(self, context: Context, index: int, edge: Edge, *, lossless: bool) -> None:
        way = self._border.way(index, edge)
        writer = EdgeWriter(
            context,
            way.address,
            edge,
            way.keys,
            way.peer,
            lossless=lossless,
            name=edge_name(index),
            ring=None if way.keys else self._rings.writer(edge.output),
        )
        self._writers.setdefault(edge.output, []).append(writer)

    def serve(self, socket: Socket) -> bool:
        """Does what a socket that the poller named is ready for; True when it wakes the node."""
        if socket in self._readers:
            return self._drain(self._readers[socket])
        if socket is self._border.socket:
            self._border.answer()
        elif socket in self._full:
            writer = self._full[socket]
            writer.flush()
            self._await_room(writer)
        return False

    def _drain(self, reader: EdgeReader) -> bool:
        """Takes in all messages that wait on one edge; True when one of them wakes the node."""
        woken = False
        while (frames := reader.receive()) is not None:
            self._runner.writer_resumed(reader.edge, self._cells[reader.edge].resumed)
            self._runner.push(reader.edge, self._border.localise(reader.edge, frames))
            self._cells[reader.edge].set_taken(*self._runner.counts(reader.edge))
            self._heard_s[reader.socket] = time.monotonic()
            woken = woken or self._runner.spec.inputs[reader.edge.input].wakes
        return woken

    def send(self, outgoing: list[Outgoing], may_wait: Callable[[], bool]) -> list[Edge]:
        """Sends to every reader of each port; a full queue shows in the reader's seq gap.

        Args:
            outgoing: the messages.
            may_wait: called while a reader has no room; False: the message is given up.

        Returns:
            The lossless edges whose reader let the writer's time run out.
        """
        late = []
        for port, frames in outgoing:
            writers = self._writers.get(port, ())
            if not writers:
                continue
            self._handed[port] += 1
            parcel = wrap(frames, self._rings.writer(port))
            for writer in writers:
                self._cells[writer.edge].set_sent(self._handed[port])
                while not (writer.edge.reader in self.gone or writer.send(parcel)):
                    if not may_wait():
                        late.append(writer.edge)
                        break
                self._await_room(writer)
        return [edge for edge in late if edge.policy.keep is Keep.LOSSLESS]

    def _await_room(self, writer: EdgeWriter) -> None:
        """Wakes this node when a socket can take the message that waits for it, and only then."""
        if writer.pending == (writer.socket in self._full):
            return
        if writer.pending:
            self._full[writer.socket] = writer
            self._poller.register(writer.socket, zmq.POLLOUT)
        else:
            del self._full[writer.socket]
            self._poller.unregister(writer.socket)

    def learn(self, time: HostTime) -> None:
        """Takes in what is known of another host's clock."""
        self._border.learn(time)

    def refusals(self) -> list[str]:
        """Which unknown hosts knocked since the last call."""
        return self._border.alerts()

    def excuse_silence(self) -> None:
        """The node stood still and heard nobody: the writers' silence counts from now."""
        self._heard_s = dict.fromkeys(self._readers, time.monotonic())

    def have_ended(self, *, delayed: bool) -> bool:
        """Whether nothing more can come; ``delayed``: on the delayed edges either."""
        readers = self._readers.values()
        return all(self._ended(r) for r in readers if delayed or not r.edge.policy.delayed)

    def _ended(self, reader: EdgeReader) -> bool:
        """Whether nothing more can come on an edge.

        A marker may have found no room while this node stood still; the counters tell it as well.
        """
        cells = self._cells[reader.edge]
        quiet_s = time.monotonic() - self._heard_s[reader.socket]
        if reader.sent is None and cells.ended and quiet_s > LAST_MESSAGES_S:
            reader.sent = cells.sent
        return reader.sent is not None or reader.edge.writer in self.gone

    def say_last_words(self) -> None:
        """Tells every reader how many messages there were, by file first: it waits for nobody."""
        writers = [(port, writer) for port, ends in self._writers.items() for writer in ends]
        for port, writer in writers:
            self._cells[writer.edge].end(self._handed[port])
        for port, writer in writers:
            if writer.edge.reader not in self.gone:
                writer.end(self._runner.sent[port])

    def settle(self) -> None:
        """Counts what the writers' last words say was sent and never came."""
        for reader in self._readers.values():
            cells = self._cells[reader.edge]
            sent = cells.sent if reader.sent is None and cells.ended else reader.sent
            if sent is not None:
                self._runner.writer_resumed(reader.edge, cells.resumed)
                self._runner.close_edge(reader.edge, sent)
                cells.set_taken(*self._runner.counts(reader.edge))

    def gauges(self) -> dict[str, float]:
        """What shared memory and the border counted."""
        return self._rings.gauges() | self._border.gauges()

    def close(self, linger_ms: int | None = None) -> None:
        """Closes every socket and lets go of shared memory.

        Args:
            linger_ms: how long last messages may take to be delivered; None: as each edge asks.
        """
        for reader in self._readers.values():
            reader.close()
        for writer in (writer for writers in self._writers.values() for writer in writers):
            writer.close(linger_ms)
        self._border.close()
        self._rings.close()
