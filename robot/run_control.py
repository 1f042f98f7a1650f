"""A run's control socket: who watches a run asks here how it is doing, or asks it to stop.

Typed requests and replies in msgpack over ipc, in a 0700 folder of the user's own. A thread of its
own serves it, so that neither a slow asker nor a busy executor makes the other wait.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import zmq

from perception.quantities import InputError
from robot.curve import Context, bind
from robot.run_registry import registered
from robot.run_status import RunStatus, StatusBoard
from robot.wish_channel import WishServer
from robot.wishes import Demand, Outcome

MAX_REQUEST_BYTES = 4096
HIGH_WATER_MARK = 16  # requests and replies that may wait, per asker
POLL_MS = 50
ANSWER_TIMEOUT_S = 4.0  # above `wish_channel.ANSWER_S`


class StatusRequest(msgspec.Struct, tag="status", frozen=True, forbid_unknown_fields=True):
    """How is the run doing?"""


class StopRequest(msgspec.Struct, tag="stop", frozen=True, forbid_unknown_fields=True):
    """End in order, as Ctrl-C would."""


class DemandRequest(msgspec.Struct, tag="demand", frozen=True, forbid_unknown_fields=True):
    """Arm, disarm or stop the robot."""

    demand: Demand


class Stopping(msgspec.Struct, tag="stopping", frozen=True):
    """The run was told to end."""


class StatusReply(msgspec.Struct, tag="status", frozen=True):
    """How the run is doing."""

    status: RunStatus


class DemandReply(msgspec.Struct, tag="demand", frozen=True):
    """What came of it, by node that has a driver."""

    outcomes: dict[str, Outcome]


class Refused(msgspec.Struct, tag="refused", frozen=True):
    """The request was not understood; nothing was done."""

    reason: str


Request = StatusRequest | StopRequest | DemandRequest
Reply = StatusReply | Stopping | DemandReply | Refused

_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(Request).decode
_decode_reply = msgspec.msgpack.Decoder(Reply).decode


class RunControlError(InputError):
    """A run does not answer as a run should."""


def run_control_address(folder: Path) -> str:
    """Where a run listens."""
    return f"ipc://{folder}/control"


class RunControl:
    """Serves one run's control socket until it is closed."""

    def __init__(self, folder: Path, board: StatusBoard) -> None:
        self._board = board
        self._closing = threading.Event()
        self._context: Context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 200
        self._socket.maxmsgsize = MAX_REQUEST_BYTES
        self._socket.rcvhwm = self._socket.sndhwm = HIGH_WATER_MARK
        bind(self._socket, run_control_address(folder))
        self.folder = folder
        """The run's 0700 folder of sockets."""
        self._wishes = WishServer(self._context, folder, board.actuators)
        self._thread = threading.Thread(target=self._serve, name="run-control", daemon=True)
        self._thread.start()

    @property
    def stop_asked(self) -> bool:
        """Whether somebody asked the run to stop."""
        return self._board.stopping

    def close(self) -> None:
        """Stops serving."""
        self._closing.set()
        self._thread.join()
        self._socket.close()
        self._wishes.socket.close()
        self._context.term()

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._wishes.socket, zmq.POLLIN)
        while not self._closing.is_set():
            if self._socket in dict(poller.poll(POLL_MS)):
                *envelope, body = self._socket.recv_multipart()
                if (reply := self._answer(envelope, body)) is not None:
                    self._reply(envelope, reply)
            self._wishes.hear()
            for envelope, outcomes in self._wishes.settled():
                self._reply(envelope, DemandReply(outcomes))

    def _reply(self, envelope: list[bytes], reply: Reply) -> None:
        self._socket.send_multipart([*envelope, _encode(reply)])

    def _answer(self, envelope: list[bytes], body: bytes) -> Reply | None:
        """The reply to one request, None: it comes later; what is not understood does nothing."""
        try:
            request = _decode_request(body)
        except msgspec.DecodeError as error:
            return Refused(f"not a request of a run ({error}); there are: status, stop, demand")
        if isinstance(request, StopRequest):
            self._board.stopping = True
            return Stopping()
        if isinstance(request, DemandRequest):
            if not self._board.actuators:
                return Refused("no node of this run has a driver, at least not on this host")
            self._wishes.demand(envelope, request.demand)
            return None
        return StatusReply(self._board.status())


@contextmanager
def controllable(board: StatusBoard, graph: str, run_dir: Path | None) -> Iterator[RunControl]:
    """Lists the run and serves its control socket while it lasts."""
    with registered(graph, run_dir) as folder:
        control = RunControl(folder, board)
        try:
            yield control
        finally:
            control.close()


class RunClient:
    """Asks one run."""

    def __init__(self, folder: Path, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._folder = folder
        self._timeout_s = timeout_s
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    def status(self) -> RunStatus:
        """How the run is doing.

        Raises:
            RunControlError: it does not answer, or with something else.
        """
        reply = self.ask(StatusRequest())
        if not isinstance(reply, StatusReply):
            raise RunControlError(f"run at {self._folder}: answered {reply!r} to a status request")
        return reply.status

    def stop(self) -> None:
        """Asks the run to end in order.

        Raises:
            RunControlError: it does not answer, or with something else.
        """
        reply = self.ask(StopRequest())
        if not isinstance(reply, Stopping):
            raise RunControlError(f"run at {self._folder}: answered {reply!r} to a stop request")

    def demand(self, demand: Demand) -> dict[str, Outcome]:
        """Asks to arm, disarm or stop the robot; returns what came of it, by actuator.

        Raises:
            RunControlError: it does not answer, has no actuator, or answers with something else.
        """
        reply = self.ask(DemandRequest(demand))
        if isinstance(reply, Refused):
            raise RunControlError(f"run at {self._folder}: {reply.reason}")
        if not isinstance(reply, DemandReply):
            raise RunControlError(f"run at {self._folder}: answered {reply!r} to a demand")
        return reply.outcomes

    def ask(self, request: Request) -> Reply:
        """Any request's reply.

        Raises:
            RunControlError: none came in time, or it was no reply.
        """
        return self.ask_bytes(_encode(request))

    def ask_bytes(self, body: bytes) -> Reply:
        """The reply to a request as bytes; a socket per request, as one may go unanswered."""
        socket = self._context.socket(zmq.REQ)
        socket.linger = 0
        try:
            socket.connect(run_control_address(self._folder))
            socket.send(body)
            if not socket.poll(round(self._timeout_s * 1000)):
                raise RunControlError(
                    f"run at {self._folder}: no answer within {self._timeout_s:g} s; "
                    "it has ended, or is stopped"
                )
            return _decode_reply(socket.recv())
        except msgspec.DecodeError as error:
            raise RunControlError(f"run at {self._folder}: {error}") from error
        finally:
            socket.close()

    def close(self) -> None:
        """Lets go of the socket."""
        self._context.term()
