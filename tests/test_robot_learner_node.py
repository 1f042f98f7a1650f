"""The learner node: labels by stereo, learns at a fixed rate, announces what it wrote."""

import errno
import os

import numpy as np
import pytest

from perception.model_package import read_package
from perception.mono import MonoDepth, caution_of, open_mono
from perception.mono_trust import trust_of
from perception.operating_point import ExamConfig
from robot.clock import VirtualClock
from robot.config import load_robot
from robot.edges import Arrival
from robot.messages import Alert, DepthMap, HandoverState, StereoFrame, Weights
from robot.node import Inputs, NodeContext, Role
from robot.nodes.learner import LearnerConfig, LearnerNode
from robot.wire import encode

MS = 1_000_000
ROBOT = load_robot("ardrone")
TINY = {
    "width": 48, "height": 32, "updates_per_s": 10.0,
    "updates_per_package": 4, "patience_updates": 4,
}  # fmt: skip
EASY = ExamConfig(run_frames=1, every_runs=2, least_obstacles=1, most_fpr=1.0)


def node_of(run_dir, lockstep=True, **choices):
    context = NodeContext(
        name="learner", robot=ROBOT, seed=3, clock=VirtualClock(), run_dir=run_dir,
        lockstep=lockstep,
    )  # fmt: skip
    return LearnerNode(LearnerConfig(**{**TINY, **choices}), context)


@pytest.fixture
def node(tmp_path):
    return node_of(tmp_path)


def frame(number, valid=True):
    image = np.random.default_rng(number).integers(0, 255, (96, 128)).astype(np.uint8)
    return StereoFrame(captured_ns=number * 100 * MS, valid=valid, left=image, right=image)


def depth(number, valid=True, disparity_px=3.5):
    full = np.full((96, 128), 1.0, np.float32)
    return DepthMap(
        captured_ns=number * 100 * MS,
        valid=valid,
        depth_m=7 / disparity_px * full,
        disparity_px=disparity_px * full,
        confidence=full,
    )


def orders(labels=True, trains=True, wants=True, stage=""):
    numbers = dict.fromkeys(HandoverState.__struct_fields__, 0)
    texts = dict.fromkeys(("organisation", "stage", "actor", "reason", "source"), "")
    told = {"labels": labels, "trains": trains, "wants_student": wants}
    return HandoverState(**{**numbers, **texts, **told, "stage": stage})


def step(node, number, **messages):
    arrivals = {port: [Arrival(port, m, encode(m))] for port, m in messages.items()}
    return node.step(number * 100 * MS, Inputs(arrivals, {}))


def fly(node, numbers, **told):
    """A frame and its depth per step; all that was sent."""
    sent = []
    for number in numbers:
        sent += step(node, number, frame=frame(number), depth=depth(number), **told)
    return sent


def test_it_learns_a_fixed_number_of_updates_per_second_of_the_run(node):
    fly(node, range(12), orders=orders(wants=False))
    assert node.gauges()["images"] == 12
    assert node.gauges()["updates"] == 10  # from the second image on: 1.0 s at 10 Hz


def test_every_frame_is_an_exam_before_it_is_a_lesson(tmp_path):
    node = node_of(tmp_path, exam=EASY)
    fly(node, range(4), orders=orders(wants=False))  # the second is kept from it: it knew nothing
    learned, judged = node._learner.frames_seen, len(node._examiner)
    fly(node, range(4, 10), orders=orders(wants=False))
    assert node._learner.frames_seen == learned + 6
    assert len(node._examiner) == judged + 6


def test_an_answer_is_of_the_student_before_the_frame(tmp_path, monkeypatch):
    node = node_of(tmp_path, exam=EASY)
    fly(node, range(6), orders=orders(wants=False))
    asked = []
    infer, observe = node._learner.infer, node._learner.observe
    monkeypatch.setattr(node._learner, "infer", lambda x: asked.append("exam") or infer(x))
    monkeypatch.setattr(node._learner, "observe", lambda x: asked.append("lesson") or observe(x))
    fly(node, range(6, 8), orders=orders(wants=False))
    assert asked == ["exam", "lesson"] * 2


