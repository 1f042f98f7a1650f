"""The way of a demand to the nodes that have a driver, past everything that may be busy.

A run's control thread and its actuators' processes talk to each other directly, not through the
supervisor's loop: an e-stop must not wait for whatever that does. An e-stop also outlives the
process that obeyed it: an actuator that comes up asks whether one is in force.
"""

import errno
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import zmq

from robot.curve import Context, bind
from robot.wishes import Asked, Demand, Outcome

ANSWER_S = 2.5  # until a node that does not answer is reported so; above `wishes.PATIENCE_NS`
WELCOME_S = 5.0  # until a node gives up that nobody could stop
HIGH_WATER_MARK = 16  # demands, and answers, that may wait for one node


class Hello(msgspec.Struct, tag=True, frozen=True):
    """A node with a driver has come up."""


class Welcome(msgspec.Struct, tag=True, frozen=True):
    """The answer to it."""

    estopped: bool


_encode = msgspec.msgpack.Encoder().encode
_decode_from_node = msgspec.msgpack.Decoder(Hello | Outcome).decode
_decode_to_node = msgspec.msgpack.Decoder(Welcome | Asked).decode


class WishChannelError(RuntimeError):
    """A node that nobody could stop refuses to run."""


def wish_address(folder: Path) -> str:
    """Where a run's control thread listens to its actuators."""
    return f"ipc://{folder}/wishes"


@dataclass
class _Pending:
    """A demand that some node has not answered yet."""

    envelope: list[bytes]
    waiting: set[str]
    deadline_s: float
    outcomes: dict[str, Outcome] = field(default_factory=dict)


class WishServer:
    """The control thread's end; one thread uses it."""

    def __init__(self, context: Context, folder: Path, actuators: tuple[str, ...]) -> None:
        """``actuators``: nodes here that have a driver."""
        self.socket = context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.rcvhwm = self.socket.sndhwm = HIGH_WATER_MARK
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.socket.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a restarted node keeps its name
        bind(self.socket, wish_address(folder))
        self._actuators = actuators
        self._numbers = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._estopped = False

    def demand(self, envelope: list[bytes], demand: Demand) -> None:
        """Sends it to every actuator; whoever asked gets the outcome by ``settled``."""
        if demand is Demand.ESTOP:
            self._estopped = True
        elif demand is Demand.REARM:
            self._estopped = False
        number = next(self._numbers)
        pending = _Pending(envelope, set(self._actuators), time.monotonic() + ANSWER_S)
        self._pending[number] = pending
        for name in self._actuators:
            if why := self._send(name, Asked(number, demand)):
                pending.waiting.discard(name)
                pending.outcomes[name] = Outcome(number, False, "unknown", why)

    def hear(self) -> None:
        """Takes in all that the nodes have said."""
        while self.socket.poll(0):
            identity, body = self.socket.recv_multipart()[:2]
            name = identity.decode(errors="replace")
            try:
                said = _decode_from_node(body)
            except msgspec.DecodeError:  # no node of this run
                continue
            if name not in self._actuators:
                continue
            if isinstance(said, Hello):
                self._send(name, Welcome(self._estopped))
            elif pending := self._pending.get(said.number):
                pending.waiting.discard(name)
                pending.outcomes[name] = said

    def settled(self) -> list[tuple[list[bytes], dict[str, Outcome]]]:
        """Demands of which everything is known, or will be: who asked, and what came of it."""
        settled = []
        for number, pending in list(self._pending.items()):
            if pending.waiting and time.monotonic() < pending.deadline_s:
                continue
            del self._pending[number]
            for name in pending.waiting:
                text = f"node {name!r} does not answer; cut the power if the robot still moves"
                pending.outcomes[name] = Outcome(number, False, "unknown", text)
            settled.append((pending.envelope, pending.outcomes))
        return settled

    def _send(self, name: str, message: Asked | Welcome) -> str | None:
        """Sends to a node; returns why that is not possible."""
        try:
            self.socket.send_multipart([name.encode(), _encode(message)], zmq.DONTWAIT)
        except zmq.ZMQError as error:
            if error.errno == errno.EHOSTUNREACH:
                return f"node {name!r} does not run, so its driver has stopped the robot"
            if error.errno == zmq.EAGAIN:
                return f"node {name!r} does not listen; cut the power if the robot still moves"
            raise
        return None


class WishPort:
    """The end of a node that has a driver."""

    def __init__(self, context: Context, address: str, name: str) -> None:
        """Connects, and learns whether an e-stop is in force.

        Raises:
            WishChannelError: nobody answers, so nobody could stop this robot.
        """
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, name.encode())
        self.socket.linger = 0
        self.socket.rcvhwm = self.socket.sndhwm = HIGH_WATER_MARK
        self.socket.connect(address)
        self._backlog: list[Asked] = []
        self.socket.send(_encode(Hello()))
        self.estopped = self._await_welcome(time.monotonic() + WELCOME_S)
        """Whether an e-stop was in force when this node came up."""

    def receive(self) -> Asked | None:
        """The next demand; None when there is none."""
        if self._backlog:
            return self._backlog.pop(0)
        if not self.socket.poll(0):
            return None
        said = _decode_to_node(self.socket.recv())
        return said if isinstance(said, Asked) else None

    def answer(self, outcomes: list[Outcome]) -> None:
        """Tells what came of demands; who no longer listens misses it."""
        for outcome in outcomes:
            try:
                self.socket.send(_encode(outcome), zmq.DONTWAIT)
            except zmq.Again:
                return

    def close(self) -> None:
        """Lets go of the socket."""
        self.socket.close()

    def _await_welcome(self, deadline_s: float) -> bool:
        while (left_s := deadline_s - time.monotonic()) > 0:
            if not self.socket.poll(round(left_s * 1000) + 1):
                break
            said = _decode_to_node(self.socket.recv())
            if isinstance(said, Welcome):
                return said.estopped
            self._backlog.append(said)
        self.socket.close()
        raise WishChannelError("the run's control does not answer, so nobody could stop this robot")
