"""Faults on a schedule or on a cue, and what stereo makes of a missing or a watched pair."""

import dataclasses
import math

import msgspec
import numpy as np
import pytest

from perception.quantities import InputError
from robot.clock import VirtualClock
from robot.config import load_robot, to_config
from robot.edges import Arrival
from robot.messages import HandoverState, StereoFrame
from robot.node import Inputs, NodeContext
from robot.nodes.camera_faults import CameraFaultsConfig, CameraFaultsNode
from robot.nodes.stereo import StereoNode, StereoNodeConfig, calibration_of
from robot.nodes.unplugging import UnpluggingConfig, UnpluggingNode
from robot.views import views_of
from robot.wire import decode, encode

STEP_NS = 100_000_000
START_NS = 7_000_000_000  # a wall clock does not begin at 0


@pytest.fixture
def context():
    return NodeContext(
        name="faults", robot=load_robot("ardrone"), seed=3, clock=VirtualClock(), rate_hz=10.0
    )


def frame(number):
    """A pair of coarse noise that slides by, disparity 6 px, with fine noise of its own."""
    coarse = np.random.default_rng(0).integers(30, 220, (24, 100)).repeat(4, 0).repeat(4, 1)
    noise = np.random.default_rng([1, number]).integers(-3, 4, (2, 96, 128))
    first = 2 * number % 200
    left, right = (coarse[:, first + shift :][:, :128] for shift in (0, 6))
    return StereoFrame(
        captured_ns=START_NS + number * STEP_NS,
        left=(left + noise[0]).astype(np.uint8),
        right=(right + noise[1]).astype(np.uint8),
    )


def give(port, *messages):
    return Inputs({port: [Arrival(f"w/{port}", m, encode(m)) for m in messages]}, {})


def passed(context, *faults, count=10):
    config = to_config("faults", {"schedule": faults}, CameraFaultsConfig)
    node = CameraFaultsNode(config, context)
    return [node.step(0, give("frame", frame(k)))[0][1] for k in range(count)]


def test_without_a_schedule_frames_pass_as_they_are(context):
    for number, seen in enumerate(passed(context)):
        good = frame(number)
        assert np.array_equal(seen.left, good.left)
        assert np.array_equal(seen.right, good.right)
        assert seen.captured_ns == good.captured_ns


def test_a_fault_lasts_from_its_second_to_its_second(context):
    fault = {"corruption": "unplugged", "from_s": 0.3, "to_s": 0.5, "side": "left"}
    sizes = [seen.left.size for seen in passed(context, fault)]
    assert [size == 0 for size in sizes] == [False] * 3 + [True] * 2 + [False] * 5


def test_the_later_of_two_faults_happens_to_the_result_of_the_first(context):
    swap = {"corruption": "swapped", "from_s": 0.0}
    unplug = {"corruption": "unplugged", "from_s": 0.0, "side": "left"}
    seen = passed(context, swap, unplug)[4]
    assert seen.left.size == 0
    assert np.array_equal(seen.right, frame(4).left)


def test_equal_seeds_give_equal_faults(context):
    fault = {"corruption": "noise", "from_s": 0.2, "side": "both", "options": {"severity": 2.0}}
    once, again = passed(context, fault), passed(context, fault)
    other = passed(dataclasses.replace(context, seed=4), fault)
    assert [encode(a) for a in once] == [encode(a) for a in again]
    assert encode(once[5]) != encode(other[5])


@pytest.mark.parametrize(
    ("fault", "fragment"),
    [
        ({"corruption": "rain", "from_s": 1.0}, "no corruption is called 'rain'"),
        ({"corruption": "blur", "from_s": 1.0, "options": {"much": 1}}, "no option much"),
        ({"corruption": "blur", "from_s": 2.0, "to_s": 1.0}, "from second 2 to 1"),
        ({"corruption": "blur", "from_s": 1.0, "side": "up"}, "up"),
    ],
)
def test_a_wrong_schedule_is_refused_before_the_first_frame(fault, fragment, context):
    with pytest.raises(InputError, match=fragment):
        passed(context, fault, count=0)


def seen_by_stereo(context, frames, **config):
    node = StereoNode(
        StereoNodeConfig(matcher="bm", **config),
        dataclasses.replace(context, robot=dataclasses.replace(context.robot, tables={})),
    )
    node.step(0, give("calibration", calibration_of(context.robot.rig, 0)))
    return [dict(node.step(0, give("frame", each))) for each in frames]


