"""A graph as one process per node: what it starts it ends, and every end is accounted for."""

import json
import os
import signal
import subprocess
import sys

import msgspec
import pytest
from supervised import Run

from perception.quantities import InputError
from robot.counters import Counters
from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.launch import Launch
from robot.record import LogReader
from robot.summary import summarise
from robot.supervisor import STOP_TIMEOUT_S


def _records(run_dir):
    return [
        (entry.topic, entry.record)
        for entry in LogReader(run_dir / "log.mcap").messages()
        if not entry.topic.startswith("telemetry/")
    ]


def test_the_lockstep_log_is_that_of_one_process(tiny_processes, tmp_path):
    apart, together = tmp_path / "apart", tmp_path / "together"
    apart.mkdir()
    together.mkdir()
    run = Run(tiny_processes, apart)
    result = run.go()
    assert (result.ended_by, result.run_seconds, result.failures) == ("seconds", 0.5, {})
    assert run.told[-1] == pytest.approx(0.5)
    assert len(run.told) == 25
    run.check_accounts()
    assert run.lines("actuator") == ["stopped=True forward=0"]
    options = RunOptions(seconds=0.5, seed=0, lockstep=True, run_dir=together)
    run_in_process(run.graph, options, lambda _: None, lambda: False, lambda *_: None)
    assert _records(apart) == _records(together)


def test_large_arrays_go_through_shared_memory_and_the_log_is_that_of_one_process(
    tiny_processes, tmp_path
):
    apart, together = tmp_path / "apart", tmp_path / "together"
    apart.mkdir()
    together.mkdir()
    run = Run(tiny_processes.with_name("pictures.toml"), apart)
    result = run.go()
    assert (result.ended_by, result.failures) == ("seconds", {})
    run.check_accounts()
    assert result.reports["painter"].gauges["arrays_shared"] == 2 * 25
    options = RunOptions(seconds=0.5, seed=0, lockstep=True, run_dir=together)
    run_in_process(run.graph, options, lambda _: None, lambda: False, lambda *_: None)
    assert len(_records(apart)) > 100
    assert _records(apart) == _records(together)


def test_a_reader_that_was_stopped_for_a_while_costs_counted_messages_and_delays_nobody(
    tiny_processes, tmp_path
):
    run = Run(tiny_processes, tmp_path, "ticker.bulk=200", seconds=1.5, lockstep=False)

    def stop_and_go_on(seconds):
        if 0.2 < seconds < 0.9:
            os.kill(run.pid("relay"), signal.SIGSTOP)
        elif seconds >= 0.9:
            os.kill(run.pid("relay"), signal.SIGCONT)

    result = run.go(on_progress=stop_and_go_on)
    assert (result.ended_by, result.failures) == ("seconds", {})
    run.check_accounts()
    dropped = result.reports["relay"].dropped["ticker.count -> relay.command"]
    assert dropped > 0.5 * result.reports["ticker"].sent["count"] / 1.5


def test_who_learns_by_wall_clock_gets_what_those_who_act_leave(tiny_processes, tmp_path):
    text = tiny_processes.read_text()
    graph = tmp_path / "taught.toml"
    graph.write_text(
        text.replace("[edges]", '[nodes.apprentice]\nclass = "apprentice"\n\n[edges]')
        + '"ticker.count -> apprentice.count" = "latest"\n'
    )
    result = Run(graph, tmp_path, "ticker.last=5", seconds=None, lockstep=False).go()
    assert result.failures == {}
    assert result.reports["apprentice"].gauges == {"niceness": 19, "idle": 1}


def test_by_wall_clock_all_is_accounted_for_and_a_finished_source_ends_the_run(
    tiny_processes, tmp_path
):
    overrides = ("ticker.last=20", "ticker.bulk=3")
    run = Run(tiny_processes, tmp_path, *overrides, seconds=None, lockstep=False)
    assert run.go().ended_by == "finished"
    run.check_accounts()
    reports = run.result.reports
    assert reports["ticker"].sent["count"] == 60
    assert reports["actuator"].ages_ms["relay.command -> actuator.command"]
    assert reports["recorder"].gauges["log_lost"] == 0


@pytest.mark.parametrize("lockstep", [True, False])
def test_a_node_that_throws_is_shown_by_name_and_the_robot_stops(
    lockstep, tiny_processes, tmp_path
):
    run = Run(tiny_processes, tmp_path, "relay.throw_at=5", seconds=None, lockstep=lockstep)
    result = run.go()
    assert result.ended_by == "failure"
    assert result.failures == {"relay": "boom, said the relay"}
    shown = run.lines("relay")
    assert "Traceback (most recent call last):" in shown
    assert "RuntimeError: boom, said the relay" in shown
    assert "relay closed" in shown
    assert run.lines("actuator") == ["stopped=True forward=0"]
    assert result.reports.keys() == {"ticker", "actuator", "recorder"}
    assert summarise(run.graph, run.options, result)["accounting"]["holds"]
    reader = LogReader(tmp_path / "log.mcap")
    assert list(reader.messages())
    assert not reader.truncated


