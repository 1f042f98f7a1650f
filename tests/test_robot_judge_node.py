"""The judge sees a flight as its log tells it, and changes nothing of it."""

import msgspec
import numpy as np
import pytest
from message_samples import sample

from perception.fitting import Fit
from perception.geometry import Rectifier
from perception.quantities import InputError
from robot.clock import VirtualClock
from robot.config import load_robot
from robot.edges import Arrival
from robot.executor import RunOptions, node_context, run_in_process
from robot.flight import read_flights
from robot.graph import load_graph
from robot.messages import (
    DepthMap,
    HandoverState,
    Obstacle,
    ProximityReading,
    RoomDescription,
    StereoFrame,
    TruePose,
)
from robot.node import Inputs
from robot.nodes.judge import JUDGED, KEPT, JudgeNode, JudgeNodeConfig
from robot.nodes.stereo import calibration_of
from robot.record import LogReader
from robot.study.judge import MONO, STEREO, Judged
from robot.study.keepsakes import Keepsakes, read_kept, teacher_errors
from sim.robots.quadrotor import QuadrotorBody
from sim.true_depth import true_depth_m
from sim.world import World, world_config

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


def told(kind, source, **fields):
    """An arrival of a message whose other fields are those of a sample."""
    message = msgspec.structs.replace(sample(kind), source=source, captured_ns=0, **fields)
    return Arrival(f"{source}/x", message, ())


def judged_student(width, height, tmp_path, error=1.0):
    """What the judge adds up of one frame in which a student of this size says the truth."""
    rig = load_robot("ardrone").rig
    view = Rectifier(rig).view
    fitted = Fit(view, width, height).view
    with World(world_config(load_robot("ardrone").tables), 1001) as world:
        sensors, room = world.reset(), world.room
    position, quaternion = sensors.pose.position_w_m, sensors.pose.quaternion_wxyz
    graph = load_graph("stereo_mono", (), ("judge",))
    options = RunOptions(1.0, 1001, lockstep=True, run_dir=tmp_path)
    node = JudgeNode(JudgeNodeConfig(), node_context(graph, "judge", options, VirtualClock()))
    lens = np.add(load_camera_b_m(), (0.0, rig.baseline_m / 2, 0.0))
    depth_m = error * true_depth_m(room, position, quaternion, lens, fitted)
    disparity_px = np.asarray(fitted.focal_px * fitted.baseline_m / depth_m, np.float32)
    unsure = np.full_like(disparity_px, np.nan)
    doubting = {"depth_m": unsure, "disparity_px": disparity_px, "confidence": unsure}
    described = {"size_m": room.size_m, "altitude_m": 1.4}
    obstacles = tuple(Obstacle(**vars(each)) for each in room.obstacles)
    state = {"actor": "student", "overriding": False, "student_obstacle": False}
    pose = {"position_w": tuple(position), "quaternion_wxyz": tuple(quaternion)}
    node.step(
        0,
        Inputs(
            {
                "seen": [
                    Arrival("c", calibration_of(rig, 0), ()),
                    told(RoomDescription, "simulator", obstacles=obstacles, **described),
                    told(TruePose, "simulator", **pose),
                    told(StereoFrame, "simulator", **sensors.images._asdict()),
                    told(ProximityReading, "mono", valid=True),
                    told(DepthMap, "mono", **doubting),
                    told(HandoverState, "handover", **state),
                ]
            },
            {},
        ),
    )
    node.close()
    judged = msgspec.json.decode((tmp_path / JUDGED).read_bytes(), type=Judged)
    return judged.tally("flight", MONO)


def load_camera_b_m():
    table = {k: v for k, v in load_robot("ardrone").table("body").items() if k != "kind"}
    return np.array(QuadrotorBody.from_table(table).make(1.0).camera_b_m)


@pytest.mark.parametrize(("width", "height"), [(128, 96), (64, 48), (96, 64)])
def test_a_student_of_any_size_that_says_the_truth_has_no_error(width, height, tmp_path):
    tally = judged_student(width, height, tmp_path)
    assert tally.student_error.pixels > 1000
    assert tally.student_error.abs_rel < 1e-5
    assert tally.teacher_error.abs_rel < 0.15  # of a teacher that had to be asked
    assert tally.student_by_truth.true_negative + tally.student_by_truth.false_negative == 1


def test_a_student_that_sees_all_too_far_is_wrong_by_that_much(tmp_path):
    tally = judged_student(64, 48, tmp_path, error=1.2)
    assert tally.student_error.abs_rel == pytest.approx(0.2, abs=0.01)
    assert tally.student_error.delta_125 > 0.99
