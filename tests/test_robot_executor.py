"""A whole graph in one process, by both clocks."""

import shutil

import pytest

from perception.quantities import InputError
from robot.executor import RunOptions, run_in_process, tick_count
from robot.graph import load_graph
from robot.messages import Command, Setpoint, StereoFrame
from robot.record import LogReader


class Said(list):
    """What nodes had to say: (node, line)."""

    def __call__(self, node, line):
        self.append((node, line))

    def of(self, node):
        return [line for name, line in self if name == node]


def _never():
    return False


def _run(path, run_dir, *overrides, seconds=0.5, seed=0, lockstep=True, should_stop=_never):
    """Runs a graph; gives the result and what was said."""
    graph = load_graph(str(path), overrides)
    if run_dir is not None:
        run_dir.mkdir(exist_ok=True)
    options = RunOptions(seconds=seconds, seed=seed, lockstep=lockstep, run_dir=run_dir)
    said = Said()
    result = run_in_process(graph, options, lambda _: None, should_stop, said)
    for edge in graph.edges:
        sent = result.reports[edge.writer].sent[edge.output]
        reader = result.reports[edge.reader]
        assert sent == reader.received[str(edge)] + reader.dropped[str(edge)], edge
    return result, said


def _records(run_dir):
    """All but the machine's own load, with every stamp."""
    return [
        (entry.topic, entry.message.sent_ns, entry.message.captured_ns, entry.record)
        for entry in LogReader(run_dir / "log.mcap").messages()
        if not entry.topic.startswith("telemetry/")
    ]


@pytest.mark.parametrize(
    ("seconds", "ticks"), [(None, None), (1.0, 50), (0.03, 2), (0.001, 1), (0.5, 25)]
)
def test_time_is_counted_in_whole_ticks_at_least_one(seconds, ticks):
    assert tick_count(seconds, 20_000_000) == ticks


def test_lockstep_runs_as_long_as_it_was_told_and_loses_nothing(tiny, tmp_path):
    result, _ = _run(tiny, tmp_path)
    assert (result.ended_by, result.run_seconds, result.failures) == ("seconds", 0.5, {})
    assert {name: report.steps for name, report in result.reports.items()} == {
        "ticker": 25, "relay": 25, "actuator": 25, "recorder": 25
    }  # fmt: skip
    assert not any(sum(r.dropped.values()) for r in result.reports.values())
    assert result.reports["recorder"].gauges["log_messages"] == len(_records(tmp_path))


def test_equal_seeds_give_equal_logs_and_another_seed_gives_another(tiny, tmp_path):
    logs = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        _run(tiny, tmp_path / folder, seed=seed)
        logs.append(_records(tmp_path / folder))
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]
    assert len(logs[0]) == len(logs[2])


def test_the_loop_is_closed_with_one_tick_of_delay(tiny, tmp_path):
    _run(tiny, tmp_path, seconds=1.0)
    yaw = {}
    for topic, message, _ in LogReader(tmp_path / "log.mcap").messages(Command, Setpoint):
        yaw.setdefault(topic, []).append(message.values[1])
    counts, setpoints = yaw["ticker/count"], yaw["actuator/setpoint"]
    for tick in range(1, 50):
        assert counts[tick] == pytest.approx(setpoints[tick - 1] / 2 + 0.1)
    assert counts[-1] == pytest.approx(0.2, abs=1e-3)  # where y = y / 2 + 0.1 leads


def test_every_stamp_of_a_lockstep_log_is_virtual(tiny, tmp_path):
    _run(tiny, tmp_path, seconds=0.1)
    stamps = {sent_ns for _, sent_ns, _, _ in _records(tmp_path)}
    assert stamps <= {tick * 20_000_000 for tick in range(5)}


def test_a_run_ends_when_its_source_has_nothing_more_to_say(tiny):
    result, _ = _run(tiny, None, "ticker.last=4", seconds=None)
    assert result.ended_by == "finished"
    assert result.run_seconds == pytest.approx(0.08)
    assert result.reports["ticker"].sent["count"] == 4


def test_a_run_ends_when_somebody_stops_it(tiny):
    asked = []
    result, said = _run(
        tiny, None, seconds=None, should_stop=lambda: asked.append(1) or len(asked) == 3
    )
    assert result.ended_by == "interrupt"
    assert result.reports["ticker"].steps == 3
    assert not said


def test_progress_is_told_the_seconds_run_so_far(tiny):
    told = []
    options = RunOptions(seconds=0.1, seed=0, lockstep=True, run_dir=None)
    run_in_process(load_graph(str(tiny)), options, told.append, _never, Said())
    assert told == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])


