"""The hosts of a graph: their table, their laws, and what they say to each other."""

import msgspec
import pytest
import zmq
from conftest import HERE
from hypothesis import given
from hypothesis import strategies as st
from test_robot_host_supervisor import free_ports

from perception.quantities import InputError
from robot.clock import SECOND_NS
from robot.graph import load_graph
from robot.host_link import AWAY_AFTER_NS, HostLink, LinkError, Word, decode_word
from robot.host_supervisor import check_host, part_of
from robot.hosts import HostSpec
from robot.keys import KeyRing, KeysError, key_text
from robot.validation import validate

WAIT_MS = 5000
GRAPH = HERE / "graphs" / "two_hosts.toml"


@pytest.fixture
def changed(tiny, tmp_path):
    """The graph of two hosts with texts replaced."""

    def change(*replacements):
        text = GRAPH.read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "two_hosts.toml"
        path.write_text(text)
        return load_graph(str(path))

    return change


def test_hosts_are_resolved_in_their_order_with_a_port_for_each_edge(changed):
    graph = changed()
    validate(graph)
    assert list(graph.hosts) == ["base", "robot"]
    assert graph.hosts["base"].link_address() == "tcp://127.0.0.1:5600"
    assert graph.hosts["robot"].edge_address(3) == "tcp://127.0.0.1:5704"
    assert HostSpec("a", "fe80::1", 5600).link_address() == "tcp://[fe80::1]:5600"
    assert [graph.crosses(edge) for edge in graph.edges[:3]] == [True, True, False]


def test_the_part_of_a_host_is_its_nodes_and_the_edges_that_touch_them(changed):
    part = part_of(changed(), "robot")
    assert part.nodes.keys() == {"ticker", "actuator"}
    assert all({edge.writer, edge.reader} & {"ticker", "actuator"} for edge in part.edges)


@pytest.mark.parametrize(
    ("replacement", "fragments"),
    [
        (('port = 5600', 'port = "x"'), ["host 'base'", "int"]),
        (('port = 5600', 'port = 80'), ["host 'base'", "1024"]),
        (('port = 5600', 'gate = 1'), ["unknown key 'gate'", "address, port"]),
        (('address = "127.0.0.1"', ''), ["host 'base'", "address"]),
        (('address = "127.0.0.1"', 'address = "*"'), ["'*'", "IP address or a name"]),
        (('[hosts.base]', '[hosts.Base]'), ["'Base'", "a-z"]),
        (('[hosts.robot]\naddress = "127.0.0.1"\nport = 5700', ''), ["name two"]),
        (('"relay"\nhost = "base"', '"relay"\nhost = 7'), ["'relay'", "name of a host"]),
    ],
)  # fmt: skip
def test_a_host_that_does_not_resolve_is_named(replacement, fragments, changed):
    with pytest.raises(InputError) as refusal:
        changed(replacement)
    assert all(fragment in str(refusal.value) for fragment in fragments), refusal.value


def test_lockstep_over_several_hosts_is_refused(changed):
    with pytest.raises(InputError, match=r"lockstep needs one host.*base, robot.*--clock wall"):
        validate(changed(), lockstep=True)


@pytest.mark.parametrize(
    ("how", "fragment"),
    [
        ({"host": None}, "say with --host: base, robot"),
        ({"host": "moon"}, "hosts are: base, robot"),
        ({"host": "robot", "seconds": 3.0}, "'base', ends the run"),
        ({"host": "base", "in_process": True}, "--in-process"),
    ],
)
def test_a_run_that_does_not_fit_the_hosts_is_refused(how, fragment, changed):
    with pytest.raises(InputError, match=fragment):
        check_host(changed(), **{"seconds": None, "in_process": False, **how})


class Talk:
    """Both ends of a link over loopback; time is a number."""

    def __init__(self, folder, graph):
        self.context, self.other_context = zmq.Context(), zmq.Context()
        self.told = {"base": [], "robot": []}
        self.alerts = {"base": [], "robot": []}
        self.rings = {name: KeyRing(folder / name) for name in self.told}
        for ring in self.rings.values():
            ring.create()
        for name, peer in (("base", "robot"), ("robot", "base")):
            self.rings[name].trust(peer, key_text(self.rings[peer].own().public))
        self.graph = graph
        self.links = {}

    def join(self, name, context, graph=None):
        self.links[name] = HostLink(
            context,
            graph or self.graph,
            name,
            self.rings[name],
            self.told[name].append,
            self.alerts[name].append,
        )
        return self.links[name]

    def until(self, done, now_ns=0):
        """Both ends poll until it is so; each says something at once, so nobody waits."""
        for _ in range(2000):
            for link in self.links.values():
                link.poll(now_ns, link.word, at_once=True)
            if done():
                return
            sockets = [socket for link in self.links.values() for socket in link.sockets()]
            zmq.select(sockets, [], [], 0.005)
        raise AssertionError(self.told)

    def close(self):
        for link in self.links.values():
            link.close()
        self.context.destroy(linger=0)
        self.other_context.destroy(linger=0)


