"""CURVE on a ZeroMQ socket, and the door-keeper that decides whose key may come in.

A socket that another host can reach is bound here and nowhere else: encrypted, both ends known to
each other, and shut unless a door-keeper answers (``ZAP_ENFORCE_DOMAIN``: without that option,
ZeroMQ lets every key in while nobody listens). The door-keeper speaks ZAP (ZeroMQ RFC 27). It has
no thread of its own: it is one more socket in its owner's poll loop.
"""

import ipaddress
from collections import deque

import zmq
from zmq.utils import z85

from perception.quantities import InputError
from robot.keys import KeyRing, KeysError, key_text

HANDSHAKE_TIMEOUT_MS = 3000  # half-open connections are dropped after it
HEARTBEAT_MS = 500  # ZeroMQ's own, on every connection
SILENCE_MS = 2000  # after it a connection counts as cut
MAX_STRANGERS = 64  # unknown keys told apart; more are counted together
_ZAP_ADDRESS, _ZAP_VERSION, _ZAP_DOMAIN = "inproc://zeromq.zap.01", b"1.0", b"reflexarc"
_REQUEST_FRAMES = 7  # version, request id, domain, address, identity, mechanism, credentials

Context = zmq.Context[zmq.Socket[bytes]]
Socket = zmq.Socket[bytes]


class EndpointError(InputError):
    """An address that may not be opened as it is."""


def is_local(address: str) -> bool:
    """Whether only this host can reach an address.

    Raises:
        EndpointError: neither ipc, inproc nor tcp.
    """
    transport, separator, rest = address.partition("://")
    if separator and transport in ("ipc", "inproc"):
        return True
    if not separator or transport != "tcp":
        raise EndpointError(f"address {address!r}: use ipc://, inproc:// or tcp://HOST:PORT")
    host = rest.rpartition(":")[0].removeprefix("[").removesuffix("]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, an interface, or * for all of them
        return False


def check_endpoint(address: str, keys: KeyRing | None) -> None:
    """Refuses to open to other hosts without keys and somebody to let in.

    Raises:
        EndpointError: there are no keys, or nobody is trusted.
        KeysError: the keys are missing, malformed or open to others.
    """
    if is_local(address):
        return
    if keys is None:
        raise EndpointError(
            f"address {address}: other hosts can reach it, so keys are needed; make them with "
            "reflexarc keys new, or use 127.0.0.1"
        )
    keys.own()
    if not keys.trusted():
        raise EndpointError(
            f"address {address}: nobody may connect, for {keys.folder} trusts no key; add one "
            "with reflexarc keys trust NAME KEY"
        )


def bind(socket: Socket, address: str, keys: KeyRing | None = None) -> None:
    """Listens; a tcp address with keys asks for CURVE, also on loopback.

    Raises:
        EndpointError: other hosts can reach the address, and keys or trusted peers are missing,
            or it cannot be bound.
        KeysError: the keys are malformed or open to others.
    """
    check_endpoint(address, keys)
    if keys is not None and address.startswith("tcp://"):
        own = keys.own()
        socket.curve_server = True
        socket.curve_secretkey = own.secret
        socket.zap_domain = _ZAP_DOMAIN
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        _notice_cuts(socket)
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        raise EndpointError(f"address {address}: cannot listen there: {error.strerror}") from error


def connect(socket: Socket, address: str, keys: KeyRing | None = None, peer: str = "") -> None:
    """Connects; with keys only to the host that holds the key trusted under the name ``peer``.

    Raises:
        EndpointError: the address is on another host, and there are no keys.
        KeysError: the keys are missing, malformed or open to others, or ``peer`` is not trusted.
    """
    if keys is not None and address.startswith("tcp://"):
        own = keys.own()
        socket.curve_publickey, socket.curve_secretkey = own.public, own.secret
        socket.curve_serverkey = keys.peer(peer)
        _notice_cuts(socket)
    elif not is_local(address):
        raise EndpointError(
            f"address {address}: is on another host, so keys are needed; make them with "
            "reflexarc keys new"
        )
    socket.connect(address)


def _notice_cuts(socket: Socket) -> None:
    """Gives a connection up when the other end is silent, so that a new one can be made."""
    socket.handshake_ivl = HANDSHAKE_TIMEOUT_MS
    socket.heartbeat_ivl, socket.heartbeat_timeout = HEARTBEAT_MS, SILENCE_MS


class DoorKeeper:
    """Answers, for all sockets of a context, whether a key may come in; counts whom it refused.

    Register ``socket`` for reading in a poll loop, and call ``answer`` when it is ready. It must be
    there before the first socket is bound. The keys are read anew for each handshake, so what
    is trusted or revoked meanwhile holds for the next connection.
    """

    def __init__(self, context: Context, keys: KeyRing) -> None:
        self._keys = keys
        self._alerts: deque[str] = deque(maxlen=MAX_STRANGERS)
        self.admitted = 0
        """Handshakes of trusted keys."""
        self.refused: dict[str, int] = {}
        """Handshakes that were refused, by key in hex; ``others`` once there are too many."""
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind(_ZAP_ADDRESS)

    def answer(self) -> None:
        """Answers all handshakes that wait."""
        while True:
            try:
                request = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            name = self._judge(request)
            status, text = (b"200", b"OK") if name else (b"400", b"unknown key")
            request_id = request[1] if len(request) > 1 else b""
            self.socket.send_multipart([_ZAP_VERSION, request_id, status, text, name.encode(), b""])

    def alerts(self) -> list[str]:
        """What happened since the last call that a person should know."""
        told = list(self._alerts)
        self._alerts.clear()
        return told

    def close(self) -> None:
        """From now on nobody comes in."""
        self.socket.close()

    def _judge(self, request: list[bytes]) -> str:
        """The name of a trusted peer; empty for all others."""
        if len(request) != _REQUEST_FRAMES or request[5] != b"CURVE" or len(request[6]) != 32:
            self._refuse("without a key", request[3] if len(request) > 3 else b"")
            return ""
        key = z85.encode(request[6])
        try:
            trusted = self._keys.trusted()
        except KeysError as error:
            self._refuse(key_text(key), request[3], f"; {error}")
            return ""
        for name, known in trusted.items():
            if known == key:
                self.admitted += 1
                return name
        self._refuse(key_text(key), request[3])
        return ""

    def _refuse(self, key: str, address: bytes, reason: str = "") -> None:
        """Counts one refusal; a key that comes for the first time is told."""
        if key not in self.refused and len(self.refused) >= MAX_STRANGERS:
            key = "others"
        if key not in self.refused:
            place = address.decode("ascii", "replace")
            self._alerts.append(f"refused an unknown peer at {place} with the key {key}{reason}")
        self.refused[key] = self.refused.get(key, 0) + 1
