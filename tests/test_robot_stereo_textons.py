"""The graph whose student learns by textons: short flights in lockstep, one seed, one log."""

import pytest
from mcap.reader import make_reader

from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.messages import Command, HandoverState, MonoStatus, PolicyObservation, ProximityReading
from robot.record import LogReader
from robot.recording import nodes_to_run, open_recording
from robot.replay import Replay
from robot.supervisor import Supervisor
from robot.validation import validate

SECONDS = 6.0
QUICK = (
    "textons.student.dictionary_frames=10",
    "textons.student.dictionary_every=2",
    "textons.student.learning.check_frames=20",
    "textons.student.learning.least_tpr=0.0",
    "handover.lesson.gated=false",
    "handover.lesson.lesson_frames=20",
)


def _fly(run_dir, *, processes=False):
    run_dir.mkdir()
    options = RunOptions(seconds=SECONDS, seed=1001, lockstep=True, run_dir=run_dir)
    graph = load_graph("stereo_textons", QUICK)
    validate(graph)
    if processes:
        result = Supervisor(graph, QUICK, options, lambda *_: None).run(
            lambda _: None, lambda: False
        )
    else:
        result = run_in_process(graph, options, lambda _: None, lambda: False, lambda *_: None)
    assert result.failures == {}
    return run_dir


@pytest.fixture(scope="module")
def flight(tmp_path_factory):
    """Folder of a flight in which the student takes over from stereo."""
    return _fly(tmp_path_factory.mktemp("flights") / "first")


def _records(run_dir):
    with (run_dir / "log.mcap").open("rb") as stream:
        return [
            (channel.topic, m.log_time, m.publish_time, m.sequence, m.data)
            for _, channel, m in make_reader(stream).iter_messages(log_time_order=False)
            if not channel.topic.startswith("telemetry/")
        ]


def _all(run_dir, kind):
    return [entry.message for entry in LogReader(run_dir / "log.mcap").messages(kind)]


def test_one_process_per_node_learns_the_same_as_one_process(flight, tmp_path):
    records, apart = _records(flight), _records(_fly(tmp_path / "apart", processes=True))
    assert [r[:4] for r in records] == [r[:4] for r in apart]
    assert records == apart


def test_what_it_learned_is_learned_again_from_the_log(flight):
    recording = open_recording(flight / "log.mcap")
    nodes = nodes_to_run(recording.graph, None, ())
    assert "textons" in nodes
    result = Replay(recording, nodes).run(
        lambda _: None, lambda _: None, lambda: False, stop_at_difference=True
    )
    assert result.first is None
    assert result.steps["textons"] == len(_all(flight, MonoStatus)) > 40


def test_stereo_flies_until_the_student_has_learned_and_then_the_student_does(flight):
    states, statuses = _all(flight, HandoverState), _all(flight, MonoStatus)
    assert [s.captured_ns for s in states] == [s.captured_ns for s in statuses]
    actors = list(dict.fromkeys(s.actor for s in states))
    assert actors[:2] == ["teacher", "student"]
    first = next(s for s in states if s.actor == "student")
    assert first.student_version == 1
    assert states.index(first) >= 20


def test_the_pilot_flies_slower_on_one_number(flight):
    flown = {s.captured_ns: s.actor for s in _all(flight, HandoverState)}
    speeds = {actor: [] for actor in ("teacher", "student")}
    for command in _all(flight, Command):
        speeds[flown[command.captured_ns]].append(command.values[0])
    assert max(speeds["student"], default=0) <= max(speeds["teacher"]) / 3
    sides = {o.captured_ns: o.sector_valid[-1].any() for o in _all(flight, PolicyObservation)}
    assert {sides[t] for t, actor in flown.items() if actor == "student"} == {False}


def test_the_student_says_obstacle_where_the_handover_takes_it_to(flight):
    said = {
        r.captured_ns: r.valid and r.corridor_m < 1.0
        for r in _all(flight, ProximityReading)
        if r.source == "textons"
    }
    states = _all(flight, HandoverState)
    assert [s.student_obstacle for s in states] == [said[s.captured_ns] for s in states]
