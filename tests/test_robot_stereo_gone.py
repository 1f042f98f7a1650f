"""The graph that learns in flight while an eye is gone: in lockstep, without its learner."""

import json
from pathlib import Path

import numpy as np
import pytest

from robot.executor import RunOptions, run_in_process
from robot.graph import graph_from_resolved, load_graph
from robot.messages import Command, DepthMap, HandoverState, StereoFrame
from robot.record import LogReader
from robot.validation import validate

GONE = 'camera_faults.schedule=[{corruption="unplugged", from_s=0.5, to_s=0.8}]'
QUICK = ("stereo.limits.clear_s=0.4", "simulator.options.obstacles=0")
BACK_S = 0.7 + 0.4  # the last frame without it, and the time to clear


def _graph(*overrides):
    """The shipped graph without the node that needs torch."""
    tables = json.loads(load_graph("stereo_mono", overrides).resolved_json())
    del tables["nodes"]["learner"]
    tables["edges"] = {k: v for k, v in tables["edges"].items() if "learner" not in k}
    graph = graph_from_resolved(json.dumps(tables), Path("stereo_mono"))
    validate(graph)
    return graph


def _fly(run_dir, *overrides, seconds=1.5):
    run_dir.mkdir()
    options = RunOptions(seconds=seconds, seed=2, lockstep=True, run_dir=run_dir)
    result = run_in_process(
        _graph(*QUICK, *overrides), options, lambda _: None, lambda: False, lambda *_: None
    )
    assert result.failures == {}
    return LogReader(run_dir / "log.mcap")


@pytest.fixture(scope="module")
def gone(tmp_path_factory):
    """A flight in which the right eye is unplugged for 0.3 s before any student is there."""
    return _fly(tmp_path_factory.mktemp("gone") / "run", GONE)


def _at(reader, kind):
    """Messages by the second they were captured at."""
    return {round(m.captured_ns / 1e9, 1): m for _, m, _ in reader.messages(kind)}


def test_without_stereo_and_student_the_robot_stops_within_the_same_frame(gone):
    commands = _at(gone, Command)
    assert commands[0.4].values[:2] != (0.0, 0.0)
    assert {commands[t].values[:2] for t in (0.5, 0.6, 0.7)} == {(0.0, 0.0)}


def test_the_state_says_who_is_gone_and_why(gone):
    states = _at(gone, HandoverState)
    assert [(states[t].actor, states[t].teacher_fault) for t in (0.4, 0.5, 0.8, 1.0, BACK_S)] == [
        ("teacher", ""),
        *[("nobody", "unplugged")] * 3,
        ("teacher", ""),
    ]


def test_a_frame_that_the_monitor_distrusts_is_no_label(gone):
    states = _at(gone, HandoverState)
    for reader in (states, _at(gone, DepthMap)):
        assert {0.4, 0.5, 1.0, BACK_S} <= reader.keys()
    assert [states[t].labels for t in (0.4, 0.5, 1.0, BACK_S)] == [True, False, False, True]
    assert [_at(gone, DepthMap)[t].valid for t in (0.4, 0.5, 1.0, BACK_S)] == [
        *(True, False),
        *(False, True),
    ]


def test_stereo_that_is_back_and_well_for_a_while_flies_again(gone):
    commands = _at(gone, Command)
    assert commands[1.0].values[:2] == (0.0, 0.0)
    assert commands[BACK_S].values[:2] != (0.0, 0.0)


def test_a_fault_leaves_the_clean_frames_as_they_came(gone):
    seen = {"simulator/frame": {}, "camera_faults/frame": {}}
    for topic, frame, _ in gone.messages(StereoFrame):
        seen[topic][round(frame.captured_ns / 1e9, 1)] = frame
    for t, frame in seen["simulator/frame"].items():
        passed = seen["camera_faults/frame"][t]
        assert np.array_equal(passed.left, frame.left)
        assert np.array_equal(passed.right, frame.right) == (not 0.45 < t < 0.75)
        assert (passed.captured_ns, passed.valid) == (frame.captured_ns, frame.valid)


def test_without_a_fault_the_schedule_is_empty_and_the_monitor_on():
    graph = load_graph("stereo_mono")
    assert graph.nodes["camera_faults"].config.schedule == ()
    assert graph.nodes["stereo"].config.monitor


def test_the_eye_that_learns_is_blind_when_its_own_camera_is_gone(tmp_path):
    left = 'camera_faults.schedule=[{corruption="unplugged", side="left", from_s=0.2}]'
    reader = _fly(tmp_path / "run", left, seconds=0.5)
    states = _at(reader, HandoverState)
    assert states[0.1].actor == "teacher"
    assert [states[t].actor for t in (0.2, 0.3, 0.4)] == ["nobody"] * 3