@pytest.mark.parametrize(
    ("victim", "lockstep", "bulk"),
    [("relay", True, 700), ("recorder", True, 1), ("relay", False, 1)],
)
def test_a_node_that_is_killed_is_named_with_its_signal_and_the_others_end(
    victim, lockstep, bulk, tiny_processes, tmp_path
):
    overrides = (f"ticker.bulk={bulk}",)  # many at once: a writer must not wait for the dead
    run = Run(tiny_processes, tmp_path, *overrides, seconds=None, lockstep=lockstep)

    def kill(seconds):
        if seconds >= 0.1 and run.supervisor._processes[victim].poll() is None:
            os.kill(run.pid(victim), signal.SIGKILL)

    result = run.go(kill)
    assert result.ended_by == "failure"
    assert result.failures == {victim: "its process was killed by signal 9 without a word"}
    assert result.reports.keys() == run.graph.nodes.keys() - {victim}
    assert summarise(run.graph, run.options, result)["accounting"]["holds"]
    assert run.lines("actuator") == ["stopped=True forward=0"]


@pytest.mark.parametrize("lockstep", [True, False])
def test_a_run_that_is_stopped_leaves_nothing_behind(lockstep, tiny_processes, tmp_path):
    run = Run(tiny_processes, tmp_path, seconds=None, lockstep=lockstep)
    result = run.go(should_stop=lambda: bool(run.told) and run.told[-1] > 0.05)
    assert (result.ended_by, result.failures) == ("interrupt", {})
    assert result.reports.keys() == run.graph.nodes.keys()
    run.check_accounts()
    assert run.lines("actuator") == ["stopped=True forward=0"]


def test_a_run_that_is_stopped_before_it_began_leaves_nothing_behind(tiny_processes, tmp_path):
    run = Run(tiny_processes, tmp_path, seconds=None)
    result = run.go(should_stop=lambda: True)
    assert (result.ended_by, result.failures, run.told) == ("interrupt", {}, [])


def test_what_a_user_got_wrong_is_one_line_and_nothing_runs(tmp_path):
    run = Run("folder_stereo", tmp_path, "camera.path=/nowhere", seconds=None)
    with pytest.raises(InputError) as refusal:
        run.go()
    assert "/nowhere" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not any("Traceback" in line for _, line in run.said)
    assert run.told == []


def test_a_recorded_folder_runs_by_wall_clock_to_its_end(asl_room, tmp_path):
    overrides = (f"camera.path={asl_room}", "stereo.matcher=bm")
    run = Run("folder_stereo", tmp_path, *overrides, seconds=None, lockstep=False)
    assert run.go().ended_by == "finished"
    run.check_accounts()
    summary = summarise(run.graph, run.options, run.result)
    camera, stereo = (summary["nodes"][name] for name in ("camera", "stereo"))
    frames = summary["edges"]["camera.frame -> stereo.frame"]
    assert camera["steps"] >= 6
    assert 1 <= frames["sent"] <= 6  # a camera gives the newest pair, and counts none twice
    assert stereo["steps"] >= frames["received"] >= 1
    assert summary["latency"]["age_at_reader_ms"]["camera.frame -> stereo.frame"]["n"] >= 1
    assert summary["latency"]["capture_to_command_ms"] is None  # nobody commands here
    topics = {entry.topic for entry in LogReader(tmp_path / "log.mcap").messages()}
    assert {"camera/calibration", "camera/frame", "stereo/depth", "stereo/proximity"} <= topics


def test_a_node_whose_supervisor_is_gone_ends_by_itself(tiny_processes, tmp_path):
    graph = load_graph(str(tiny_processes))
    Counters.create(tmp_path, len(graph.edges), list(graph.nodes))
    launch = Launch(
        node="actuator",
        graph=str(tiny_processes),
        overrides=(),
        folder=str(tmp_path),
        seed=0,
        lockstep=False,
        seconds=None,
        run_dir=None,
    )
    worker = subprocess.run(
        [sys.executable],
        input=msgspec.json.encode(launch) + b"\n",  # then its standard input closes
        capture_output=True,
        timeout=STOP_TIMEOUT_S + 30,
        check=False,
    )
    assert worker.returncode == 1
    assert b"stopped=True" in worker.stdout
    assert b"Traceback" not in worker.stderr


def test_a_launch_survives_the_way_to_its_process():
    launch = Launch("n", "g.toml", ("a.b=c",), "/f", 3, True, None, None)
    assert msgspec.json.decode(msgspec.json.encode(launch), type=Launch) == launch
    assert json.loads(msgspec.json.encode(launch))["overrides"] == ["a.b=c"]
