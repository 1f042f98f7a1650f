"""Over real sockets on loopback: who is trusted comes in, and nobody else."""

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from zmq.utils.monitor import recv_monitor_message

from robot.curve import (
    MAX_STRANGERS,
    DoorKeeper,
    EndpointError,
    bind,
    check_endpoint,
    connect,
    is_local,
)
from robot.keys import KeyRing, KeysError, key_text

WAIT_MS = 5000  # for what must happen; how long it takes is not what is tested
_HANDSHAKE_ENDS = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)


class Host:
    """A listening host that knows whom it trusts, and the hosts that try it."""

    def __init__(self, folder):
        self._folder = folder
        self._sockets = []
        self.context = zmq.Context()
        self.keys = self.ring("server")
        self.keeper = DoorKeeper(self.context, self.keys)
        self.socket = self.open(zmq.PULL)

    def listen(self):
        self.keys.trust("nobody", key_text(zmq.curve_keypair()[0]))
        bind(self.socket, "tcp://127.0.0.1:*", self.keys)
        self.address = self.socket.last_endpoint.decode()
        self.monitor = self.socket.get_monitor_socket(_HANDSHAKE_ENDS)
        self._sockets.append(self.monitor)
        return self

    def ring(self, name):
        ring = KeyRing(self._folder / name)
        ring.create()
        return ring

    def peer(self, name, *, trusted):
        """The keys of a peer that knows this host."""
        ring = self.ring(name)
        ring.trust("server", key_text(self.keys.own().public))
        if trusted:
            self.keys.trust(name, key_text(ring.own().public))
        return ring

    def call(self, ring, text):
        """A peer connects and sends; gives how the handshake ended."""
        socket = self.open(zmq.PUSH)
        connect(socket, self.address, ring, "server")
        return self.send(socket, text)

    def send(self, socket, text):
        socket.send(text)
        while not self.monitor.poll(0):
            assert zmq.select([self.keeper.socket, self.monitor], [], [], WAIT_MS / 1000)[0]
            self.keeper.answer()
        return zmq.Event(recv_monitor_message(self.monitor)["event"])

    def plain(self):
        socket = self.open(zmq.PUSH)
        socket.connect(self.address)
        return socket

    def heard(self):
        assert self.socket.poll(WAIT_MS)
        return self.socket.recv()

    def open(self, kind):
        self._sockets.append(self.context.socket(kind))
        return self._sockets[-1]

    def close(self):
        self.socket.disable_monitor()
        for socket in self._sockets:
            socket.close(linger=0)
        self.keeper.close()
        self.context.term()


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    yield host
    host.close()


def test_a_trusted_peer_comes_in(host):
    host.listen()
    assert host.call(host.peer("base", trusted=True), b"hello") == zmq.EVENT_HANDSHAKE_SUCCEEDED
    assert host.heard() == b"hello"
    assert (host.keeper.admitted, host.keeper.refused, host.keeper.alerts()) == (1, {}, [])


def test_an_unknown_peer_is_refused_counted_and_told_with_its_key(host):
    host.listen()
    stranger, base = host.peer("stranger", trusted=False), host.peer("base", trusted=True)
    key = key_text(stranger.own().public)
    assert host.call(stranger, b"let me in") == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    assert host.call(base, b"hello") == zmq.EVENT_HANDSHAKE_SUCCEEDED
    assert host.heard() == b"hello"
    assert host.keeper.refused == {key: 1}
    (alert,) = host.keeper.alerts()
    assert f"127.0.0.1 with the key {key}" in alert
    assert host.keeper.alerts() == []


def test_a_plain_client_is_refused(host):
    host.listen()
    base = host.peer("base", trusted=True)
    assert host.send(host.plain(), b"plain") == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    assert host.call(base, b"hello") == zmq.EVENT_HANDSHAKE_SUCCEEDED
    assert host.heard() == b"hello"


def test_a_revoked_peer_is_refused_from_its_next_connection_on(host):
    host.listen()
    base = host.peer("base", trusted=True)
    assert host.call(base, b"first") == zmq.EVENT_HANDSHAKE_SUCCEEDED
    host.keys.revoke("base")
    assert host.call(base, b"second") == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    assert host.heard() == b"first"
    assert host.keeper.refused == {key_text(base.own().public): 1}


def test_who_is_trusted_later_comes_in_without_a_restart(host):
    host.listen()
    base = host.peer("base", trusted=False)
    assert host.call(base, b"early") == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    host.keys.trust("base", key_text(base.own().public))
    assert host.call(base, b"late") == zmq.EVENT_HANDSHAKE_SUCCEEDED
    assert host.heard() == b"late"


def test_keys_that_became_open_to_others_let_nobody_in(host):
    host.listen()
    base = host.peer("base", trusted=True)
    host.keys.folder.chmod(0o755)
    assert host.call(base, b"hello") == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    (alert,) = host.keeper.alerts()
    assert "chmod 700" in alert


def test_a_host_that_is_not_the_trusted_one_gets_nothing(host, tmp_path):
    host.listen()
    base = host.peer("base", trusted=True)
    base.revoke("server")
    base.trust("server", key_text(zmq.curve_keypair()[0]))  # of another host than the one called
    assert host.call(base, b"secret") != zmq.EVENT_HANDSHAKE_SUCCEEDED
    assert not host.socket.poll(0)