def test_frames_are_kept_from_a_student_that_does_not_learn_yet(tmp_path):
    node = node_of(tmp_path, exam=EASY)
    fly(node, range(10), orders=orders(wants=False, trains=False))
    assert node.gauges()["images"] == 10
    assert node._learner.frames_seen == len(node._examiner) == 5


def test_a_student_that_is_not_fit_stays_until_patience_ends(tmp_path):
    """Nothing is near in these frames, so nothing shows that it would find what is."""
    node = node_of(tmp_path, patience_updates=12)
    assert fly(node, range(12)) == []  # 10 updates, of which the first 4 made a package
    assert [message.updates for _, message in fly(node, range(12, 14))] == [12]
    assert node.gauges()["is_fit"] == 0


@pytest.mark.parametrize(("stage", "kept"), [("shadow", 1), ("train", 7)])
def test_a_student_that_is_judged_anew_has_a_new_exam(tmp_path, stage, kept):
    node = node_of(tmp_path, exam=EASY)
    fly(node, range(8), orders=orders(wants=False, stage="mono"))
    assert len(node._examiner) == 6  # all but the first two, before it had learned
    fly(node, range(8, 9), orders=orders(wants=False, stage=stage))
    assert len(node._examiner) == kept


@pytest.mark.parametrize("stage", ["shadow", "mono"])
def test_a_student_that_is_shown_already_is_followed_by_itself_fit_or_not(tmp_path, stage):
    node = node_of(tmp_path, patience_updates=400)
    sent = fly(node, range(12), orders=orders(stage=stage))
    assert [message.updates for _, message in sent] == [4, 8]
    assert node.gauges()["is_fit"] == 0


