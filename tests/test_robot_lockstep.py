"""Lockstep on the real graph: one seed, one log, in one process or in five."""

import json

import pytest
from mcap.reader import make_reader

from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.messages import Setpoint, StereoFrame
from robot.record import LogReader
from robot.summary import summarise
from robot.supervisor import Supervisor

SECONDS = 2.0


def _options(run_dir, seed):
    run_dir.mkdir()
    return RunOptions(seconds=SECONDS, seed=seed, lockstep=True, run_dir=run_dir)


def _in_process(run_dir, seed):
    options = _options(run_dir, seed)
    graph = load_graph("room_sim")
    result = run_in_process(graph, options, lambda _: None, lambda: False, lambda *_: None)
    return summarise(graph, options, result)


def _one_process_per_node(run_dir, seed):
    options = _options(run_dir, seed)
    graph = load_graph("room_sim")
    supervisor = Supervisor(graph, (), options, lambda *_: None)
    return summarise(graph, options, supervisor.run(lambda _: None, lambda: False))


@pytest.fixture(scope="module")
def flights(tmp_path_factory):
    """Folder and summary of four short flights."""
    folder = tmp_path_factory.mktemp("flights")
    runs = {
        "first": (_in_process, 1),
        "again": (_in_process, 1),
        "other seed": (_in_process, 2),
        "five processes": (_one_process_per_node, 1),
    }
    return {name: (folder / name, fly(folder / name, seed)) for name, (fly, seed) in runs.items()}


def _records(flights, name):
    """Every record of every channel, views included, but for the machine's own load."""
    with (flights[name][0] / "log.mcap").open("rb") as stream:
        return [
            (channel.topic, m.log_time, m.publish_time, m.sequence, m.data)
            for _, channel, m in make_reader(stream).iter_messages(log_time_order=False)
            if not channel.topic.startswith("telemetry/")
        ]


def _compare(records, others):
    """As ``==``, but it names the first difference and spares the megabytes."""
    assert [r[:4] for r in records] == [r[:4] for r in others]
    for mine, other in zip(records, others, strict=True):
        assert mine[4] == other[4], mine[:4]


def test_two_runs_of_one_seed_write_the_same_records(flights):
    _compare(_records(flights, "first"), _records(flights, "again"))


def test_one_process_per_node_writes_the_records_of_one_process(flights):
    _compare(_records(flights, "first"), _records(flights, "five processes"))


def test_another_seed_is_another_flight(flights):
    def images(name):
        log = LogReader(flights[name][0] / "log.mcap")
        return [entry.message.left.tobytes() for entry in log.messages(StereoFrame)]

    ours, others = images("first"), images("other seed")
    assert len(ours) == len(others) == SECONDS * 10
    assert ours[0] != others[0]


def test_the_frames_and_setpoints_come_at_their_rates(flights):
    log = LogReader(flights["first"][0] / "log.mcap")
    stamps = {}
    for topic, message, _ in log.messages(StereoFrame, Setpoint):
        stamps.setdefault(topic, []).append(message.sent_ns)
    ms = 1_000_000
    assert stamps["simulator/frame"] == [tick * 100 * ms for tick in range(20)]
    assert stamps["actuator/setpoint"] == [tick * 20 * ms for tick in range(100)]


@pytest.mark.parametrize("name", ["first", "five processes"])
def test_every_message_sent_is_received_in_lockstep(name, flights):
    _, summary = flights[name]
    assert len(summary["edges"]) == len(load_graph("room_sim").edges)
    for edge, counts in summary["edges"].items():
        assert counts["sent"] == counts["received"], edge
        assert counts["dropped"] == 0, edge
    assert summary["edges"]["simulator.frame -> stereo.frame"]["sent"] == 20


def test_a_summary_has_what_it_must_have_and_is_json(flights):
    _, summary = flights["first"]
    assert {
        "collisions",
        "put_backs",
        "distance_m",
        "cells_visited",
        "sim_seconds",
        "wall_seconds",
        "latency",
        "nodes",
        "edges",
    } <= summary.keys()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["latency"] is None
    assert summary["sim_seconds"] == SECONDS
    assert summary["collisions"] == 0
    assert summary["distance_m"] > 0
    assert summary["nodes"].keys() == load_graph("room_sim").nodes.keys()
    assert all({"sent", "received", "dropped"} <= edge.keys() for edge in summary["edges"].values())


def test_both_executors_sum_up_the_flight_alike(flights):
    measured = ("wall_seconds", "nodes", "host", "alerts")
    ours, theirs = (
        {key: value for key, value in flights[name][1].items() if key not in measured}
        for name in ("first", "five processes")
    )
    assert ours == theirs