@pytest.fixture
def talk(changed, tmp_path):
    first = free_ports(100)
    talk = Talk(tmp_path, changed(("5600", str(first)), ("5700", str(first + 50))))
    yield talk
    talk.close()


def test_both_ends_learn_of_each_other_and_of_their_clocks(talk):
    base = talk.join("base", talk.context)
    robot = talk.join("robot", talk.other_context)
    talk.until(lambda: base.estimate("robot", 0) and robot.estimate("base", 0))
    assert (base.leads, robot.leads) == (True, False)
    assert base.estimate("robot", 0).offset_ns == 0
    assert talk.told == {"base": ["host 'robot' is there"], "robot": ["host 'base' is there"]}


def test_a_silent_host_is_away_and_its_clock_forgotten_until_it_is_back(talk):
    base = talk.join("base", talk.context)
    robot = talk.join("robot", talk.other_context)
    talk.until(lambda: base.estimate("robot", 0))
    now_ns = 0
    while not base.peers["robot"].away:  # what was under way is still heard
        now_ns += AWAY_AFTER_NS + 1
        base.poll(now_ns, base.word)
    assert base.estimate("robot", now_ns) is None
    assert "is away" in talk.told["base"][-1]
    back_ns = now_ns + SECOND_NS
    talk.until(
        lambda: base.estimate("robot", back_ns) and robot.estimate("base", back_ns), now_ns=back_ns
    )
    assert talk.told["base"][-1] == "host 'robot' is there"


def test_a_host_with_another_graph_is_not_heard_and_told_once(talk, changed):
    base = talk.join("base", talk.context)
    base_port, robot_port = (str(host.port) for host in talk.graph.hosts.values())
    ports = ("5600", base_port), ("5700", robot_port)
    other = changed(*ports, ("rate_hz = 50", "rate_hz = 100"))
    talk.join("robot", talk.other_context, other)
    talk.until(lambda: base.garbled > 2)
    assert base.estimate("robot", 0) is None
    assert talk.told["base"] == ["host 'robot' runs another graph or other parameters"]


def test_a_host_may_leave_once_the_others_have_heard_it_or_are_done_themselves(talk):
    base = talk.join("base", talk.context)
    robot = talk.join("robot", talk.other_context)
    talk.until(lambda: base.has_taken_leave(0) and not base.peers["robot"].away)
    assert not base.has_taken_leave(7)
    talk.until(lambda: base.has_taken_leave(7), now_ns=7)
    robot.poll(8, lambda: robot.word(done=True), at_once=True)
    while not base.peers["robot"].word.done:
        zmq.select(base.sockets(), [], [])
        base.poll(8, base.word)
    assert base.has_taken_leave(9)


def test_a_host_that_tells_of_an_edge_that_is_none_is_not_heard(talk):
    base = talk.join("base", talk.context)
    robot = talk.join("robot", talk.other_context)
    talk.until(lambda: not base.peers["robot"].away)
    heard = base.peers["robot"].word
    robot.poll(1, lambda: robot.word(ended={len(talk.graph.edges): 5}), at_once=True)
    while base.garbled == 0:
        zmq.select(base.sockets(), [], [])
        base.poll(1, base.word)
    assert base.peers["robot"].word.ended == heard.ended == {}
    assert "has not" in talk.told["base"][-1]


def test_a_trusted_key_cannot_speak_for_another_host(talk):
    base = talk.join("base", talk.context)
    talk.rings["base"].revoke("robot")
    talk.rings["base"].trust("arm", key_text(talk.rings["robot"].own().public))
    talk.join("robot", talk.other_context)
    talk.until(lambda: base.garbled > 0)
    assert talk.told["base"] == ["'arm' has no part in this run as 'robot'"]


def test_a_host_whose_peer_is_not_trusted_does_not_start(talk):
    talk.rings["robot"].revoke("base")
    with pytest.raises(KeysError, match="reflexarc keys trust base KEY"):
        talk.join("robot", talk.other_context)


WORD = msgspec.msgpack.encode(Word("robot", "hash", 5, True, "", -1, 3, 4))


@given(
    body=st.binary(max_size=60)
    | st.tuples(st.integers(0, len(WORD) - 1), st.integers(0, 255)).map(
        lambda change: WORD[: change[0]] + bytes([change[1]]) + WORD[change[0] + 1 :]
    )
)
def test_any_bytes_are_a_word_or_refused(body):
    try:
        assert isinstance(decode_word(body), Word)
    except LinkError:
        return
