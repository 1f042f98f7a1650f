"""The mono node: blind without weights, and new ones only between frames and only sound ones."""

import dataclasses

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from perception.calibration import calibration_hash
from perception.ego_motion import STILL
from perception.model_package import read_package, write_package
from perception.mono import USUAL_CAUTION, MonoEye, MonoSpec, caution_of
from perception.mono_labels import LabelledFrame, Labeller, on_grid
from perception.mono_net import NetConfig
from perception.mono_training import Config, MonoLearner
from perception.mono_trust import TRUST
from perception.mono_watch import WatchConfig
from perception.proximity import ProximityConfig, measure_proximity
from perception.quantities import InputError, StereoDepth
from perception.trust_space import for_manifest, learned_space
from robot.clock import VirtualClock
from robot.config import load_robot
from robot.edges import Arrival
from robot.messages import Alert, FlightState, StereoFrame, Weights
from robot.node import Inputs, NodeContext
from robot.nodes.mono import MonoNode, MonoNodeConfig
from robot.nodes.stereo import calibration_of
from robot.wire import encode
from tests.flown_wall import seen

ROBOT = load_robot("ardrone")
SPEC = MonoSpec(64, 48)
SMALL = Config(net=NetConfig((4, 4, 8, 8), 1))


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A run folder with an untrained network, twice, and with others that are unsound."""
    run_dir = tmp_path_factory.mktemp("run")
    learner = MonoLearner(SPEC, Labeller(ROBOT.rig, SPEC).view, SMALL, seed=0)
    image = np.zeros((1, 1, SPEC.height, SPEC.width), np.uint8)
    teacher = np.ones((SPEC.height, SPEC.width), np.float32)
    answer = (array[None] for array in on_grid(teacher, teacher))
    frames = LabelledFrame(image, image, np.ones(1, np.float32), teacher[None], *answer)
    for name, calibration in (("a", calibration_hash(ROBOT.rig)), ("stranger", "0" * 64)):
        learner.export(run_dir / f"{name}.onnx", frames, calibration_hash=calibration)
    first = read_package(run_dir / "a.onnx")
    content = (run_dir / "a.onnx").read_bytes()
    again = {**first.manifest.extra, "updates": 20}
    manifest = msgspec.structs.replace(first.manifest, extra=again, parent=first.sha256)
    write_package(run_dir / "b.onnx", content, manifest)
    trusting = msgspec.structs.replace(manifest, extra={**again, TRUST: _looks(first)})
    write_package(run_dir / "watched.onnx", content, trusting)
    malformed = msgspec.structs.replace(manifest, extra={**again, TRUST: {"mean": "grey"}})
    write_package(run_dir / "malformed.onnx", content, malformed)
    write_package(run_dir / "mad.onnx", _mad(content), manifest)
    (run_dir / "torn.onnx").write_bytes(content[: len(content) // 2])
    (run_dir / "torn.onnx.sha256").write_bytes((run_dir / "a.onnx.sha256").read_bytes())
    return run_dir


def _looks(package):
    """The trust of a network that learned from frames of fine noise."""
    eye = MonoEye(package, ROBOT.rig)
    lefts = [frame(number).left for number in range(40)]
    return for_manifest(learned_space([(eye.fitted(left), eye.infer(left)) for left in lefts]))


def _mad(content):
    """The same network, but for one weight that is not a number."""
    model = onnx.load_model_from_string(content)
    (head,) = (t for t in model.graph.initializer if t.name == "head.bias")
    head.CopyFrom(numpy_helper.from_array(np.full(2, np.nan, np.float32), head.name))
    return model.SerializeToString()


VIEW = Labeller(ROBOT.rig, SPEC).view


def nothing_seen():
    nothing = np.full((SPEC.height, SPEC.width), np.nan, np.float32)
    return StereoDepth(nothing, nothing, nothing)


def node_of(run_dir, lockstep=True, **choices):
    context = NodeContext(
        name="mono", robot=ROBOT, seed=0, clock=VirtualClock(), run_dir=run_dir, lockstep=lockstep
    )
    node = MonoNode(MonoNodeConfig(**choices), context)
    step(node, calibration=calibration_of(ROBOT.rig, 0))
    return node


def step(node, **messages):
    arrivals = {port: [Arrival(port, m, encode(m))] for port, m in messages.items()}
    return node.step(0, Inputs(arrivals, {}))


def frame(captured_ns=0, valid=True):
    image = np.random.default_rng(captured_ns).integers(0, 255, (96, 128)).astype(np.uint8)
    return StereoFrame(captured_ns=captured_ns, valid=valid, left=image, right=image)


def flight_state(captured_ns, ahead_m_s):
    return FlightState(
        captured_ns=captured_ns, gyro_rad_s=(0, 0, 0), accel_m_s2=(0, 0, 9.8), altitude_m=1.4,
        velocity_b_m_s=(ahead_m_s, 0, 0), on_watchdog=False,
    )  # fmt: skip


def announced(run_dir, name, updates=1):
    try:
        sha256 = read_package(run_dir / f"{name}.onnx").sha256
    except InputError:
        sha256 = "0" * 64
    return Weights(
        captured_ns=0, path=f"{name}.onnx", sha256=sha256, parent="", frames=9, updates=updates
    )


def test_nothing_is_believed_for_a_while_after_it_was_carried_elsewhere(packages):
    """Frames of one wall, then of another; the vehicle says that it has hovered."""
    watch = WatchConfig(lost_frames=4)
    node = node_of(packages, package=str(packages / "a.onnx"), watch=watch)
    doubts = []
    for number, wall in enumerate([0] * 4 + [1] * 8):
        at_ns = number * 100_000_000
        image = seen(*STILL, wall)
        there = msgspec.structs.replace(frame(), captured_ns=at_ns, left=image)
        told = dict(step(node, frame=there, state=flight_state(at_ns, ahead_m_s=0.0)))
        doubts.append(told["status"].doubt)
    assert doubts == [0.0] * 5 + [1.0] * 4 + [0.0] * 3


def test_what_looks_like_nothing_that_was_learned_is_doubted_and_not_flown_on(packages):
    node = node_of(packages, package=str(packages / "watched.onnx"), least_trusted=0.0)
    usual = dict(step(node, frame=frame(3)))
    strange = frame(4)
    flat = np.full_like(strange.left, 250)
    there = dict(step(node, frame=msgspec.structs.replace(strange, left=flat)))
    assert usual["status"].doubt < 0.5 < there["status"].doubt
    assert (usual["proximity"].valid, there["proximity"].valid) == (True, False)
    assert not there["depth"].valid


def test_the_state_of_the_vehicle_is_listened_to(packages):
    node = node_of(packages, package=str(packages / "watched.onnx"))
    doubts = []
    for moved in (False, True):
        for number in range(1, 12):
            said = {"frame": frame(number * 100_000_000)}
            if moved:
                said["state"] = flight_state(number * 100_000_000, ahead_m_s=1.0)
            doubts.append(dict(step(node, **said))["status"].doubt)
        node = node_of(packages, package=str(packages / "watched.onnx"))
    still, flying = doubts[:11], doubts[11:]
    assert still[0] == flying[0]  # one frame shows no parallax
    assert still[5:] != flying[5:]  # noise that does not move as it should


def test_without_a_trust_in_the_package_nothing_is_doubted(packages):
    node = node_of(packages, package=str(packages / "a.onnx"))
    assert dict(step(node, frame=frame(3)))["status"].doubt == 0


def test_a_left_eye_that_is_missing_leaves_it_blind(packages):
    node = node_of(packages, package=str(packages / "a.onnx"))
    gone = msgspec.structs.replace(frame(3), left=np.zeros((0, 0), np.uint8))
    sent = dict(step(node, frame=gone))
    assert (sent["proximity"].valid, sent["status"].trusted) == (False, 0.0)
    assert "depth" not in sent


def test_without_weights_it_is_blind_and_says_so(packages):
    sent = dict(step(node_of(packages), frame=frame(7)))
    assert (sent["proximity"].valid, sent["proximity"].captured_ns) == (False, 7)
    assert (sent["status"].version, sent["status"].trusted) == (0, 0.0)
    assert "depth" not in sent


def test_weights_apply_from_the_frame_after_they_were_announced(packages):
    node = node_of(packages)
    same_step = dict(step(node, frame=frame(), weights=announced(packages, "a")))
    assert same_step["status"].version == 0
    after = dict(step(node, frame=frame(8)))
    assert after["status"].package == announced(packages, "a").sha256
    assert after["status"].swaps == 1
    assert after["depth"].depth_m.shape == (SPEC.height, SPEC.width)
    assert after["depth"].captured_ns == after["proximity"].captured_ns == 8
    assert after["status"].trusted == pytest.approx(
        np.mean(~np.isnan(after["depth"].depth_m)), abs=1e-6
    )


def test_a_reading_is_valid_where_enough_pixels_are_trusted_and_the_frame_is(packages):
    node = node_of(packages, package=str(packages / "a.onnx"))
    assert dict(step(node, frame=frame()))["proximity"].valid
    assert not dict(step(node, frame=frame(valid=False)))["proximity"].valid
    strict = node_of(packages, package=str(packages / "a.onnx"), least_trusted=1.0)
    assert dict(step(strict, frame=frame()))["status"].trusted <= 1.0
    strict._eye._config = dataclasses.replace(strict._eye._config, max_relative_scale=1e-6)
    assert not dict(step(strict, frame=frame()))["proximity"].valid


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("torn", "was changed after it was written"),
        ("stranger", "was trained behind calibration"),
        ("mad", "not finite"),
        ("malformed", "its trust is malformed"),
        ("missing", "cannot read"),
    ],
)
def test_unsound_weights_are_refused_and_the_old_ones_fly_on(packages, name, fault):
    node = node_of(packages, package=str(packages / "a.onnx"))
    before = dict(step(node, frame=frame()))["status"]
    step(node, weights=announced(packages, name))
    sent = step(node, frame=frame())
    (alert,) = (message for _, message in sent if isinstance(message, Alert))
    assert fault in alert.text
    assert dict(sent)["status"].package == before.package
    assert node.gauges()["weights_refused"] == 1
    assert dict(sent)["proximity"].valid


def test_a_package_that_is_not_the_one_announced_is_refused(packages):
    node = node_of(packages)
    weights = announced(packages, "a")
    step(node, weights=msgspec.structs.replace(weights, sha256="f" * 64))
    sent = step(node, frame=frame())
    assert "not the package that was announced" in sent[0][1].text


def test_weights_that_fail_in_flight_give_way_to_those_before(packages):
    node = node_of(packages)
    for name in ("a", "b"):
        step(node, weights=announced(packages, name))
        step(node, frame=frame())
    node._eye = _Mad(node._eye)
    sent = step(node, frame=frame())
    assert "back to the weights before" in sent[0][1].text
    status = dict(sent)["status"]
    assert (status.package, status.rollbacks) == (announced(packages, "a").sha256, 1)


def test_by_wall_clock_weights_are_opened_beside_the_frames(packages):
    node = node_of(packages, lockstep=False)
    step(node, weights=announced(packages, "a"))
    while (status := dict(step(node, frame=frame()))["status"]).version == 0:
        pass
    assert status.swaps == 1
    node.close()


class _Mad:
    """An eye that sees numbers that are none."""

    def __init__(self, eye):
        self._eye = eye

    def infer(self, left):
        return type(self._eye.infer(left))(*(v * np.nan for v in self._eye.infer(left)))


def test_what_is_flown_on_is_nearer_by_the_caution_and_what_is_shown_is_not(packages):
    bold, cautious = (
        dict(step(node_of(packages, package=str(packages / "a.onnx"), caution=c), frame=frame()))
        for c in (0.0, 1.0)
    )
    assert (cautious["proximity"].sectors_per_m > bold["proximity"].sectors_per_m).all()
    np.testing.assert_array_equal(cautious["depth"].depth_m, bold["depth"].depth_m)


def test_the_caution_is_that_of_the_package_unless_one_is_set(packages):
    package = read_package(packages / "a.onnx")
    manifest = msgspec.structs.replace(
        package.manifest, extra={**package.manifest.extra, "caution": 2.0}
    )
    write_package(packages / "careful.onnx", package.path.read_bytes(), manifest)
    corridors = [
        dict(
            step(
                node_of(packages, package=str(packages / f"{name}.onnx"), **choices), frame=frame()
            )
        )
        for name, choices in (("careful", {}), ("a", {"caution": 2.0}), ("a", {}))
    ]
    careful, set_so, usual = (sent["proximity"].sectors_per_m for sent in corridors)
    np.testing.assert_array_equal(careful, set_so)
    assert (careful > usual).all()


@pytest.mark.parametrize("said", [None, "much", -1.0, float("nan"), float("inf")])
def test_a_package_that_says_no_sound_caution_is_flown_with_the_usual_one(packages, said):
    package = read_package(packages / "a.onnx")
    manifest = msgspec.structs.replace(package.manifest, extra={"caution": said})
    assert caution_of(package._replace(manifest=manifest)) == USUAL_CAUTION


def test_a_corridor_is_flown_on_with_the_one_before_it(packages):
    node = node_of(packages)
    near = measure_proximity(nothing_seen(), VIEW, ProximityConfig())
    seen_m = (2.0, 0.5, 0.5, float("inf"), float("inf"))
    steady_m = [node._steady(near._replace(corridor_m=m), valid=True).corridor_m for m in seen_m]
    assert steady_m == pytest.approx([2.0, 0.8, 0.5, 1.0, float("inf")])


def test_what_was_seen_before_a_frame_that_is_not_valid_no_longer_counts(packages):
    node = node_of(packages)
    near = measure_proximity(nothing_seen(), VIEW, ProximityConfig())
    for corridor_m, valid in ((0.5, True), (0.5, True), (9.0, False)):
        node._steady(near._replace(corridor_m=corridor_m), valid=valid)
    assert node._steady(near._replace(corridor_m=2.0), valid=True).corridor_m == 2.0


@pytest.mark.parametrize(
    "choices", [{"caution": -1.0}, {"least_trusted": 1.5}, {"steady_frames": 0}]
)
def test_a_setting_that_makes_no_sense_is_refused(choices):
    with pytest.raises(InputError, match=next(iter(choices))):
        MonoNodeConfig(**choices)
