"""The live view, with real clients at the other end: what they see, whom they cannot hold up."""

import json
import os
import signal
import socket
import time

import numpy as np
import pytest
from websockets.sync.client import connect

from perception.quantities import InputError
from robot.cli import main
from robot.clock import VirtualClock
from robot.edges import Arrival
from robot.executor import RunOptions, node_context
from robot.graph import load_graph
from robot.messages import Command, RoomDescription, StereoFrame
from robot.node import Inputs
from robot.supervisor import Supervisor
from robot.validation import validate
from robot.wire import encode


@pytest.fixture
def viewer(tiny):
    graph = load_graph(str(tiny), ("viewer.port=0",), ("viewer",))
    options = RunOptions(seconds=None, seed=0, lockstep=False, run_dir=None)
    spec = graph.nodes["viewer"]
    node = spec.node_class(spec.config, node_context(graph, "viewer", options, VirtualClock()))
    yield node
    node.close()


def _step(viewer, *messages):
    arrivals = [Arrival(topic, message, encode(message)) for topic, message in messages]
    assert viewer.step(0, Inputs({"log": arrivals}, {})) == []


def _frame(n, side=4):
    image = np.full((side, side), n % 256, np.uint8)
    return ("eye/frame", StereoFrame(captured_ns=n, seq=n, sent_ns=n, left=image, right=image))


class Client:
    """A client of the live view, as far as these tests need one."""

    def __init__(self, viewer):
        self._socket = connect(
            f"ws://127.0.0.1:{viewer.port}",
            subprotocols=["foxglove.sdk.v1"],
            max_queue=1,  # what is not asked for stays in the network, as with a stalled client
            close_timeout=0.1,
            legacy=True,
        )
        self.channels = {}

    def read_until(self, wanted):
        """Reads what comes until ``wanted`` says so; returns that message."""
        while True:
            said = self._socket.recv(timeout=60)
            if isinstance(said, str):
                said = json.loads(said)
                for channel in said.get("channels", ()):
                    self.channels[channel["topic"]] = channel
            if wanted(said):
                return said

    def subscribe(self, topic):
        if topic not in self.channels:
            self.read_until(lambda _: topic in self.channels)
        channel = self.channels[topic]["id"]
        subscription = {"id": channel, "channelId": channel}
        self._socket.send(json.dumps({"op": "subscribe", "subscriptions": [subscription]}))

    def close(self):
        self._socket.close()


def _looked_at(viewer, topic, clients=1):
    """Waits until the server's thread has told the node of the subscriptions."""
    while viewer._interest.lookers({topic}) < clients:
        time.sleep(0.001)


def _is_data(said):
    return isinstance(said, bytes)


def test_a_client_sees_what_it_subscribes_to_in_foxgloves_schemas(viewer):
    _step(viewer, _frame(0), ("mind/wish", Command(captured_ns=0, values=(0.5,))))
    client = Client(viewer)
    client.subscribe("eye/frame/left")
    assert client.channels["eye/frame/left"]["schemaName"] == "foxglove.RawImage"
    _looked_at(viewer, "eye/frame/left")
    _step(viewer, _frame(7, side=5))
    assert bytes([7]) * 25 in client.read_until(_is_data)
    client.subscribe("mind/wish/numbers")
    client.close()


def test_what_nobody_looks_at_is_advertised_and_not_drawn(viewer):
    for n in range(5):
        _step(viewer, _frame(n))
    assert viewer.gauges() == {"views_shown": 2.0}  # left and right, once


def test_who_comes_late_sees_what_was_said_once(viewer):
    room = RoomDescription(captured_ns=0, size_m=(5.0, 5.0, 3.0), obstacles=(), altitude_m=1.4)
    _step(viewer, ("truth/world/room", room))
    client = Client(viewer)
    client.subscribe("truth/world/room/scene")
    _looked_at(viewer, "truth/world/room/scene")
    _step(viewer)
    assert b"room" in client.read_until(_is_data)
    client.close()


