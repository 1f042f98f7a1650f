"""ZeroMQ between the nodes of one host: one PUSH/PULL pair per edge, over ipc.

A socket per edge, not one PUB per node: the queue's length is the edge's own, and a full queue is
an error that the writer sees, where PUB would drop in silence. A message goes out as
its wire frames; one more kind, the end marker, tells how many messages were sent in all.
"""

from pathlib import Path

import zmq

from robot.curve import bind, connect
from robot.edges import EdgePolicy, Keep
from robot.graph import Edge
from robot.keys import KeyRing
from robot.wire import MAX_ARRAY_BYTES, Frames, WireError

IN_FLIGHT = 4  # messages a latest edge may hold in the sockets before the writer counts a drop
LOSSLESS_WAIT_MS = 100  # between two looks, in lockstep, at whether the reader is still there
_END = b"end"


def edge_address(folder: Path, index: int) -> str:
    """Where the reader of the graph's ``index``-th edge listens."""
    return f"ipc://{folder}/e{index}"


def parse_end(count: bytes) -> int:
    """How many messages an end marker says were sent.

    Raises:
        WireError: no decimal number of at most 20 digits.
    """
    if not (count.isdigit() and len(count) <= 20):
        raise WireError(f"end marker: {count[:40]!r} is no number of messages")
    return int(count)


def high_water_mark(policy: EdgePolicy) -> int:
    """Messages that each end's socket may hold."""
    return IN_FLIGHT if policy.keep is Keep.LATEST else policy.depth


class EdgeWriter:
    """The writer's end of one edge."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        edge: Edge,
        keys: KeyRing | None = None,
        peer: str = "",
        *,
        lossless: bool,
    ) -> None:
        self.edge = edge
        self._socket = context.socket(zmq.PUSH)
        self._socket.sndhwm = high_water_mark(edge.policy)
        self._socket.linger = 1000
        self._socket.reconnect_ivl = 10
        self._timeout_ms = LOSSLESS_WAIT_MS if lossless else round(edge.policy.timeout_s * 1000)
        connect(self._socket, address, keys, peer)

    def send(self, frames: Frames) -> bool:
        """Sends one message; False when the reader was too slow, within the wait of the edge."""
        if self._timeout_ms:
            self._socket.poll(self._timeout_ms, zmq.POLLOUT)
        try:
            self._socket.send_multipart(frames, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    def end(self, sent: int) -> None:
        """Sends the end marker: ``sent`` messages were sent in all; waits a second at most."""
        if self._socket.poll(1000, zmq.POLLOUT):
            self._socket.send_multipart([_END, str(sent).encode()])

    def close(self) -> None:
        """Closes the socket once what it holds is delivered, or after a second."""
        self._socket.close()


class EdgeReader:
    """The reader's end of one edge."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        edge: Edge,
        keys: KeyRing | None = None,
    ) -> None:
        self.edge = edge
        self.sent: int | None = None
        """What the writer sent in all, once its end marker has come."""
        self.socket = context.socket(zmq.PULL)
        self.socket.rcvhwm = high_water_mark(edge.policy)
        self.socket.maxmsgsize = MAX_ARRAY_BYTES
        bind(self.socket, address, keys)

    def receive(self) -> Frames | None:
        """The next message's frames; None when none waits or the edge has ended."""
        try:
            frames = self.socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None
        if len(frames) == 2 and frames[0] == _END:
            self.sent = parse_end(frames[1])
            return None
        return frames

    def close(self) -> None:
        """Closes the socket at once."""
        self.socket.close(linger=0)