def test_stereo_answers_a_missing_eye_with_nothing_seen_and_goes_on(context):
    unplug = {"corruption": "unplugged", "from_s": 0.1, "to_s": 0.2}
    before, missing, after = seen_by_stereo(context, passed(context, unplug, count=3))
    near, depth = missing["proximity"], missing["depth"]
    assert not near.valid
    assert not depth.valid
    assert math.isnan(near.proximity_px)
    assert (near.corridor_m, near.corridor_seen, near.sector_valid.sum()) == (math.inf, 0, 0)
    assert np.isnan(depth.depth_m).all()
    assert depth.depth_m.shape == (96, 128)
    assert before["proximity"].valid
    assert after["proximity"].valid
    assert not before.keys() & {"health"}


def test_a_frame_with_a_missing_eye_travels_and_shows_the_other(context):
    seen = passed(context, {"corruption": "unplugged", "from_s": 0.0}, count=1)[0]
    assert decode(StereoFrame, encode(seen)).right.shape == (0, 0)
    assert [view.topic for view in views_of("stereo_images", "camera/frame", seen)] == [
        "camera/frame/left"
    ]


def test_a_watched_reading_is_valid_only_while_the_monitor_is_content(context):
    faults = {"corruption": "black", "from_s": 0.5}
    seen = seen_by_stereo(context, passed(context, faults), monitor=True)
    said = [emissions["health"] for emissions in seen]
    assert [health.ok for health in said] == [True] * 6 + [False] * 4
    assert {health.reason for health in said[6:]} == {"black"}
    assert all(health.value < health.limit for health in said[6:])
    for emissions in seen:
        assert emissions["proximity"].valid == emissions["health"].ok == emissions["depth"].valid
        assert emissions["health"].captured_ns == emissions["proximity"].captured_ns


def handover_state(stage, teacher_alive=True):
    quiet = {
        field.name: field.type()
        for field in msgspec.structs.fields(HandoverState)
        if field.required
    }
    return HandoverState(**{**quiet, "stage": stage, "teacher_alive": teacher_alive})


def unplugged(context, stages, failing=(), **config):
    """Numbers of the frames that came without their right eye; a stage with each, or None.

    In the frames `failing` stereo is not well.
    """
    node = UnpluggingNode(to_config("faults", config, UnpluggingConfig), context)
    found = []
    for number, stage in enumerate(stages):
        told = {
            "frame": [frame(number)],
            "state": [handover_state(stage, number not in failing)] if stage else [],
        }
        arrivals = {
            port: [Arrival(f"w/{port}", m, encode(m)) for m in messages]
            for port, messages in told.items()
        }
        ((_port, passed),) = node.step(0, Inputs(arrivals, {}))
        assert np.array_equal(passed.left, frame(number).left)
        found += [] if passed.right.size else [number]
    return found


def test_the_camera_is_unplugged_once_the_student_has_flown_for_long_enough(context):
    stages = ["shadow", "mono", "mono", "mono", None, None, "shadow"]
    assert unplugged(context, stages, after_frames=3, lasts_s=0.2) == [3, 4]


def test_a_break_of_the_students_flight_begins_its_time_anew(context):
    stages = ["mono", "mono", "revert", "mono", "mono", "mono"]
    assert unplugged(context, stages, after_frames=3) == [5]


def test_it_is_unplugged_again_when_the_student_has_flown_as_long_with_both_eyes(context):
    stages = ["mono"] * 11
    assert unplugged(context, stages, after_frames=3, lasts_s=0.2) == [2, 3, 6, 7, 10]


def test_at_the_latest_second_it_is_unplugged_once_whoever_flies(context):
    stages = ["collect"] * 9
    assert unplugged(context, stages, at_latest_s=0.4, lasts_s=0.3) == [4, 5, 6]
    assert unplugged(context, stages) == []


def test_a_student_that_flies_while_stereo_fails_does_not_fly_for_long_enough(context):
    assert unplugged(context, ["mono"] * 6, failing=[2], after_frames=3) == [5]


@pytest.mark.parametrize("wrong", [{"after_frames": 0}, {"at_latest_s": 0.0}, {"lasts_s": -1.0}])
def test_an_unplugging_that_is_no_time_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        to_config("faults", wrong, UnpluggingConfig)
