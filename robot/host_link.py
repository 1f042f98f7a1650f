"""What the hosts of one run say to each other, and what each knows of the others.

The first host of the graph listens; the others call it. Nobody waits for an answer: each says four
times a second who it is and how far it has come, which serves as greeting, heartbeat and question
for the clock, so a lost connection needs no repair but its return. A host that has been silent for
a second counts as away: its clock is forgotten, so what still comes from it is stale.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
import zmq

from firmware_bridge.clock_sync import Estimate, Exchange, PeerClock
from perception.quantities import InputError
from robot.clock import SECOND_NS
from robot.curve import Context, DoorKeeper, Socket, bind, connect
from robot.graph import Graph
from robot.keys import KeyRing

SAY_PERIOD_NS = SECOND_NS // 4
AWAY_AFTER_NS = SECOND_NS
MAX_WORD_BYTES = 64 * 1024
MAX_WAITING = 64  # words that a socket holds
Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that one host tells another, each time anew; stamps by the speaker's clock."""

    host: str
    graph: str
    """Hash of the resolved graph: both must run the same one."""
    said_ns: int
    ready: bool = False
    """Whether its nodes are up."""
    ended_by: str = ""
    """Why the run should end, or has ended, where it is."""
    start_ns: int = -1
    """When the run began, once it has; only the first host says so."""
    gone: tuple[str, ...] = ()
    """Where its run is over, nodes of it that say no last word."""
    ended: dict[Count, Count] = {}
    """Edges to other hosts that have ended, by place in the graph: messages sent in all."""
    done: bool = False
    """Whether its nodes have all ended: nothing more needs to be said to it."""
    heard_said_ns: int = -1
    """``said_ns`` of the newest word it had from the one it speaks to, or -1."""
    heard_ns: int = -1
    """When that word came, by the speaker's clock."""


class LinkError(ValueError):
    """Bytes from another host that are no word of it."""


def decode_word(body: bytes) -> Word:
    """A word from the network.

    Raises:
        LinkError: bytes that are none.
    """
    try:
        return msgspec.msgpack.decode(body, type=Word)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise LinkError(f"no word of a host: {error}") from error


@dataclass
class Peer:
    """One other host, as far as it is known."""

    name: str
    clock: PeerClock = field(default_factory=PeerClock)
    word: Word | None = None
    """The newest."""
    heard_ns: int = -1
    """When it came, by our clock."""
    away: bool = True
    identity: bytes = b""
    """Its connection, at the host that listens."""

    def start_ns(self, now_ns: int) -> int | None:
        """When it says the run began, on our clock; None before it has, or without a clock."""
        estimate = self.clock.estimate(now_ns)
        if self.away or self.word is None or self.word.start_ns < 0 or estimate is None:
            return None
        return self.word.start_ns - estimate.offset_ns


