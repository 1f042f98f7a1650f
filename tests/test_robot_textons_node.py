"""The textons node: a reading of one number, and when it learns at whose order."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.calibration import calibration_hash
from perception.neighbours import NearestNeighbours, Pairs
from perception.persistent import LearningConfig
from perception.quantities import InputError
from perception.texton_dictionary import learn_dictionary, save_dictionary
from perception.texton_export import export_textons
from perception.texton_label import Label, LabelConfig
from perception.texton_student import TextonConfig
from perception.textons import TextonFeatures
from robot.clock import VirtualClock
from robot.config import load_robot
from robot.edges import Arrival
from robot.messages import HandoverState, ProximityReading, StereoFrame
from robot.node import Inputs, NodeContext
from robot.nodes.stereo import calibration_of
from robot.nodes.textons import TextonsConfig, TextonsNode, corridor_m
from robot.wire import encode

ROBOT = load_robot("ardrone")
MS = 1_000_000
QUICK = TextonConfig(10, 2, learning=LearningConfig(check_frames=30))
NEAR_M, FAR_M = 0.6, 3.0


def orders(*, labels=True, trains=True, wants=False, stage="shadow", changed=False):
    quiet = {
        field.name: field.type()
        for field in msgspec.structs.fields(HandoverState)
        if field.required
    }
    return HandoverState(
        **{
            **quiet,
            "stage": stage,
            "changed": changed,
            "labels": labels,
            "trains": trains,
            "wants_student": wants,
        }
    )


def image(near, rng):
    period_px = 16 if near else 4
    row = 127 + 100 * np.sign(np.sin(2 * np.pi * (np.arange(128) + rng.integers(16)) / period_px))
    return np.clip(row + rng.normal(0, 8, (96, 128)), 0, 255).astype(np.uint8)


class Flight:
    """A node, and frames of which ten are near and ten far."""

    def __init__(self, **choices):
        context = NodeContext(name="textons", robot=ROBOT, seed=0, clock=VirtualClock())
        self.node = TextonsNode(TextonsConfig(**{"student": QUICK, **choices}), context)
        self.rng = np.random.default_rng(0)
        self.frame = 0
        self.step(calibration=calibration_of(ROBOT.rig, 0))

    def step(self, **messages):
        arrivals = {port: [Arrival(port, m, encode(m))] for port, m in messages.items()}
        return dict(self.node.step(0, Inputs(arrivals, {})))

    def fly(self, frames, *, near=None, told=None, valid=True, seen=1.0):
        """What it sent on the last of some frames; `told` is what it has been ordered before."""
        for _ in range(frames):
            is_near = self.frame // 10 % 2 == 0 if near is None else near
            self.frame += 1
            both = self.pair(is_near, valid=valid, seen=seen)
            sent = self.step(**both, **({} if told is None else {"orders": told}))
            told = None
        return sent

    def pair(self, is_near, *, valid=True, seen=1.0):
        stamp = {"captured_ns": self.frame * 100 * MS}
        left = image(is_near, self.rng)
        teacher = ProximityReading(
            **stamp,
            valid=valid,
            proximity_px=9.0 if is_near else 2.0,
            sectors_per_m=np.ones(8, np.float32),
            sector_valid=np.ones(8, np.float32),
            corridor_m=NEAR_M if is_near else FAR_M,
            corridor_seen=seen,
        )
        return {"frame": StereoFrame(**stamp, left=left, right=left), "teacher": teacher}

    @property
    def lessons(self):
        return self.node.gauges()["lessons"]


def test_until_it_has_learned_it_is_blind_and_says_so():
    sent = Flight().fly(25)
    assert not sent["proximity"].valid
    assert (sent["status"].version, sent["status"].trusted) == (0, 0.0)
    assert not sent["status"].valid


def test_without_a_handover_it_is_the_loop_of_the_paper():
    flight = Flight()
    flight.fly(60)
    sent = flight.fly(8, near=True)
    assert sent["status"].version == 1
    assert sent["proximity"].valid
    assert sent["proximity"].corridor_m < 1.0
    assert sent["proximity"].captured_ns == sent["status"].captured_ns == 68 * 100 * MS
    assert flight.fly(8, near=False)["proximity"].corridor_m >= 1.0


def test_its_reading_cannot_be_taken_for_one_that_tells_sides():
    flight = Flight()
    near, far = (flight.fly(60)["proximity"], flight.fly(8, near=False)["proximity"])
    for reading in (near, far):
        assert not reading.sector_valid.any()
        assert not reading.sectors_per_m.any()
        assert reading.corridor_seen == 1.0


@given(st.floats(0, 1e3, allow_subnormal=False), st.integers(1, 8), st.floats(0.1, 10.0))
def test_the_way_is_an_obstacle_exactly_where_the_estimate_is_above(estimate, threshold, metres):
    assert (corridor_m(estimate, threshold, metres) < metres) == (estimate > threshold)


@pytest.mark.parametrize("threshold_px", [1.0, 3.0, 5.0, 8.0])
def test_also_next_to_the_threshold(threshold_px):
    for metres in (0.3, 0.7, 1.0, 1.3):
        assert corridor_m(threshold_px, threshold_px, metres) >= metres
        assert corridor_m(math.nextafter(threshold_px, 9), threshold_px, metres) < metres


def test_it_learns_when_a_student_is_asked_for_and_only_then():
    flight = Flight()
    flight.fly(100, told=orders())
    assert flight.lessons == 0
    flight.fly(20, told=orders(wants=True))
    assert flight.lessons == 1
    flight.fly(100, told=orders())
    assert flight.lessons == 1


def test_it_learns_once_per_question_and_again_when_it_is_sent_back():
    flight = Flight()
    flight.fly(60, told=orders())
    flight.fly(20, told=orders(wants=True))
    flight.fly(60, told=orders(wants=True))
    assert flight.lessons == 1  # it does well: the rule of the paper leaves it alone
    flight.fly(20, told=orders())
    flight.fly(20, told=orders(wants=True))
    assert flight.lessons == 2
    flight.fly(20, told=orders(wants=True, stage="train", changed=True))
    assert flight.lessons == 3


def test_a_question_that_is_taken_back_before_it_could_learn_is_forgotten():
    flight = Flight()
    flight.fly(45, told=orders())
    flight.fly(3, near=True, told=orders(wants=True))
    flight.fly(20, near=False, told=orders())
    assert flight.lessons == 0


def test_who_may_learn_nothing_more_does_not_change():
    flight = Flight()
    flight.fly(60, told=orders())
    flight.fly(20, told=orders(wants=True))
    before = flight.fly(1)["status"]
    flight.fly(80, told=orders(labels=False, trains=False, wants=True))
    after = flight.fly(1)["status"]
    assert (after.version, after.frames) == (before.version, before.frames)
    assert flight.lessons == 1
    assert flight.node.gauges()["labels"] == 81


def test_it_learns_what_it_was_shown_also_when_no_more_is_labelled():
    flight = Flight()
    flight.fly(60, told=orders())
    flight.fly(20, told=orders(labels=False, wants=True))  # cold turkey, after its lesson
    assert flight.lessons == 1
    assert flight.fly(1)["status"].frames == 60


def test_a_teacher_that_is_invalid_or_sees_little_labels_nothing():
    flight = Flight()
    flight.fly(20, valid=False)
    flight.fly(20, seen=0.4)
    assert flight.node.gauges()["labels"] == 0
    flight.fly(20)
    assert flight.node.gauges()["labels"] == 20


def test_an_answer_that_comes_late_is_for_the_frame_that_it_is_about():
    flight = Flight()
    flight.fly(30, told=orders())
    pairs = []
    for frame in range(31, 34):
        flight.frame = frame
        pairs.append(flight.pair(is_near=False))
        assert "proximity" in flight.step(frame=pairs[-1]["frame"])  # it does not wait
    flight.step(teacher=pairs[1]["teacher"])  # that of the frame before never came
    assert flight.node.gauges()["labels"] == 31
    flight.step(teacher=pairs[0]["teacher"])
    assert flight.node.gauges()["labels"] == 31


def test_a_missing_eye_is_no_frame():
    flight = Flight()
    flight.fly(60)
    empty = np.zeros((0, 0), np.uint8)
    sent = flight.step(frame=StereoFrame(captured_ns=7, left=empty, right=empty))
    assert (sent["proximity"].valid, sent["proximity"].captured_ns) == (False, 7)


def test_the_papers_label_is_the_papers_number():
    for label, expected in ((Label.PROXIMITY, 9.0), (Label.CORRIDOR, 8 / NEAR_M)):
        flight = Flight(label=LabelConfig(label))
        flight.fly(60)
        learned = flight.node._student.known.pairs.teacher_px
        assert max(learned) == pytest.approx(expected)


@pytest.fixture(scope="module")
def learned():
    """A dictionary, what was learned with it, and the frames."""
    rng = np.random.default_rng(3)
    frames = [image(i % 2 == 0, rng) for i in range(40)]
    features = TextonFeatures(learn_dictionary(frames, rng), 128, 96)
    seen = np.stack([features.measure(frame) for frame in frames])
    teacher_px = np.tile(np.array([12, 3], np.float32), 20)
    return features, NearestNeighbours(Pairs(seen, teacher_px)), frames


def test_from_a_package_it_flies_at_once_and_learns_on(learned, tmp_path):
    path = tmp_path / "knn.onnx"
    origin = {"calibration_hash": calibration_hash(ROBOT.rig)}
    package = export_textons(path, *learned, **origin)
    flight = Flight(package=str(path))
    sent = flight.fly(8, near=True)
    assert sent["proximity"].valid
    assert sent["proximity"].corridor_m < 1.0
    status = sent["status"]
    assert (status.version, status.frames, status.package) == (1, 40, package.sha256)
    flight.fly(20, told=orders(wants=True))
    status = flight.fly(1)["status"]
    assert (status.package, status.parent) == ("", package.sha256)
    assert (status.version, status.frames > 40) == (2, True)


def test_a_package_that_does_not_fit_is_refused_in_one_line_when_the_node_starts(learned, tmp_path):
    path = tmp_path / "knn.onnx"
    export_textons(path, *learned, calibration_hash="0" * 64)
    with pytest.raises(InputError, match="was learned behind calibration") as refusal:
        Flight(package=str(path))
    assert "\n" not in str(refusal.value)


def test_with_a_dictionary_from_files_it_remembers_from_the_first_frame(learned, tmp_path):
    paths = {half: str(tmp_path / f"{half}.dat") for half in ("intensity", "gradient")}
    save_dictionary(learned[0].dictionary, **paths)
    flight = Flight(**paths)
    flight.fly(3)
    assert flight.node._student.see(image(True, flight.rng)).feature is not None


@pytest.mark.parametrize(
    ("choices", "fault"),
    [
        ({"obstacle_m": 0.0}, "obstacle_m"),
        ({"intensity": "a.dat"}, "give both"),
        ({"package": "a.onnx", "intensity": "a", "gradient": "b"}, "its own dictionary"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(choices, fault):
    with pytest.raises(InputError, match=fault):
        TextonsConfig(**choices)


def test_it_is_replayed_unless_it_reads_files():
    assert not TextonsNode.is_played_back(TextonsConfig(), ROBOT)
    assert TextonsNode.is_played_back(TextonsConfig(package="a.onnx"), ROBOT)