@pytest.mark.parametrize("lockstep", [True, False])
def test_a_node_that_throws_is_named_and_the_robot_is_stopped(lockstep, tiny, tmp_path, capsys):
    result, said = _run(tiny, tmp_path, "relay.throw_at=5", seconds=None, lockstep=lockstep)
    assert result.ended_by == "failure"
    assert result.failures == {"relay": "boom, said the relay"}
    assert said.of("relay")[0].startswith("Traceback")
    assert said.of("relay")[-1] == "RuntimeError: boom, said the relay"
    assert any("tiny_nodes.py" in line for line in said.of("relay"))
    closed = capsys.readouterr().out.splitlines()
    assert closed[0] == "stopped=True forward=0"  # the actuator before all others
    assert "relay closed" in closed
    reader = LogReader(tmp_path / "log.mcap")
    assert list(reader.messages())
    assert not reader.truncated


def test_a_node_that_refuses_its_parameters_closes_the_others(tiny, capsys, monkeypatch):
    def refuse(*_):
        raise InputError("no such thing")

    monkeypatch.setattr("robot.nodes.recorder.RecorderNode.__init__", refuse)
    with pytest.raises(InputError, match="no such thing"):
        _run(tiny, None)
    assert "stopped=True" in capsys.readouterr().out


def test_an_image_that_cannot_be_read_ends_the_run_and_keeps_what_was_recorded(asl_room, tmp_path):
    folder = shutil.copytree(asl_room, tmp_path / "mav0")
    damaged = sorted((folder / "cam1" / "data").iterdir())[3]
    damaged.write_bytes(b"no image")
    run_dir = tmp_path / "run"
    overrides = (f"camera.path={folder}", "stereo.matcher=bm")
    result, said = _run("folder_stereo", run_dir, *overrides, seconds=None)
    assert list(result.failures) == ["camera"]
    assert str(damaged) in result.failures["camera"]
    assert not said  # the one line at the end says it all: no traceback
    frames = [m for _, m, _ in LogReader(run_dir / "log.mcap").messages(StereoFrame)]
    assert [m.captured_ns for m in frames] == [0, 50_000_000, 100_000_000]


def test_a_node_that_cannot_be_closed_does_not_keep_the_others_open(tiny, tmp_path, capsys):
    result, said = _run(tiny, tmp_path, "relay.throw_on_close=true")
    assert list(result.failures) == ["relay"]
    assert said.of("relay")[-1] == "RuntimeError: cannot close"
    assert "stopped=True" in capsys.readouterr().out
    reader = LogReader(tmp_path / "log.mcap")
    assert list(reader.messages())
    assert not reader.truncated  # the recorder could complete its file


def test_by_wall_clock_each_node_steps_at_its_rate(tiny, tmp_path):
    result, _ = _run(tiny, tmp_path, seconds=0.3, lockstep=False)
    assert result.ended_by == "seconds"
    assert result.run_seconds >= 0.3
    reports = result.reports
    assert reports["ticker"].steps + reports["ticker"].overruns >= 15  # 50 Hz over 0.3 s
    assert reports["relay"].steps == reports["ticker"].sent["count"]  # each message wakes it
    assert reports["actuator"].woken > 0
    ages = reports["actuator"].ages_ms["relay.command -> actuator.command"]
    assert len(ages) == reports["relay"].sent["command"]
    assert all(age >= 0 for age in ages)


def test_by_wall_clock_a_run_ends_when_its_source_does(tiny):
    result, _ = _run(tiny, None, "ticker.last=3", seconds=None, lockstep=False)
    assert (result.ended_by, result.reports["ticker"].steps) == ("finished", 3)


def test_by_wall_clock_a_slow_reader_drops_and_counts(tiny):
    result, _ = _run(tiny, None, "ticker.bulk=5", "ticker.last=4", seconds=None, lockstep=False)
    relay = result.reports["relay"]
    assert relay.received == {"ticker.count -> relay.command": 4}
    assert relay.dropped == {"ticker.count -> relay.command": 16}


def test_in_lockstep_the_same_reader_sees_all(tiny):
    result, _ = _run(tiny, None, "ticker.bulk=5", "ticker.last=4", seconds=None)
    assert result.reports["relay"].received == {"ticker.count -> relay.command": 20}


def test_a_command_that_is_not_finite_never_reaches_the_driver(tiny, tmp_path):
    _run(tiny, tmp_path, "relay.non_finite_at=10")
    setpoints = [m for _, m, _ in LogReader(tmp_path / "log.mcap").messages(Setpoint)]
    assert [m.reasons for m in setpoints].count(("non_finite",)) == 1
    assert all(value == value for m in setpoints for value in m.values)
