"""Demands between a run's control thread and its actuators' processes: over real sockets."""

import shutil
import tempfile
import threading
from pathlib import Path

import msgspec
import pytest
import zmq

from robot.wish_channel import WishChannelError, WishPort, WishServer, wish_address
from robot.wishes import Asked, Demand, Outcome


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp(prefix="wi-"))  # short, as ipc paths must be
    yield path
    shutil.rmtree(path)


@pytest.fixture
def context():
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def server(context, folder):
    server = WishServer(context, folder, ("left", "right"))
    yield server
    server.socket.close()


@pytest.fixture
def connect(context, folder, server):
    """A port of a node, welcomed by the server, which this thread serves meanwhile."""
    ports = []

    def connect(name):
        address = wish_address(folder)
        thread = threading.Thread(target=lambda: ports.append(WishPort(context, address, name)))
        thread.start()
        while thread.is_alive():
            server.socket.poll(10)
            server.hear()
        return ports[-1]

    yield connect
    for port in ports:
        port.close()


def _next(port):
    assert port.socket.poll(5000)
    return port.receive()


def _settled(server):
    while not (settled := server.settled()):
        server.socket.poll(100)
        server.hear()
    return settled


def test_who_asked_hears_what_came_of_it_at_every_actuator(server, connect):
    ports = {name: connect(name) for name in ("left", "right")}
    server.demand([b"asker"], Demand.DISARM)
    for port in ports.values():
        asked = _next(port)
        assert asked.demand is Demand.DISARM
        assert server.settled() == []
        port.answer([Outcome(asked.number, True, "disarmed", "disarmed")])
    ((envelope, outcomes),) = _settled(server)
    assert envelope == [b"asker"]
    assert {name: outcome.done for name, outcome in outcomes.items()} == dict.fromkeys(ports, True)


def test_an_actuator_that_does_not_run_is_told_of_at_once(server, connect):
    port = connect("left")
    server.demand([b"asker"], Demand.ESTOP)
    port.answer([Outcome(_next(port).number, True, "estop", "e-stop")])
    ((_, outcomes),) = _settled(server)
    assert outcomes["left"].done
    assert not outcomes["right"].done
    assert "does not run" in outcomes["right"].text


def test_an_actuator_that_hangs_is_told_of_when_its_time_is_over(server, connect, monkeypatch):
    monkeypatch.setattr("robot.wish_channel.ANSWER_S", 0.05)
    ports = [connect(name) for name in ("left", "right")]
    server.demand([b"asker"], Demand.ESTOP)
    ((_, outcomes),) = _settled(server)
    assert all("cut the power" in outcome.text for outcome in outcomes.values())
    late = _next(ports[0])
    ports[0].answer([Outcome(late.number, True, "estop", "e-stop")])
    assert server.socket.poll(5000)
    server.hear()
    assert server.settled() == []


def test_an_e_stop_outlives_the_process_that_obeyed_it_until_it_is_reset(server, connect):
    first = connect("left")
    assert not first.estopped
    first.close()
    server.demand([b"asker"], Demand.ESTOP)
    assert connect("left").estopped
    server.demand([b"asker"], Demand.ARM)
    assert connect("left").estopped
    server.demand([b"asker"], Demand.REARM)
    assert not connect("left").estopped


def test_a_node_that_nobody_could_stop_does_not_come_up(context, folder, monkeypatch):
    monkeypatch.setattr("robot.wish_channel.WELCOME_S", 0.05)
    with pytest.raises(WishChannelError, match="nobody could stop"):
        WishPort(context, wish_address(folder), "left")


def test_strangers_and_garbage_change_nothing(server, connect, context, folder):
    port = connect("left")
    server.demand([b"asker"], Demand.DISARM)
    asked = _next(port)
    for body in (b"\xc1", b"", msgspec.msgpack.encode(Outcome(asked.number, True, "", ""))):
        with context.socket(zmq.DEALER) as stranger:
            stranger.linger = 5000
            stranger.connect(wish_address(folder))
            stranger.send(body)
            assert server.socket.poll(5000)
            server.hear()
    assert server.settled() == []
    port.answer([Outcome(asked.number, True, "disarmed", "disarmed")])
    ((_, outcomes),) = _settled(server)
    assert outcomes["left"].done


def test_a_demand_that_came_before_the_welcome_is_not_lost(server, connect):
    connect("left").close()
    port = connect("left")
    server.demand([b"asker"], Demand.DISARM)
    assert isinstance(_next(port), Asked)
