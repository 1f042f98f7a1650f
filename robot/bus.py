"""ZeroMQ between nodes: one PUSH/PULL pair per edge, over ipc, or tcp with CURVE between hosts.

A socket per edge, not one PUB per node: the queue's length is the edge's own, and a full queue is
an error that the writer sees, where PUB would drop in silence. A message goes out as
its wire frames, packed into one part while they are small; where large arrays lie in shared memory,
a notice that names their slots stands for them (``robot.shared_memory``). A reader gets the same
frames either way. One more kind, the end marker, tells how many messages were sent in all.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import zmq

from robot.curve import bind, connect
from robot.edges import EdgePolicy, Keep
from robot.graph import Edge
from robot.keys import KeyRing
from robot.ring_reader import RingReader
from robot.ring_writer import Placed, RingWriter
from robot.shared_memory import NOTICE
from robot.wire import MAX_ARRAY_BYTES, Frames, WireError, pack, unpack

IN_FLIGHT = 4  # messages a latest edge may hold in the sockets before the writer counts a drop
LINGER_MS = 1000  # how long a closed writer tries to hand over its last messages
FAR_LINGER_MS = 5000  # the same to another host, where what a network lost is sent again
LOSSLESS_WAIT_MS = 100  # between two looks, in lockstep, at whether the reader is still there
PACKED_BYTES = 32_000  # below this one part that holds all frames is quicker than several
_PACKED = b"\x01"  # begins a part that holds all frames; no msgpack map does so
_END = b"end"
_NO_MESSAGE = (NOTICE, _END)


def edge_address(folder: Path, index: int) -> str:
    """Where the reader of the graph's ``index``-th edge listens."""
    return f"ipc://{folder}/e{index}"


def parse_end(frames: Sequence[bytes]) -> int:
    """How many messages an end marker says were sent.

    Raises:
        WireError: not a decimal number of at most 18 digits behind the marker.
    """
    if len(frames) != 2 or not frames[1].isdigit() or len(frames[1]) > 18:
        raise WireError("end marker without a number of messages")
    return int(frames[1])


def high_water_mark(policy: EdgePolicy) -> int:
    """Messages that each end's socket may hold."""
    return IN_FLIGHT if policy.keep is Keep.LATEST else policy.depth


class Parcel(msgspec.Struct, frozen=True):
    """One message on its way to all readers of its port."""

    frames: Frames
    """Header and buffers; a buffer that was placed is the slot's own memory."""
    placed: Sequence[Placed | None] = ()
    """Per buffer its slot, which it keeps as long as this object lives; empty: all is inline."""
    record: bytes = b""
    """All frames of a small message in one part, packed once for all edges; else empty."""

    def kept(self) -> "Parcel":
        """The same, good even when the node changes its arrays."""
        if self.record:
            return self
        slots = self.placed or [None] * (len(self.frames) - 1)
        buffers = [f if slot else bytes(f) for f, slot in zip(self.frames[1:], slots, strict=True)]
        return Parcel([self.frames[0], *buffers], self.placed)


def wrap(frames: Frames, ring: RingWriter | None = None) -> Parcel:
    """A message with its large arrays put into shared memory, once for all edges."""
    if record := _packed(frames):
        return Parcel(frames, (), record)
    if ring is None:
        return Parcel(frames)
    placed = [ring.place(buffer) for buffer in frames[1:]]
    if not any(placed):
        return Parcel(frames)
    buffers = [p.buffer if p else f for f, p in zip(frames[1:], placed, strict=True)]
    return Parcel([frames[0], *buffers], placed)