def test_a_fit_student_goes_at_once_with_the_caution_that_it_needs(tmp_path):
    """It has not learned much, so all that finds the walls is the greatest caution."""
    node = node_of(tmp_path, patience_updates=400, updates_per_exam=1, exam=EASY)
    sent = []
    for number in range(12):
        near = depth(number, disparity_px=10.0 if number // 2 % 2 else 2.0)
        sent += step(node, number, frame=frame(number), depth=near)
    (_, weights), *_ = sent
    package = open_mono(tmp_path / weights.path, ROBOT.rig).package
    assert weights.updates < 12
    assert caution_of(package) == package.manifest.extra["exam"]["caution"]
    assert package.manifest.extra["exam"]["is_fit"] == 1
    assert package.manifest.extra["exam"]["tpr"] >= EASY.least_tpr


def test_a_learner_that_begins_anew_goes_on_from_what_it_had_written(node, tmp_path):
    sent = fly(node, range(8))
    newest = sent[-1][1]
    again = node_of(tmp_path)
    assert again.gauges()["updates"] == newest.updates
    told = fly(again, range(8, 16))
    assert told[0][1].parent == newest.sha256
    assert told[0][1].updates >= newest.updates + TINY["updates_per_package"]


def test_a_package_that_was_torn_by_the_end_is_passed_over(node, tmp_path):
    first, second = (message for _, message in fly(node, range(12)))
    (tmp_path / second.path).write_bytes(b"half")
    assert node_of(tmp_path).gauges()["updates"] == first.updates


def test_a_life_goes_on_in_another_run(node, tmp_path):
    newest = fly(node, range(8))[-1][1]
    (tmp_path / "later").mkdir()
    again = node_of(tmp_path / "later", package=str(tmp_path / newest.path))
    assert again.gauges()["updates"] == newest.updates


def test_what_it_announces_is_a_package_of_this_camera_that_names_its_origin(node, tmp_path):
    sent = fly(node, range(12))
    first, second = (message for port, message in sent if port == "weights")
    assert isinstance(first, Weights)
    eye = open_mono(tmp_path / second.path, ROBOT.rig)
    assert eye.package.sha256 == second.sha256
    assert eye.package.manifest.parent == second.parent == first.sha256
    assert first.parent == ""
    origin = eye.package.manifest.extra
    assert (origin["updates"], origin["frames"]) == (second.updates, second.frames) == (8, 10)


def test_equal_frames_and_seeds_give_the_same_packages(tmp_path):
    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        sent = fly(node_of(tmp_path / name), range(8))
        runs.append([m.sha256 for port, m in sent if port == "weights"])
    assert runs[0] == runs[1] != []


def test_only_the_newest_packages_stay_on_disk(tmp_path):
    node = node_of(tmp_path, keep_packages=1, updates_per_package=2, patience_updates=2)
    sent = fly(node, range(8))
    assert len(sent) == 3
    (left,) = (tmp_path / "weights").glob("*.onnx")
    assert sent[-1][1].path == f"weights/{left.name}"


def test_a_full_disk_costs_weights_that_are_counted_and_said(node, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("perception.atomic_file.os.fsync", full)
        ((port, alert),) = fly(node, range(7))
    assert (port, type(alert)) == ("alerts", Alert)
    assert "No space left on device" in alert.text
    assert "the run goes on" in alert.text
    assert node.gauges()["packages_lost"] == 1
    assert [port for port, _ in fly(node, range(7, 11))] == ["weights"]  # there is room again


def test_it_obeys_the_handover(node):
    fly(node, range(4), orders=orders(labels=False))
    assert node.gauges()["images"] == 0
    fly(node, range(4, 10), orders=orders(trains=False))
    assert node.gauges()["updates"] == 0
    assert fly(node, range(10, 18), orders=orders(wants=False)) == []
    assert node.gauges()["updates"] > 4


@pytest.mark.parametrize(("good_frame", "good_depth"), [(False, True), (True, False)])
def test_what_nobody_trusts_is_not_learned(node, good_frame, good_depth):
    step(node, 1, frame=frame(1, valid=good_frame), depth=depth(1, valid=good_depth))
    assert node.gauges()["images"] == 0


def test_labels_from_just_before_an_objection_are_not_learned(tmp_path):
    node = node_of(tmp_path, quarantine_frames=4)
    for number in range(20):
        well = number != 10
        step(node, number, frame=frame(number), depth=depth(number, valid=well))
    # 0 to 5 have waited when 10 is objected to, 6 to 9 have not; then 11 to 15 have.
    assert node.gauges()["images"] == 6 + 5
    assert node.gauges()["labels_dropped"] == 4


def test_a_package_describes_the_frames_that_it_was_learned_from(tmp_path):
    node = node_of(tmp_path, updates_per_package=35)
    packages = [message for port, message in fly(node, range(40)) if port == "weights"]
    trust = trust_of(read_package(tmp_path / packages[0].path))
    assert trust is not None
    first = node._learner.ring[0]
    said = node._learner.infer(first.image[np.newaxis])
    seen = trust.judge(first.image[0], MonoDepth(*(values[0] for values in said)))
    assert seen.neighbours < 3  # one of them


def test_frames_without_their_depth_are_let_go_and_their_number_is_bounded(node):
    for number in range(30):
        step(node, number, frame=frame(number))
    assert len(node._waiting) == 8
    step(node, 30, depth=depth(28))
    assert node.gauges()["images"] == 1
    assert len(node._waiting) == 1
    step(node, 31, depth=depth(5))  # of a frame that is gone
    assert node.gauges()["images"] == 1


def test_by_wall_clock_it_does_one_update_per_step_and_skips_what_is_late(tmp_path):
    node = node_of(tmp_path, lockstep=False)
    fly(node, range(2))
    step(node, 22)  # two seconds later
    assert node.gauges()["updates"] == 1
    assert node.gauges()["updates_skipped"] == 20


def test_a_learner_can_hold_up_nobody():
    assert LearnerNode.role is Role.LEARNING
    assert not LearnerNode.inputs["frame"].wakes
