"""The transports that ``benchmarks.messaging`` compares: for each a sender and a receiver.

Every library is imported by the end that uses it, because the peers live in an environment of
their own which has none of our packages. No receiver polls without waiting.
"""

# That environment is not the one whose imports are checked:
# pyright: reportMissingImports=false

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

LARGEST = 6_220_800  # bytes: an image of 1920 x 1080 x 3
QUEUE = 1000  # messages that each transport may hold
Pixels = Any  # NDArray[np.uint8]; (size,)


class Sender(Protocol):
    """The writing end."""

    def __init__(self, folder: Path) -> None: ...

    def frame(self, size: int) -> Pixels:
        """Memory for the next frame, (size,) uint8."""
        ...

    def send(self, frame: Pixels) -> None:
        """Sends what ``frame`` gave out, now filled."""
        ...


class Receiver(Protocol):
    """The reading end."""

    def __init__(self, folder: Path) -> None: ...

    def receive(self) -> Pixels:
        """Waits for the next frame and gives a view on it, (size,) uint8."""
        ...


class OwnArray:
    """A sender that is handed an array of the node's own."""

    def frame(self, size: int) -> Pixels:
        return np.empty(size, np.uint8)


def our_edge() -> Any:
    """Message type and edge of our own transport."""
    from types import SimpleNamespace

    from benchmarks.messaging_nodes import Frame
    from robot.edges import parse_policy

    return SimpleNamespace(policy=parse_policy(f"queue({QUEUE})"), type=Frame)


class OursSender(OwnArray):
    """An edge as a node's process writes it."""

    def __init__(self, folder: Path) -> None:
        from robot.bus import wrap
        from robot.wire import encode

        self._edge = our_edge()
        self._ring: Any = None
        self._writer = self._open(folder)
        self._encode, self._wrap = encode, wrap
        self._seq = 0

    def _open(self, folder: Path) -> Any:
        """The writer's end."""
        import zmq

        from robot.bus import EdgeWriter, edge_address
        from robot.ring_writer import RingWriter

        self._ring = RingWriter(folder, "r0", ["e0"])
        return EdgeWriter(
            zmq.Context(), edge_address(folder, 0), self._edge, lossless=False, name="e0",
            ring=self._ring,
        )  # fmt: skip

    def send(self, frame: Pixels) -> None:
        message = self._edge.type(captured_ns=0, seq=self._seq, pixels=frame)
        self._seq += 1
        self._writer.send(self._wrap(self._encode(message), self._ring))


class OursLoanSender(OursSender):
    """The same, with frames made in a slot of shared memory."""

    def frame(self, size: int) -> Pixels:
        loaned = self._ring.loan((size,), "uint8")
        return super().frame(size) if loaned is None else loaned


class OursReceiver:
    """An edge as a node's process reads it."""

    def __init__(self, folder: Path) -> None:
        import zmq

        from robot.wire import decode

        self._edge = our_edge()
        self._reader = self._open(folder)
        self._decode = decode
        self._poller = zmq.Poller()
        self._poller.register(self._reader.socket, zmq.POLLIN)

    def _open(self, folder: Path) -> Any:
        """The reader's end."""
        import zmq

        from robot.bus import EdgeReader, edge_address
        from robot.ring_reader import RingReader

        ring = RingReader(folder, "r0", "e0")
        return EdgeReader(zmq.Context(), edge_address(folder, 0), self._edge, ring=ring)

    def _wait(self) -> None:
        """Until something has come."""
        self._poller.poll()

    def _frames(self) -> Any:
        """The frames of the next message."""
        while (frames := self._reader.receive()) is None:
            self._wait()
        return frames

    def receive(self) -> Pixels:
        return self._decode(self._edge.type, self._frames()).pixels


class ZmqSender(OwnArray):
    """Raw pyzmq: PUSH of the array."""

    def __init__(self, folder: Path, address: str = "ipc://{}/raw") -> None:
        import zmq

        self._socket = zmq.Context().socket(zmq.PUSH)
        self._socket.sndhwm = QUEUE
        self._socket.connect(address.format(folder))

    def send(self, frame: Pixels) -> None:
        self._socket.send(frame)


class ZmqReceiver:
    """Raw pyzmq: PULL of bytes."""

    def __init__(self, folder: Path, address: str = "ipc://{}/raw") -> None:
        import zmq

        self._socket = zmq.Context().socket(zmq.PULL)
        self._socket.rcvhwm = QUEUE
        self._socket.bind(address.format(folder))

    def receive(self) -> Pixels:
        return np.frombuffer(self._socket.recv(), np.uint8)


class ZmqPollReceiver(ZmqReceiver):
    """Raw pyzmq behind a poller, as whoever has several sockets must read, and as ours does."""

    def __init__(self, folder: Path) -> None:
        import zmq

        super().__init__(folder)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)

    def receive(self) -> Pixels:
        self._poller.poll()
        return super().receive()


class ZmqTcpSender(ZmqSender):
    """The same over TCP on loopback."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, f"tcp://127.0.0.1:{port_of(folder, 1)}")


class ZmqTcpReceiver(ZmqReceiver):
    """The same over TCP on loopback."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, f"tcp://127.0.0.1:{port_of(folder, 1)}")


def port_of(folder: Path, index: int) -> int:
    """A port that the benchmark found free."""
    return int((folder / "ports").read_text().split()[index])


def zenoh_session(folder: Path, end: str) -> Any:
    """A session with nobody else but the other end."""
    import zenoh

    config = zenoh.Config()
    config.insert_json5("mode", '"peer"')
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5(f"{end}/endpoints", f'["tcp/127.0.0.1:{port_of(folder, 0)}"]')
    return zenoh.open(config)


