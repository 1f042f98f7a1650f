"""The judge sees a flight as its log tells it, and changes nothing of it."""

import msgspec
import numpy as np
import pytest

from perception.quantities import InputError
from robot.config import load_robot
from robot.executor import RunOptions, run_in_process
from robot.flight import read_flights
from robot.graph import load_graph
from robot.nodes.judge import JUDGED, KEPT, JudgeNodeConfig
from robot.record import LogReader
from robot.study.judge import STEREO, Judged
from robot.study.keepsakes import Keepsakes, read_kept, teacher_errors

SECONDS, FRAMES = 1.0, 10


def fly(run_dir, *watchers):
    run_dir.mkdir()
    overrides = (
        ("judge.phases={flight=0.0, later=0.5}", "judge.keep_phase=later") if watchers else ()
    )
    graph = load_graph("room_sim", overrides, watchers)
    options = RunOptions(SECONDS, 1001, lockstep=True, run_dir=run_dir)
    result = run_in_process(graph, options, lambda _: None, lambda: False, print)
    assert not result.failures
    return run_dir


@pytest.fixture(scope="module")
def judged_run(tmp_path_factory):
    return fly(tmp_path_factory.mktemp("judged") / "run", "judge")


def test_a_flight_with_a_judge_is_the_flight_without_it(judged_run, tmp_path):
    def said(run_dir):
        reader = LogReader(run_dir / "log.mcap")
        found = [(topic, message) for topic, message, _ in reader.messages()]
        return [
            msgspec.msgpack.encode((topic, str(message)))
            for topic, message in found
            if not topic.startswith(("telemetry", "steps/judge", "judge"))
        ]

    assert said(judged_run) == said(fly(tmp_path / "alone"))


def test_way_and_frames_are_those_of_the_log(judged_run):
    judged = msgspec.json.decode((judged_run / JUDGED).read_bytes(), type=Judged)
    (flight,) = read_flights(judged_run / "log.mcap")
    tallies = [judged.tally(phase, STEREO) for phase in ("flight", "later")]
    assert sum(tally.frames for tally in tallies) == FRAMES
    assert sum(tally.distance_m for tally in tallies) == pytest.approx(flight.distance_m, rel=1e-4)


def test_frames_of_the_chosen_phase_are_kept_with_teacher_and_truth(judged_run):
    kept = read_kept(judged_run / KEPT)
    assert kept is not None
    rig = load_robot("ardrone").rig
    assert kept.left.shape == (FRAMES / 2, rig.left.height, rig.left.width)
    assert kept.true_per_m.shape == (FRAMES / 2, rig.left.height / 2, rig.left.width / 2)
    assert teacher_errors(kept).abs_rel < 0.1


def test_a_reservoir_keeps_early_and_late_frames_alike(tmp_path):
    numbers = []
    for seed in range(100):
        keepsakes = Keepsakes(5, np.random.default_rng(seed))
        for number in range(101):
            keepsakes.offer(*[np.full((2, 2), number, np.uint8)] * 3)
        keepsakes.write(tmp_path / KEPT)
        kept = read_kept(tmp_path / KEPT)
        assert kept is not None
        assert (kept.left == kept.true_per_m).all()
        numbers += kept.left[:, 0, 0].tolist()
    assert len(numbers) == 500
    assert np.mean(numbers) == pytest.approx(50.0, abs=4.0)  # three standard errors of 29 / 22


def test_nothing_kept_is_no_file(tmp_path):
    Keepsakes(5, np.random.default_rng(0)).write(tmp_path / KEPT)
    assert read_kept(tmp_path / KEPT) is None


@pytest.mark.parametrize(
    "config",
    [
        {"phases": {}},
        {"phases": {"late": 1.0}},
        {"phases": {"a": 0.0, "b": 5.0, "c": 4.0}},
        {"keep_phase": "x"},
    ],
)
def test_phases_that_make_no_sense_are_refused(config):
    with pytest.raises(InputError, match="phase"):
        JudgeNodeConfig(**config)
