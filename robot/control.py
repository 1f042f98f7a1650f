"""What the supervisor and the processes of its nodes say to each other.

Typed msgpack over one ipc socket in the run's 0700 folder: a supervisor's ROUTER, a DEALER per
node whose identity is the node's name.
"""

from pathlib import Path

import msgspec
import zmq

from robot.curve import bind
from robot.messages import Telemetry
from robot.node import NodeReport


class Start(msgspec.Struct, tag=True, frozen=True):
    """All nodes are ready: the run begins at ``start_ns``."""

    start_ns: int


class Step(msgspec.Struct, tag=True, frozen=True):
    """Lockstep: step now, seeing each in-edge up to its ``visible`` seq."""

    now_ns: int
    visible: tuple[int, ...]
    """In the order of the graph's edges into the node."""


class Stop(msgspec.Struct, tag=True, frozen=True):
    """End as soon as your inputs have ended; a source ends at once."""

    gone: tuple[str, ...] = ()
    """Nodes that died: no end marker will come from them."""


class HostTime(msgspec.Struct, tag=True, frozen=True):
    """Another host's clock minus this one's."""

    host: str
    offset_ns: int = 0
    bound_ns: int = -1
    """Below 0: not known."""
    at_ns: int = 0
    """When this was so, by this host's clock."""


class Halt(msgspec.Struct, tag=True, frozen=True):
    """To an actuator: the robot stops at once, or may be commanded again."""

    on: bool


class Announce(msgspec.Struct, tag=True, frozen=True):
    """Send this as an alert: the supervisor has no edge of its own to the log."""

    text: str


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The node is built and listens."""


class Done(msgspec.Struct, tag=True, frozen=True):
    """Lockstep: the step is over; messages sent so far, by port."""

    sent: dict[str, int]


class Vitals(msgspec.Struct, tag=True, frozen=True):
    """How the node is doing, once a second, for who watches the run."""

    telemetry: Telemetry
    alerts: tuple[str, ...]
    """Its newest, oldest first."""


class Finished(msgspec.Struct, tag=True, frozen=True):
    """A source has nothing more to say."""


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The node threw; it ends now."""

    error: str
    traceback: str
    user_error: bool
    """Whether a user's input caused it: one line is enough."""


class Bye(msgspec.Struct, tag=True, frozen=True):
    """The node has ended in order; its counters."""

    report: NodeReport


ToNode = Start | Step | Stop | Halt | Announce | HostTime
FromNode = Ready | Done | Vitals | Finished | Failed | Bye


class ControlError(ValueError):
    """Bytes on the control channel that are no order and no report."""


_encode = msgspec.msgpack.Encoder().encode
_decode_to_node = msgspec.msgpack.Decoder(ToNode).decode
_decode_from_node = msgspec.msgpack.Decoder(FromNode).decode


def decode_order(body: bytes) -> ToNode:
    """What the supervisor tells a node.

    Raises:
        ControlError: bytes that are no order.
    """
    try:
        return _decode_to_node(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ControlError(f"no order: {error}") from error


def decode_report(frames: list[bytes]) -> tuple[str, FromNode]:
    """A node's name, and what it tells the supervisor.

    Raises:
        ControlError: frames that are no report.
    """
    try:
        name, body = frames
        return name.decode(), _decode_from_node(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # a wrong count included
        raise ControlError(f"no report, from {frames[0][:40]!r}: {error}") from error


def control_address(folder: Path) -> str:
    """Where a run's supervisor listens."""
    return f"ipc://{folder}/control"


class NodeControl:
    """A node's end of the control channel."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], folder: Path, name: str) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, name.encode())
        self.socket.linger = 1000
        self.socket.connect(control_address(folder))

    def send(self, message: FromNode) -> None:
        """Tells the supervisor."""
        self.socket.send(_encode(message))

    def offer(self, message: FromNode) -> bool:
        """Tells the supervisor what may be missed; False when it has stopped listening."""
        try:
            self.socket.send(_encode(message), zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    def receive(self) -> ToNode | None:
        """The next order; None when there is none.

        Raises:
            ControlError: bytes that are no order.
        """
        try:
            order = self.socket.recv(zmq.DONTWAIT)
        except zmq.Again:
            return None
        return decode_order(order)


class SupervisorControl:
    """The supervisor's end of the control channel."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], folder: Path) -> None:
        self.socket = context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a restarted node keeps its name
        bind(self.socket, control_address(folder))

    def send(self, name: str, message: ToNode) -> None:
        """Orders one node; one that is gone never hears it."""
        self.socket.send_multipart([name.encode(), _encode(message)])

    def receive(self) -> tuple[str, FromNode] | None:
        """The next word from a node; None when none waits.

        Raises:
            ControlError: bytes that are no report.
        """
        try:
            frames = self.socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None
        return decode_report(frames)