class ZenohSender(OwnArray):
    """Zenoh: a publisher that waits rather than drops."""

    def __init__(self, folder: Path) -> None:
        import zenoh

        self._session = zenoh_session(folder, "connect")
        self._publisher = self._session.declare_publisher(
            "frame", congestion_control=zenoh.CongestionControl.BLOCK, express=True
        )

    def send(self, frame: Pixels) -> None:
        self._publisher.put(frame.tobytes())  # the library takes bytes only


class ZenohReceiver:
    """Zenoh: a subscriber with a channel."""

    def __init__(self, folder: Path) -> None:
        import zenoh

        self._session = zenoh_session(folder, "listen")
        channel = zenoh.handlers.FifoChannel(QUEUE)
        self._subscriber = self._session.declare_subscriber("frame", channel)

    def receive(self) -> Pixels:
        return np.frombuffer(self._subscriber.recv().payload.to_bytes(), np.uint8)


def iceoryx_ports(folder: Path) -> tuple[Any, Any]:
    """Service of the frames, and the event that wakes the reader."""
    import ctypes

    import iceoryx2 as iox

    iox.set_log_level(iox.LogLevel.Error)
    node = iox.NodeBuilder.new().create(iox.ServiceType.Ipc)
    frames = (
        node.service_builder(iox.ServiceName.new(f"{folder}/frames"))
        .publish_subscribe(iox.Slice[ctypes.c_uint8])
        .subscriber_max_buffer_size(64)
        .enable_safe_overflow(True)
        .open_or_create()
    )
    event = node.service_builder(iox.ServiceName.new(f"{folder}/event")).event().open_or_create()
    return frames, event


class IceoryxLoanSender:
    """iceoryx2: frames made in a loaned sample, an event to wake the reader."""

    def __init__(self, folder: Path) -> None:
        frames, event = iceoryx_ports(folder)
        self._publisher = frames.publisher_builder().initial_max_slice_len(LARGEST).create()
        self._notifier = event.notifier_builder().create()
        self._sample: Any = None

    def frame(self, size: int) -> Pixels:
        self._sample = self._publisher.loan_slice_uninit(size)
        return np.asarray(self._sample.payload().as_memory_view()).view(np.uint8)

    def send(self, frame: Pixels) -> None:
        del frame  # it is the sample's own memory
        self._sample.assume_init().send()
        self._notifier.notify()


class IceoryxSender(IceoryxLoanSender):
    """iceoryx2: an array of the node's own, copied into a loaned sample."""

    def frame(self, size: int) -> Pixels:
        return np.empty(size, np.uint8)

    def send(self, frame: Pixels) -> None:
        super().frame(frame.size)[:] = frame
        super().send(frame)


class IceoryxReceiver:
    """iceoryx2: waits for the event, reads in place."""

    def __init__(self, folder: Path) -> None:
        import iceoryx2 as iox

        frames, event = iceoryx_ports(folder)
        self._subscriber = frames.subscriber_builder().create()
        self._listener = event.listener_builder().create()
        self._long = iox.Duration.from_secs(1)
        self._sample: Any = None

    def receive(self) -> Pixels:
        self._sample = None
        while (sample := self._subscriber.receive()) is None:
            self._listener.timed_wait(self._long)
        self._sample = sample  # its memory is lent as long as it lives
        return np.asarray(sample.payload().as_memory_view()).view(np.uint8)


class DoraSender(OwnArray):
    """dora-rs: an output of Arrow data; started by dora itself."""

    def __init__(self, folder: Path) -> None:
        del folder  # dora tells its nodes by itself
        import pyarrow as pa
        from dora import Node

        self._array = pa.array
        self._node = Node()

    def send(self, frame: Pixels) -> None:
        self._node.send_output("frame", self._array(frame))


class DoraReceiver:
    """dora-rs: an input of Arrow data."""

    def __init__(self, folder: Path) -> None:
        del folder
        from dora import Node

        self._node = Node()

    def receive(self) -> Pixels:
        while True:
            event = self._node.next()
            if event is None:
                raise SystemExit(0)
            if event["type"] == "INPUT":
                return event["value"].to_numpy(zero_copy_only=True)


class Transport(NamedTuple):
    """One row of the comparison."""

    title: str
    sender: type[Sender]
    receiver: type[Receiver]
    package: str | None = None
    """What the peers' environment must hold for it; None: runs in ours."""


TRANSPORTS: dict[str, Transport] = {
    "ours": Transport("reflexarc, own array", OursSender, OursReceiver),
    "ours_loan": Transport("reflexarc, loaned slot", OursLoanSender, OursReceiver),
    "zmq_ipc": Transport("pyzmq ipc", ZmqSender, ZmqReceiver),
    "zmq_poll": Transport("pyzmq ipc behind a poller", ZmqSender, ZmqPollReceiver),
    "zmq_tcp": Transport("pyzmq tcp", ZmqTcpSender, ZmqTcpReceiver),
    "zenoh": Transport("zenoh", ZenohSender, ZenohReceiver, "eclipse-zenoh"),
    "iceoryx2": Transport("iceoryx2, own array", IceoryxSender, IceoryxReceiver, "iceoryx2"),
    "iceoryx2_loan": Transport(
        "iceoryx2, loaned sample", IceoryxLoanSender, IceoryxReceiver, "iceoryx2"
    ),
    "dora": Transport("dora-rs", DoraSender, DoraReceiver, "dora-rs"),
}
