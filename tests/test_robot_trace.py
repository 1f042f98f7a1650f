"""Where the time of a frame went: by hand-made stamps, and through the log of a run."""

import json

import pytest

from robot.cli import main
from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.trace import LoggedGraph, TraceError, logged_graph, longest_way, trace

MS = 1_000_000
GRAPH = LoggedGraph(
    "three", (("eye", "frame", "mind"), ("mind", "wish", "hand"), ("mind", "wish", "log"))
)
WAY = [("eye", "frame"), ("mind", "wish"), ("hand", "deed")]


def _streams(*frames):
    """Streams of frames 100 ms apart; each frame gives the ms that its hops took, None: no more."""
    streams = {port: {} for port in WAY}
    for index, steps_ms in enumerate(frames):
        captured_ns = at_ns = index * 100 * MS
        for port, step_ms in zip(WAY, steps_ms, strict=True):
            if step_ms is None:
                break
            at_ns += step_ms * MS
            streams[port][captured_ns] = at_ns
    return streams


def test_each_hop_is_the_time_between_two_messages_of_one_frame():
    streams = _streams((1, 10, 2), (1, 12, 3), (2, 30, 8))
    found = trace("three", longest_way(GRAPH, streams), streams)
    assert [(hop.node, hop.port) for hop in found.hops] == WAY
    assert [hop.median_frame_ms for hop in found.hops] == [1, 12, 3]
    assert [hop.worst_frame_ms for hop in found.hops] == [2, 30, 8]
    assert (found.median_captured_ns, found.worst_captured_ns) == (100 * MS, 200 * MS)
    assert found.hops[1].all_ms == {"p50": 12, "p90": 30, "p99": 30, "max": 30}
    assert found.total_ms == {"p50": 16, "p90": 40, "p99": 40, "max": 40}


def test_a_frame_that_was_overtaken_is_counted_and_not_measured():
    streams = _streams((1, 10, 2), (1, 90, None), (1, None, None))
    found = trace("three", longest_way(GRAPH, streams), streams)
    assert (found.frames, found.arrived) == (3, 1)
    assert found.total_ms["max"] == 13


def test_a_message_sent_before_what_it_would_be_made_of_is_no_part_of_a_frame():
    streams = _streams((1, 10, 2), (1, -5, 2))
    assert trace("three", longest_way(GRAPH, streams), streams).arrived == 1


def test_the_way_may_end_earlier_and_a_wrong_end_is_told_with_the_right_ones():
    streams = _streams((1, 10, 2))
    assert longest_way(GRAPH, streams, "mind.wish") == WAY[:2]
    with pytest.raises(TraceError, match=r"'eye.wish'; ends: hand.deed, mind.wish"):
        longest_way(GRAPH, streams, "eye.wish")


def test_of_two_ways_the_longer_one_is_followed():
    graph = LoggedGraph("loop", (*GRAPH.edges, ("eye", "frame", "hand")))
    assert longest_way(graph, _streams((1, 10, 2))) == WAY


def test_a_log_in_which_nothing_follows_from_anything_is_told_so():
    graph = LoggedGraph("three", ())
    with pytest.raises(TraceError, match="no message in the log was made from"):
        longest_way(graph, _streams((1, 10, 2)))


@pytest.fixture
def run_dir(tiny, tmp_path):
    """A recorded run of one second in lockstep."""
    options = RunOptions(seconds=1.0, seed=0, lockstep=True, run_dir=tmp_path)
    run_in_process(load_graph(str(tiny)), options, lambda _: None, lambda: False, lambda *_: None)
    return tmp_path


def test_the_graph_is_read_from_the_log_without_its_delayed_edges(run_dir):
    graph = logged_graph(run_dir / "log.mcap")
    assert graph.name == "tiny"
    assert ("relay", "command", "actuator") in graph.edges
    assert ("actuator", "setpoint", "ticker") not in graph.edges


def test_trace_prints_the_way_from_source_to_actuator_and_draws_it(run_dir, capsys):
    assert main(["trace", str(run_dir), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    hops = [f"{hop['node']}.{hop['port']}" for hop in found["hops"]]
    assert hops == ["ticker.count", "relay.command", "actuator.setpoint"]
    assert found["arrived"] == found["frames"] == 50
    assert (run_dir / "trace.png").read_bytes().startswith(b"\x89PNG")
    assert main(["trace", str(run_dir / "log.mcap"), "--to", "relay.command"]) == 0
    shown = capsys.readouterr().out
    assert "relay.command" in shown
    assert "actuator.setpoint" not in shown
    assert "lockstep" in shown  # its times say nothing


@pytest.mark.parametrize("content", [None, b"", b"\x89MCAP0\r\n", b"no log"])
def test_what_is_no_log_is_one_line(content, tmp_path, capsys):
    log = tmp_path / "log.mcap"
    if content is not None:
        log.write_bytes(content)
    assert main(["trace", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert str(log) in err