def test_without_a_door_keeper_nobody_comes_in(host):
    host.listen()
    base = host.peer("base", trusted=True)
    host.keeper.close()
    socket = host.open(zmq.PUSH)
    connect(socket, host.address, base, "server")
    socket.send(b"hello")
    assert host.monitor.poll(WAIT_MS)
    event = zmq.Event(recv_monitor_message(host.monitor)["event"])
    assert event != zmq.EVENT_HANDSHAKE_SUCCEEDED
    assert not host.socket.poll(0)


class Asker:
    """Asks the door-keeper as ZeroMQ does, or as it never would."""

    def __init__(self, keeper, context):
        self._keeper = keeper
        self._socket = context.socket(zmq.REQ)
        self._socket.connect("inproc://zeromq.zap.01")

    def ask(self, frames):
        self._socket.send_multipart(frames)
        assert self._keeper.socket.poll(WAIT_MS)
        self._keeper.answer()
        assert self._socket.poll(WAIT_MS)
        return self._socket.recv_multipart()

    def close(self):
        self._socket.close(linger=0)


@pytest.fixture(scope="module")
def asker(tmp_path_factory):
    context = zmq.Context()
    ring = KeyRing(tmp_path_factory.mktemp("keys") / "keys")
    ring.create()
    keeper = DoorKeeper(context, ring)
    asker = Asker(keeper, context)
    asker.keeper = keeper
    yield asker
    asker.close()
    keeper.close()
    context.term()


@given(
    frames=st.lists(st.binary(max_size=40), min_size=1, max_size=9)
    | st.tuples(
        st.just(b"1.0"),
        st.binary(max_size=4),
        st.just(b"reflexarc"),
        st.just(b"10.0.0.9"),
        st.just(b""),
        st.sampled_from([b"CURVE", b"NULL", b"PLAIN"]),
        st.binary(min_size=30, max_size=34),
    ).map(list)
)
def test_no_request_opens_the_door_stops_the_keeper_or_fills_its_memory(frames, asker):
    before = sum(asker.keeper.refused.values())
    assert asker.ask(frames)[2] == b"400"
    assert sum(asker.keeper.refused.values()) == before + 1
    assert len(asker.keeper.refused) <= MAX_STRANGERS + 1


def test_more_strangers_than_can_be_told_apart_are_counted_together(asker):
    head = [b"1.0", b"1", b"reflexarc", b"10.0.0.9", b"", b"CURVE"]
    for number in range(2 * MAX_STRANGERS):
        asker.ask([*head, number.to_bytes(32, "big")])
    assert len(asker.keeper.refused) == MAX_STRANGERS + 1
    assert asker.keeper.refused["others"] >= MAX_STRANGERS - 1
    assert len(asker.keeper.alerts()) <= MAX_STRANGERS + 1


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("ipc:///tmp/socket", True),
        ("inproc://name", True),
        ("tcp://127.0.0.1:5600", True),
        ("tcp://127.8.8.8:5600", True),
        ("tcp://[::1]:5600", True),
        ("tcp://localhost:5600", True),
        ("tcp://0.0.0.0:5600", False),
        ("tcp://*:5600", False),
        ("tcp://[::]:5600", False),
        ("tcp://10.0.0.2:5600", False),
        ("tcp://eth0:5600", False),
        ("tcp://lo:5600", False),
        ("tcp://127.0.0.1.example.org:5600", False),
        ("tcp://2130706433:5600", False),
        ("tcp://:5600", False),
    ],
)
def test_only_what_is_surely_loopback_counts_as_local(address, local, tmp_path):
    assert is_local(address) == local
    if local:
        check_endpoint(address, None)
        return
    with pytest.raises(EndpointError, match="keys are needed"):
        check_endpoint(address, None)
    ring = KeyRing(tmp_path / "keys")
    with pytest.raises(KeysError, match="reflexarc keys new"):
        check_endpoint(address, ring)
    ring.create()
    with pytest.raises(EndpointError, match="trusts no key"):
        check_endpoint(address, ring)
    ring.trust("base", key_text(zmq.curve_keypair()[0]))
    check_endpoint(address, ring)


@pytest.mark.parametrize("address", ["udp://10.0.0.2:1", "pgm://x;239.1.1.1:1", "10.0.0.2:1", ""])
def test_other_transports_are_refused(address):
    with pytest.raises(EndpointError, match="use ipc"):
        check_endpoint(address, None)


def test_a_socket_is_neither_opened_nor_used_towards_other_hosts_without_keys():
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        for use in (bind, connect):
            with pytest.raises(EndpointError, match="keys are needed"):
                use(socket, "tcp://0.0.0.0:5600")
        assert socket.last_endpoint == b""


def test_an_address_in_use_is_told_in_one_line():
    with zmq.Context() as context, context.socket(zmq.PULL) as a, context.socket(zmq.PULL) as b:
        bind(a, "tcp://127.0.0.1:*")
        with pytest.raises(EndpointError, match="cannot listen there"):
            bind(b, a.last_endpoint.decode())