def _packed(frames: Frames) -> bytes:
    """The one part that holds all frames; empty where they are too large for that."""
    size = 0
    for frame in frames:
        size += len(frame)
    return pack(frames, _PACKED) if size < PACKED_BYTES else b""


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
        name: str = "",
        ring: RingWriter | None = None,
    ) -> None:
        self.edge = edge
        self.socket = context.socket(zmq.PUSH)
        self.socket.sndhwm = high_water_mark(edge.policy)
        self._patience_ms = LINGER_MS if keys is None else FAR_LINGER_MS
        self.socket.linger = self._patience_ms
        self.socket.reconnect_ivl = 10
        self._name = name
        self._ring = ring
        self._timeout_ms = LOSSLESS_WAIT_MS if lossless else round(edge.policy.timeout_s * 1000)
        self._overwrites = edge.policy.keep is Keep.LATEST and not lossless
        self._pending: Parcel | None = None
        connect(self.socket, address, keys, peer)

    @property
    def pending(self) -> bool:
        """Whether the newest message of a latest edge waits until its socket has room."""
        return self._pending is not None

    def send(self, parcel: Parcel) -> bool:
        """Sends one message; False when the reader was too slow, within the wait of the edge.

        On a latest edge the message then waits here, and the next one overwrites it: what a reader
        finds after a stall ends with the newest message, not with the oldest.
        """
        self._pending = None
        if self._timeout_ms:
            self.socket.poll(self._timeout_ms, zmq.POLLOUT)
        if self._try(parcel):
            return True
        if self._overwrites:
            self._pending = parcel.kept()
        return False

    def flush(self) -> None:
        """Sends the message that waits, if there is room for it now."""
        if self._pending is not None and self._try(self._pending):
            self._pending = None

    def end(self, sent: int) -> None:
        """Sends the end marker: ``sent`` messages were sent in all; waits a while for room."""
        while self.socket.poll(self._patience_ms, zmq.POLLOUT):
            self.flush()
            try:
                self.socket.send_multipart([_END, str(sent).encode()], zmq.DONTWAIT)
            except zmq.Again:
                continue
            return

    def close(self, linger_ms: int | None = None) -> None:
        """Closes the socket once what it holds is delivered, or after a while.

        Args:
            linger_ms: how long that may take; None: as long as the edge's reader is given.
        """
        self.socket.close(linger_ms)

    def _try(self, parcel: Parcel) -> bool:
        """Sends a message if the socket has room."""
        leased = None
        if self._ring and parcel.placed:
            leased = self._ring.lease(self._name, parcel.frames, parcel.placed)
        record = _packed(leased) if leased else parcel.record
        try:
            if record:
                self.socket.send(record, zmq.DONTWAIT)
            else:
                self.socket.send_multipart(leased or parcel.frames, zmq.DONTWAIT)
        except zmq.Again:
            if self._ring and leased:
                self._ring.take_back(self._name, parcel.placed)
            return False
        return True


class EdgeReader:
    """The reader's end of one edge."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        edge: Edge,
        keys: KeyRing | None = None,
        *,
        ring: RingReader | None = None,
    ) -> None:
        self.edge = edge
        self.sent: int | None = None
        """What the writer sent in all, once its end marker has come."""
        self._ring = ring
        self.socket = context.socket(zmq.PULL)
        self.socket.rcvhwm = high_water_mark(edge.policy)
        self.socket.maxmsgsize = MAX_ARRAY_BYTES
        bind(self.socket, address, keys)

    def receive(self) -> Frames | None:
        """The next message's frames; None when none waits or the edge has ended.

        Raises:
            WireError: a record, a notice of slots, or an end marker that is none.
        """
        while True:
            try:
                first = self.socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return None
            frames = self._frames(first)
            if not frames[0].startswith(_NO_MESSAGE):
                return frames
            if frames[0] == _END:
                self.sent = parse_end(frames)
                return None
            if not frames[0].startswith(NOTICE):
                return frames
            if self._ring is None:
                raise WireError(
                    f"{self.edge}: names slots of shared memory, which it does not share"
                )
            if (placed := self._ring.frames(frames)) is not None:
                return placed

    def close(self) -> None:
        """Closes the socket at once; views on shared memory stay valid."""
        self._ring = None
        self.socket.close(linger=0)

    def _frames(self, first: bytes) -> list[bytes]:
        """All frames of the message that begins with ``first``."""
        if not first.startswith(_PACKED):
            return [first, *self._rest()]
        frames = unpack(first, len(_PACKED))
        if not frames:
            raise WireError("a message of no frames")
        return frames

    def _rest(self) -> list[bytes]:
        """The parts behind the first."""
        more = self.socket.getsockopt(zmq.RCVMORE)
        return self.socket.recv_multipart(zmq.DONTWAIT) if more else []