class HostLink:
    """This host's end of the talk; ``poll`` does all of it and never waits."""

    def __init__(
        self,
        context: Context,
        graph: Graph,
        here: str,
        keys: KeyRing,
        tell: Callable[[str], None],
        alert: Callable[[str], None],
    ) -> None:
        """``tell``: how the other hosts do; ``alert``: whom the door-keeper refused."""
        first = next(iter(graph.hosts.values()))
        self.leads = first.name == here
        others = [name for name in graph.hosts if name != here] if self.leads else [first.name]
        self.peers = {name: Peer(name) for name in others}
        self.garbled = 0
        """Words that were none, or of another graph."""
        self._here, self._tell, self._alert = here, tell, alert
        self._edges = len(graph.edges)
        self._hash = hashlib.sha256(graph.resolved_json().encode()).hexdigest()
        self._next_ns = 0
        self._keeper = DoorKeeper(context, keys) if self.leads else None
        self._socket = context.socket(zmq.ROUTER if self.leads else zmq.DEALER)
        self._socket.linger = 2000  # a last word that a network lost is sent again
        self._socket.maxmsgsize = MAX_WORD_BYTES
        self._socket.sndhwm = self._socket.rcvhwm = MAX_WAITING
        try:
            self._join(first.link_address(), keys, first.name)
        except InputError:
            self.close()
            raise

    def _join(self, address: str, keys: KeyRing, first: str) -> None:
        """Listens, or calls the first host.

        Raises:
            EndpointError: the address cannot be had, or nobody is trusted.
            KeysError: the keys are missing, malformed or open to others.
        """
        if self.leads:
            bind(self._socket, address, keys)
        else:
            self._socket.setsockopt(zmq.IMMEDIATE, 1)  # old words are of no use after a cut
            self._socket.reconnect_ivl, self._socket.reconnect_ivl_max = 100, 1000
            connect(self._socket, address, keys, first)

    def poll(self, now_ns: int, word: Callable[[], Word], *, at_once: bool = False) -> None:
        """Hears what has come, and says where this host stands when it is time to.

        Args:
            now_ns: the time here.
            word: what to say; host, graph, stamps and the answer for the clock are filled in.
            at_once: say it now.
        """
        if self._keeper is not None:
            self._keeper.answer()
            for alert in self._keeper.alerts():
                self._alert(f"host link: {alert}")
        while self._socket.poll(0):
            self._hear(now_ns)
        for peer in self.peers.values():
            if not peer.away and now_ns - peer.heard_ns > AWAY_AFTER_NS:
                peer.away = True
                peer.clock.forget()
                self._tell(f"host {peer.name!r} is away; its messages are stale until it is back")
        if at_once or now_ns >= self._next_ns:
            self._next_ns = now_ns + SAY_PERIOD_NS
            for peer in self.peers.values():
                self._say(peer, now_ns, word())

    def estimate(self, name: str, now_ns: int) -> Estimate | None:
        """The clock of another host against ours; None while it is away or not known."""
        peer = self.peers.get(name)
        return None if peer is None or peer.away else peer.clock.estimate(now_ns)

    def has_taken_leave(self, said_ns: int) -> bool:
        """Whether every host that is there has heard a word of ``said_ns`` or later, or is done."""
        words = [peer.word for peer in self.peers.values() if not peer.away]
        return all(w is None or w.done or w.heard_said_ns >= said_ns for w in words)

    def sockets(self) -> list[Socket]:
        """To be watched for reading."""
        return [self._socket, *([self._keeper.socket] if self._keeper else [])]

    def close(self) -> None:
        """Ends the talk."""
        self._socket.close()
        if self._keeper is not None:
            self._keeper.close()

    def word(
        self,
        *,
        ready: bool = False,
        ended_by: str = "",
        start_ns: int = -1,
        gone: tuple[str, ...] = (),
        ended: dict[int, int] | None = None,
        done: bool = False,
    ) -> Word:
        """What this host has to say."""
        return Word(
            self._here,
            self._hash,
            0,
            ready,
            ended_by,
            start_ns,
            gone,
            ended or {},
            done,
        )

    def _say(self, peer: Peer, now_ns: int, word: Word) -> None:
        if self.leads and not peer.identity:
            return
        heard = {}
        if peer.word is not None:
            heard = {"heard_said_ns": peer.word.said_ns, "heard_ns": peer.heard_ns}
        body = msgspec.msgpack.encode(msgspec.structs.replace(word, said_ns=now_ns, **heard))
        try:
            if self.leads:
                self._socket.send_multipart([peer.identity, body], zmq.DONTWAIT)
            else:
                self._socket.send(body, zmq.DONTWAIT)
        except zmq.Again:
            return  # it is away, which its silence will show

    def _hear(self, now_ns: int) -> None:
        """Takes in one word, from the host whose key it came with."""
        frames = self._socket.recv_multipart(copy=False)
        name = next(iter(self.peers)) if not self.leads else _user_id(frames[-1])
        try:
            word = self._checked(name, bytes(frames[-1].buffer))
        except LinkError as error:
            self.garbled += 1
            if self.garbled == 1:
                self._tell(str(error))
            return
        self._note(self.peers[name], word, now_ns, bytes(frames[0].buffer) if self.leads else b"")

    def _checked(self, name: str, body: bytes) -> Word:
        """The word of a host that has a part in this very run.

        Raises:
            LinkError: it is none, or its graph is another one.
        """
        word = decode_word(body)
        if name not in self.peers or word.host != name:
            raise LinkError(f"{name!r} has no part in this run as {word.host!r}")
        if word.graph != self._hash:
            raise LinkError(f"host {name!r} runs another graph or other parameters")
        if any(index >= self._edges for index in word.ended):
            raise LinkError(f"host {name!r} tells of an edge that the graph has not")
        return word

    def _note(self, peer: Peer, word: Word, now_ns: int, identity: bytes) -> None:
        if peer.away:
            self._tell(f"host {peer.name!r} is there")
        peer.word, peer.heard_ns, peer.away, peer.identity = word, now_ns, False, identity
        if word.heard_said_ns >= 0:
            restarts = peer.clock.restarts
            peer.clock.add(Exchange(word.heard_said_ns, word.heard_ns, word.said_ns, now_ns))
            if peer.clock.restarts > restarts:
                self._tell(f"the clock of host {peer.name!r} was set anew")


def _user_id(frame: zmq.Frame) -> str:
    """The name that the door-keeper gave the key which the frame came with."""
    name = frame.get("User-Id")
    return name if isinstance(name, str) else ""
