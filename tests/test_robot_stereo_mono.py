"""The graph that learns in flight: short flights in lockstep, one seed, one log."""

import pytest
from mcap.reader import make_reader

from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.messages import Command, HandoverState, MonoStatus, Weights
from robot.record import LogReader
from robot.supervisor import Supervisor
from robot.validation import validate

SECONDS = 1.6
QUICK = (
    "learner.width=64",
    "learner.height=48",
    "learner.updates_per_s=10",
    "learner.updates_per_package=2",
    "learner.quarantine_frames=0",
    "learner.patience_updates=2",
    "handover.machine.collect_frames=5",
)


def _fly(run_dir, seed, *, processes=False):
    run_dir.mkdir()
    options = RunOptions(seconds=SECONDS, seed=seed, lockstep=True, run_dir=run_dir)
    graph = load_graph("stereo_mono", QUICK)
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
def flights(tmp_path_factory):
    """Folders of two flights of one seed."""
    folder = tmp_path_factory.mktemp("flights")
    return [_fly(folder / name, 1) for name in ("first", "again")]


def _records(run_dir):
    with (run_dir / "log.mcap").open("rb") as stream:
        return [
            (channel.topic, m.log_time, m.publish_time, m.sequence, m.data)
            for _, channel, m in make_reader(stream).iter_messages(log_time_order=False)
            if not channel.topic.startswith("telemetry/")
        ]


def _newest(run_dir, kind):
    return [entry.message for entry in LogReader(run_dir / "log.mcap").messages(kind)]


def _compare(records, others):
    assert [r[:4] for r in records] == [r[:4] for r in others]
    for mine, other in zip(records, others, strict=True):
        assert mine[4] == other[4], mine[:4]


def test_two_flights_of_one_seed_learn_the_same_and_write_the_same_records(flights):
    first, again = map(_records, flights)
    _compare(first, again)


def test_one_process_per_node_learns_the_same_as_one_process(flights, tmp_path):
    apart = _fly(tmp_path / "apart", 1, processes=True)
    _compare(_records(flights[0]), _records(apart))


def test_the_weights_that_fly_are_those_that_were_announced_one_frame_later(flights):
    announced = _newest(flights[0], Weights)[0]
    statuses = _newest(flights[0], MonoStatus)
    first = next(status for status in statuses if status.version)
    assert (first.package, first.frames, first.version) == (
        announced.sha256,
        announced.frames,
        announced.updates,
    )
    assert first.captured_ns - announced.captured_ns == 100_000_000


def test_each_frame_is_decided_and_flown(flights):
    states = _newest(flights[0], HandoverState)
    commands = _newest(flights[0], Command)
    assert [s.captured_ns for s in states] == [c.captured_ns for c in commands]
    assert {s.actor for s in states} == {"teacher"}
    stages = list(dict.fromkeys(s.stage for s in states))
    assert stages == ["collect", "train", "shadow"]
