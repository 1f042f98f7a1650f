"""Two hosts as two network namespaces with clocks of their own: the whole command, and a cut."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import HERE

from robot.keys import KeyRing, key_text
from robot.record import LogReader

PYTHON = sys.executable
WAIT_S = 60  # for what must happen; how long it takes is not what is tested
CLOCK_AHEAD_S = 5000
SEED = 0  # of what the cable loses
BASE, ROBOT = "10.77.13.1", "10.77.13.2"
PROGRAM = """
import sys
sys.executable, sys.path[:0] = {wrapper!r}, {paths!r}
import tiny_nodes
from robot.cli import main
from robot.nodes import NODES
NODES.update(tiny_nodes.TINY)
sys.exit(main({arguments!r}))
"""


def _do(*words):
    subprocess.run(words, check=True, capture_output=True, timeout=20)


class Network:
    """Two namespaces, joined by a cable that can be pulled."""

    def __init__(self):
        self.base, self.robot = (f"rx{os.getpid()}{side}" for side in "ab")
        self._cable = None

    def make(self):
        for name in (self.base, self.robot):
            _do("ip", "netns", "add", name)
            _do("ip", "-n", name, "link", "set", "lo", "up")
        ends = (["netns", self.base, "type", "veth"], ["peer", "name", "ve", "netns", self.robot])
        _do("ip", "link", "add", "ve", *ends[0], *ends[1])
        self._join()

    def _join(self):
        for name, address in ((self.base, BASE), (self.robot, ROBOT)):
            _do("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "ve")
            _do("ip", "-n", name, "link", "set", "ve", "up")

    def disturb(self, delay_ms, jitter_ms, loss):
        """Puts a cable in the place of the first that delays frames each way, and loses some."""
        _do("ip", "-n", self.base, "link", "del", "ve")
        words = [self.base, self.robot, "ve", *map(str, (delay_ms, jitter_ms, loss, SEED))]
        self._cable = subprocess.Popen(
            [PYTHON, str(HERE / "slow_cable.py"), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._cable.stdout.readline() == "ready\n"
        self._join()

    def cut(self, *, whole):
        _do("ip", "-n", self.base, "link", "set", "ve", "up" if whole else "down")

    def remove(self):
        if self._cable is not None:
            self._cable.communicate()  # the end of its input is its end
        for name in (self.base, self.robot):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@pytest.fixture
def network():
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("network namespaces need root, ip and unshare")
    network = Network()
    try:
        network.make()
        _do("unshare", "--time", "--monotonic", "1", "--fork", "true")
    except subprocess.CalledProcessError as error:
        network.remove()
        pytest.skip(f"no network or time namespaces here: {error.stderr.decode().strip()}")
    yield network
    network.remove()


class Host:
    """One ``reflexarc run --host`` in a namespace."""

    def __init__(self, name, namespace, folder, ahead_s=0):
        self.name, self._namespace, self._ahead_s = name, namespace, ahead_s
        self.keys = KeyRing(folder / f"keys-{name}")
        self.keys.create()
        self.out = folder / name
        self._lines = queue.Queue()
        self.heard = []
        self.process = None

    def begin(self, graph, wrapper, overrides):
        arguments = ["run", graph, "--host", self.name, "--out", self.out]
        arguments += [word for override in overrides for word in ("--set", override)]
        program = PROGRAM.format(
            wrapper=wrapper,
            paths=[str(HERE), str(HERE.parent)],
            arguments=[str(a) for a in [*arguments, "--keys", self.keys.folder]],
        )
        clock = ["unshare", "--time", "--monotonic", str(self._ahead_s), "--fork", "--kill-child"]
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self._namespace, *clock, PYTHON, "-c", program],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, text):
        while True:
            line = self._lines.get(timeout=WAIT_S)
            assert line is not None, self.heard
            if text in line:
                return

    def end(self):
        assert self.process.wait(WAIT_S) == 0, self.heard
        return json.loads((self.out / "summary.json").read_text())

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._reader.join(WAIT_S)
        self.process.stderr.close()

    def _read(self):
        for line in self.process.stderr:
            self.heard.append(line)
            self._lines.put(line)
        self._lines.put(None)


@pytest.fixture
def hosts(network, tiny_processes, tmp_path):
    """Both hosts running the graph; the robot was booted 5000 s earlier."""
    wrapper = sys.executable
    text = (HERE / "graphs" / "two_hosts.toml").read_text()
    graph = tmp_path / "two_hosts.toml"
    for address, section in ((BASE, "base"), (ROBOT, "robot")):
        head = f'[hosts.{section}]\naddress = "'
        text = text.replace(f"{head}127.0.0.1", f"{head}{address}")
    graph.write_text(text)
    base = Host("base", network.base, tmp_path)
    robot = Host("robot", network.robot, tmp_path, CLOCK_AHEAD_S)
    base.keys.trust("robot", key_text(robot.keys.own().public))
    robot.keys.trust("base", key_text(base.keys.own().public))

    def begin(*overrides):
        for host in (robot, base):
            host.begin(graph, wrapper, overrides)
        return base, robot

    yield begin
    for host in (base, robot):
        if host.process is not None:
            host.kill()


def _ages_are_those_of_one_clock(summary):
    """5000 s between the clocks must not show."""
    ages = summary["latency"]["age_at_reader_ms"]
    assert ages
    for edge, age in ages.items():
        if age["n"] > 50:  # a stream; single alerts may come from the time of the cut alone
            assert age["p50"] < 1000, (edge, age)


def _accounts_agree(base, robot, log):
    """Each host knows one end of an edge that crosses."""
    for edge in base["edges"].keys() | robot["edges"].keys():
        known = {}
        for summary in (base, robot):
            counts = summary["edges"].get(edge, {})
            known |= {key: count for key, count in counts.items() if count is not None}
        assert known["sent"] == known["received"] + known["dropped"], (edge, known)
    assert {entry.topic for entry in LogReader(log).messages()} >= {"actuator/setpoint"}


def test_a_cut_makes_the_robot_safe_and_the_run_goes_on_when_it_is_mended(network, hosts):
    base, robot = hosts("ticker.last=250")
    robot.wait_for("the run begins")
    robot.wait_for("two_hosts: ")  # the first line of progress: nodes step
    network.cut(whole=False)
    robot.wait_for("host 'base' is away")
    base.wait_for("host 'robot' is away")
    network.cut(whole=True)
    robot.wait_for("host 'base' is there")
    base.wait_for("host 'robot' is there")
    there, here = base.end(), robot.end()
    assert (there["ended_by"], here["ended_by"]) == ("finished", "finished")
    assert (there["failures"], here["failures"]) == ({}, {})
    told = [text for text in there["alerts"] if "ticker.count -> relay.command" in text]
    assert "silent for" in told[0]
    assert "messages are back" in told[-1]
    assert here["nodes"]["actuator"]["gauges"]["limited_stale"] > 0
    _ages_are_those_of_one_clock(there)
    _ages_are_those_of_one_clock(here)
    _accounts_agree(there, here, base.out / "log.mcap")


@pytest.mark.budget  # twelve seconds of real time, over a real cable
@pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="no TAP devices here")
def test_delay_and_loss_cost_time_and_no_message(network, hosts):
    network.disturb(delay_ms=30, jitter_ms=10, loss=0.02)
    base, robot = hosts("ticker.last=100")
    there, here = base.end(), robot.end()
    ages = {**there["latency"]["age_at_reader_ms"], **here["latency"]["age_at_reader_ms"]}
    assert ages["ticker.count -> relay.command"]["p50"] > 15  # the cable is in use
    _ages_are_those_of_one_clock(there)
    _ages_are_those_of_one_clock(here)
    _accounts_agree(there, here, base.out / "log.mcap")
