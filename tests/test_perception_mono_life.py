"""Learning goes on from a package as if it had not been interrupted."""

import numpy as np
import pytest
import torch

from perception.calibration import calibration_hash
from perception.mono import MonoModelError, MonoSpec
from perception.mono_labels import LabelledFrame, Labeller, on_grid
from perception.mono_net import NetConfig
from perception.mono_training import Config, MonoLearner
from robot.config import load_robot

RIG = load_robot("ardrone").rig
HASH = calibration_hash(RIG)
SPEC = MonoSpec(64, 48)
VIEW = Labeller(RIG, SPEC).view
SMALL = Config(net=NetConfig((4, 4, 8, 8), 1))


def lesson(count):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (count, 1, SPEC.height, SPEC.width)).astype(np.uint8)
    teacher = np.ones((SPEC.height, SPEC.width), np.float32)
    target, weight = on_grid(teacher, teacher)
    return LabelledFrame(
        image,
        image,
        np.ones(count, np.float32),
        np.stack([teacher] * count),
        np.stack([target] * count),
        np.stack([weight] * count),
    )


@pytest.fixture(scope="module")
def taught():
    learner = MonoLearner(SPEC, VIEW, SMALL, seed=0)
    for _ in range(3):
        learner.update(lesson(4))
    return learner


@pytest.fixture(scope="module")
def package(taught, tmp_path_factory):
    path = tmp_path_factory.mktemp("life") / "a.onnx"
    return taught.export(path, lesson(2), doubt=0.5, calibration_hash=HASH)


def test_a_package_gives_back_the_network_that_wrote_it(taught, package):
    again = MonoLearner(SPEC, VIEW, SMALL, seed=1)
    again.resume(package, HASH)
    assert (again.updates, again.frames_seen) == (taught.updates, taught.frames_seen)
    mine, its = taught.net.state_dict(), again.net.state_dict()
    for name, value in mine.items():
        if value.is_floating_point():
            torch.testing.assert_close(its[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_learning_goes_on_from_there(package):
    again = MonoLearner(SPEC, VIEW, SMALL, seed=1)
    again.resume(package, HASH)
    before = package.manifest.extra["updates"]
    again.update(lesson(4))
    assert again.updates == before + 1


def test_the_factor_on_the_doubt_is_flown_on_and_not_learned_on(taught, package):
    images = lesson(1).image
    learned = taught.infer(images)
    flown = package.model.infer({"image": images})
    np.testing.assert_allclose(flown["scale_per_m"], 0.5 * learned.scale_per_m, rtol=1e-4)
    np.testing.assert_allclose(flown["inverse_depth_per_m"], learned.inverse_depth_per_m, rtol=1e-4)
    again = MonoLearner(SPEC, VIEW, SMALL, seed=1)
    again.resume(package, HASH)
    assert float(again.net.doubt) == 1.0


def test_another_calibration_is_refused_with_both_hashes(package):
    learner = MonoLearner(SPEC, VIEW, SMALL, seed=1)
    with pytest.raises(MonoModelError, match=f"{HASH[:12]}.*{'0' * 12}"):
        learner.resume(package, "0" * 64)


def test_another_size_is_refused(package):
    larger = Config(net=NetConfig((4, 4, 8, 12), 1))
    with pytest.raises(MonoModelError, match="of another size"):
        MonoLearner(SPEC, VIEW, larger, seed=1).resume(package, HASH)
    with pytest.raises(MonoModelError, match="128"):
        MonoLearner(MonoSpec(), VIEW, SMALL, seed=1).resume(package, HASH)


def test_a_package_that_forgot_its_normalisation_is_refused(taught, tmp_path):
    mute = taught.export(
        tmp_path / "b.onnx", lesson(2), calibration_hash=HASH, extra={"normalisation": "?"}
    )
    with pytest.raises(MonoModelError, match="normalisation"):
        MonoLearner(SPEC, VIEW, SMALL, seed=1).resume(mute, HASH)
