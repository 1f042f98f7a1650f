"""One graph over two hosts: over tcp with keys, clocks compared, one end for all."""

import socket
import threading

import pytest
import zmq
from conftest import HERE

from robot.accounting import settle
from robot.curve import connect
from robot.executor import RunOptions
from robot.graph import load_graph
from robot.host_supervisor import HostSupervisor, part_of
from robot.keys import KeyRing, KeysError, key_text
from robot.record import LogReader
from robot.run_status import StatusBoard
from robot.summary import summarise
from robot.validation import validate


class Host:
    """One host's share of a run, in a thread."""

    def __init__(self, name, folder):
        self.name = name
        self.said = []
        self.ring = KeyRing(folder / f"keys-{name}")
        self.ring.create()
        self.run_dir = folder / name
        self.run_dir.mkdir()
        self.stop = threading.Event()

    def begin(self, graph, seconds=None, overrides=()):
        options = RunOptions(
            seconds=seconds, seed=0, lockstep=False, run_dir=self.run_dir, keys=self.ring.folder
        )
        resolved = load_graph(str(graph), overrides)
        validate(resolved)
        self.board = StatusBoard(resolved, options)
        self.supervisor = HostSupervisor(
            resolved, self.name, overrides, options, self._show, tell=self.board.alert
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self):
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.result

    def lines(self, node):
        return [line for name, line in self.said if name == node]

    def _run(self):
        self.result = self.supervisor.run(lambda _: None, self.stop.is_set)

    def _show(self, node, line):
        self.said.append((node, line))


def free_ports(count):
    """The first of some ports that are free together."""
    for first in range(20_000, 60_000, count):
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


@pytest.fixture
def graph(tiny_processes, tmp_path):
    first = free_ports(100)
    text = (HERE / "graphs" / "two_hosts.toml").read_text()
    path = tmp_path / "two_hosts.toml"
    path.write_text(text.replace("5600", str(first)).replace("5700", str(first + 50)))
    return path


@pytest.fixture
def hosts(graph, tmp_path):
    base, robot = Host("base", tmp_path), Host("robot", tmp_path)
    base.ring.trust("robot", key_text(robot.ring.own().public))
    robot.ring.trust("base", key_text(base.ring.own().public))
    return base, robot


def test_a_graph_over_two_hosts_runs_as_one_and_ends_as_one(graph, hosts):
    base, robot = hosts
    robot.begin(graph)
    base.begin(graph, seconds=1.0)
    ended, other = base.end(), robot.end()
    assert (ended.failures, other.failures) == ({}, {}), (base.said, robot.said)
    assert (ended.ended_by, other.ended_by) == ("seconds", "seconds")
    assert ended.reports.keys() == {"relay", "recorder"}
    assert other.reports.keys() == {"ticker", "actuator"}
    reports = {**ended.reports, **other.reports}
    for edge in load_graph(str(graph)).edges:
        sent = reports[edge.writer].sent[edge.output]
        reader = reports[edge.reader]
        assert sent == reader.received[str(edge)] + reader.dropped[str(edge)], edge
    into_base = settle(part_of(load_graph(str(graph)), "base"), ended)
    for edge, account in into_base.items():
        if edge.reader in ended.reports:  # also of writers that are on the robot
            assert account.sent == reports[edge.writer].sent[edge.output], edge
            assert account.unaccounted == 0
    log = list(LogReader(base.run_dir / "log.mcap").messages())
    acted = [entry.message for entry in log if entry.topic == "actuator/setpoint"]
    assert len(acted) > 30
    assert any(message.valid for message in acted)
    assert robot.lines("actuator") == ["stopped=True forward=0"]


@pytest.mark.parametrize("broken", ["robot", "base"])
def test_a_node_that_fails_on_one_host_ends_the_run_on_the_other(broken, graph, hosts):
    here = '[nodes.relay]\nclass = "relay"\nhost = "base"'
    assert here in graph.read_text()
    graph.write_text(graph.read_text().replace(here, here.replace("base", broken)))
    for host in hosts:
        host.begin(graph, overrides=("relay.throw_at=10",))
    results = {host.name: host.end() for host in hosts}
    (sound,) = results.keys() - {broken}
    assert results[broken].failures == {"relay": "boom, said the relay"}
    assert results[sound].failures == {f"host {broken}": "a node of it failed"}
    for result in results.values():
        assert result.ended_by == "failure"
    assert hosts[1].lines("actuator") == ["stopped=True forward=0"]


class Stranger:
    """Knows the key of the base, which does not know its own; knocks until it is refused."""

    def __init__(self, folder, base):
        self._ring = KeyRing(folder / "stranger")
        self._ring.create()
        self._ring.trust("base", key_text(base.ring.own().public))
        self.key = key_text(self._ring.own().public)
        self._context = zmq.Context()

    def knock(self, kind, address):
        self._socket = self._context.socket(kind)
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        connect(self._socket, address, self._ring, "base")

    def wait(self):
        assert self._monitor.poll(30_000)

    def leave(self):
        self._socket.disable_monitor()
        self._monitor.close()
        self._socket.close(linger=0)
        self._context.term()


@pytest.fixture
def stranger(hosts, tmp_path):
    stranger = Stranger(tmp_path, hosts[0])
    yield stranger
    stranger.leave()


def test_a_stranger_at_an_edge_is_refused_counted_and_told_in_the_summary(graph, hosts, stranger):
    base, robot = hosts
    resolved = load_graph(str(graph))
    (index,) = (i for i, e in enumerate(resolved.edges) if str(e).endswith("relay.command"))
    stranger.knock(zmq.PUSH, resolved.hosts["base"].edge_address(index))
    robot.begin(graph)
    base.begin(graph)
    stranger.wait()
    base.stop.set()
    ended = base.end()
    robot.end()
    report = ended.reports["relay"]
    assert report.gauges["peers_refused"] >= 1
    assert any(stranger.key in alert for alert in report.alerts)


def test_a_stranger_at_the_host_link_is_told_with_its_key_in_status_and_summary(
    graph, hosts, stranger
):
    base, _ = hosts
    resolved = load_graph(str(graph))
    stranger.knock(zmq.DEALER, resolved.hosts["base"].link_address())
    base.begin(graph)
    stranger.wait()
    base.stop.set()
    ended = base.end()
    (alert,) = base.board.status().supervisor_alerts
    assert alert.startswith("host link: refused an unknown peer at 127.0.0.1")
    assert stranger.key in alert
    options = RunOptions(seconds=None, seed=0, lockstep=False, run_dir=base.run_dir)
    summary = summarise(part_of(resolved, "base"), options, ended)
    assert summary["alerts"][0] == f"supervisor: {alert}"


def test_an_interrupt_while_a_host_is_still_missing_ends_the_waiting(graph, hosts):
    base, _ = hosts
    base.begin(graph)
    base.stop.set()
    assert base.end().ended_by == "interrupt"


def test_keys_that_others_can_open_stop_the_run_before_it_starts(graph, hosts):
    base, _ = hosts
    (base.ring.folder / "host.secret").chmod(0o644)
    with pytest.raises(KeysError, match="chmod 600"):
        base.begin(graph)