def test_a_client_that_stops_reading_holds_up_neither_the_node_nor_another_client(viewer):
    side, frames = 400, 400  # 128 MB for two eyes: more than any socket and the backlog hold
    _step(viewer, _frame(0))
    stalled, lively = Client(viewer), Client(viewer)
    for client in (stalled, lively):
        client.subscribe("eye/frame/left")
    _looked_at(viewer, "eye/frame/left", clients=2)
    for n in range(1, frames):
        _step(viewer, _frame(n, side))
    assert viewer.gauges() == {"views_shown": 2.0 * frames}
    newest = bytes([(frames - 1) % 256]) * 100
    assert lively.read_until(lambda said: _is_data(said) and newest in said)
    for client in (stalled, lively):
        client.close()


def test_the_view_is_on_loopback_only_and_a_taken_port_is_told_in_one_line(viewer, tiny):
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.2", viewer.port)) != 0
    graph = load_graph(str(tiny), (f"viewer.port={viewer.port}",), ("viewer",))
    spec = graph.nodes["viewer"]
    with pytest.raises(InputError, match=rf"127.0.0.1:{viewer.port}.*--set viewer.port=N"):
        spec.node_class(spec.config, viewer.context)


def test_an_added_viewer_sees_all_who_do_not_watch_and_the_graph_stays_valid(tiny):
    plain, graph = load_graph(str(tiny)), load_graph(str(tiny), (), ("viewer",))
    validate(graph)
    seen = {f"{edge.writer}.{edge.output}" for edge in graph.edges_into("viewer")}
    acting = ("ticker", "relay", "actuator")
    ports = {f"{name}.{port}" for name in acting for port in graph.nodes[name].outputs}
    assert seen == {port for port in ports if not port.endswith(".steps")}  # for replay alone
    assert plain.watchers == ()
    assert "viewer" not in plain.nodes


def test_a_viewer_that_is_stopped_cannot_hold_up_control(tiny_processes, tmp_path):
    """More is said than its queues hold; the source ends all the same, and each loss is counted."""
    overrides = ("ticker.last=40", "ticker.bulk=50", "viewer.port=0")
    graph = load_graph(str(tiny_processes), overrides, ("viewer",))
    options = RunOptions(seconds=None, seed=0, lockstep=False, run_dir=tmp_path)
    supervisor = Supervisor(graph, overrides, options, lambda *_: None)
    stopped = []

    def stop_the_viewer(seconds):
        if not stopped:
            os.kill(supervisor._processes["viewer"].pid, signal.SIGSTOP)
            stopped.append(seconds)
        if supervisor._finished:
            os.kill(supervisor._processes["viewer"].pid, signal.SIGCONT)

    result = supervisor.run(stop_the_viewer, lambda: False)
    assert result.failures == {}
    assert result.ended_by == "finished"
    edge = "ticker.count -> viewer.log"
    viewer = result.reports["viewer"]
    assert viewer.dropped[edge] > 0
    sent = result.reports["ticker"].sent["count"]
    assert viewer.received[edge] + viewer.dropped[edge] == sent >= 40 * 50
    assert result.reports["actuator"].steps > 0


def test_run_with_view_adds_the_viewer_and_serves_metrics_meanwhile(asl_room, tmp_path, capsys):
    viewed = ["--view", "--set", "viewer.port=0", "--metrics", "0"]
    camera = ["--set", f"camera.path={asl_room}", "--set", "stereo.matcher=bm"]
    run = ["run", "folder_stereo", "--in-process", "--out", str(tmp_path / "run")]
    assert main([*run, *camera, *viewed]) == 0
    told = capsys.readouterr().err
    assert "live view at ws://127.0.0.1:" in told
    assert "metrics at http://127.0.0.1:" in told
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    edge = summary["edges"]["stereo.depth -> viewer.log"]
    assert edge["sent"] == edge["received"] == 6


def test_a_port_that_is_taken_ends_the_run_before_it_begins_and_leaves_no_folder(
    asl_room, tmp_path, capsys
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        camera = ["--set", f"camera.path={asl_room}"]
        run = ["run", "folder_stereo", *camera, "--out", str(tmp_path / "run")]
        for flags in (["--metrics", str(port)], ["--view", "--set", f"viewer.port={port}"]):
            assert main([*run, *flags]) == 2
            out, err = capsys.readouterr()
            assert out == ""
            assert str(port) in err.splitlines()[-1]
            assert not (tmp_path / "run").exists()
