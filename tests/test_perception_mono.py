"""The edge side: what it takes, what it refuses, and that it measures as stereo does."""

import subprocess
import sys

import msgspec
import numpy as np
import pytest

from perception.calibration import calibration_hash, ideal_rig
from perception.geometry import Rectifier
from perception.model_package import ModelPackageError, read_package, write_package
from perception.mono import (
    MonoConfig,
    MonoDepth,
    MonoEye,
    MonoFrameError,
    MonoModelError,
    MonoSpec,
    depth_of,
    open_mono,
)
from perception.mono_labels import LabelledFrame, on_grid
from perception.mono_net import NetConfig
from perception.mono_training import Config, MonoLearner
from perception.onnx_model import OnnxModelError
from perception.proximity import ProximityConfig, measure_proximity

RIG = ideal_rig(128, 96, 58.0, 0.06)
OTHER_RIG = ideal_rig(128, 96, 60.0, 0.06)
VIEW = Rectifier(RIG).view
SMALL = Config(net=NetConfig((4, 4, 8, 8), 1))


def write(folder, spec):
    """The package of an untrained network."""
    learner = MonoLearner(spec, VIEW, SMALL, seed=0)
    image = np.zeros((1, 1, spec.channels, spec.height, spec.width), np.uint8)
    teacher = np.ones((spec.height, spec.width), np.float32)
    answer = (array[None] for array in on_grid(teacher, teacher))
    frames = LabelledFrame(image[0], image[0], np.ones(1, np.float32), teacher[None], *answer)
    return learner.export(folder / "mono.onnx", frames, calibration_hash=calibration_hash(RIG))


def rewritten(path, folder, **fields):
    """The same network under another manifest."""
    manifest = msgspec.structs.replace(read_package(path).manifest, **fields)
    return write_package(folder / "other.onnx", path.read_bytes(), manifest)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("package"), MonoSpec()).path


@pytest.fixture(scope="module")
def eye(path):
    return open_mono(path, RIG)


@pytest.fixture
def frame():
    return np.random.default_rng(0).integers(0, 255, (96, 128)).astype(np.uint8)


def test_output_is_a_quarter_of_the_size_and_above_zero(eye, frame):
    mono = eye.infer(frame)
    assert [values.shape for values in mono] == [(24, 32), (24, 32)]
    assert all((values > 0).all() for values in mono)


def test_depth_comes_in_the_size_and_the_disparity_of_the_stereo_rig(eye):
    mono = MonoDepth(np.full((24, 32), 0.5, np.float32), np.full((24, 32), 0.01, np.float32))
    depth = eye.depth(mono)
    np.testing.assert_allclose(depth.depth_m, np.full((96, 128), 2.0), rtol=1e-5)
    np.testing.assert_allclose(depth.disparity_px, VIEW.focal_px * 0.06 / 2, rtol=1e-5)
    assert depth.confidence.min() > 0.9


def test_where_the_network_doubts_depth_is_unknown():
    scale = np.full((24, 32), 0.1, np.float32)
    scale[:, 16:] = 0.9
    mono = MonoDepth(np.ones((24, 32), np.float32), scale)
    depth = depth_of(mono, VIEW, MonoConfig(max_relative_scale=0.5))
    assert np.isnan(depth.depth_m[:, 70:]).all()
    assert not np.isnan(depth.depth_m[:, :58]).any()
    np.testing.assert_array_equal(np.isnan(depth.depth_m), depth.confidence < 0.5)


def test_proximity_is_measured_as_for_stereo(eye, frame):
    mono = eye.infer(frame)
    by_stereo = measure_proximity(eye.depth(mono), VIEW, ProximityConfig())
    for found, expected in zip(eye.proximity(mono), by_stereo, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (np.zeros((48, 64), np.uint8), "grey 64x48 uint8"),
        (np.zeros((96, 128, 3), np.uint8), "colour 128x96 uint8"),
        (np.zeros((96, 128), np.float32), "grey 128x96 float32"),
        (np.zeros(5, np.uint8), r"uint8 of shape \(5,\)"),
    ],
)
def test_a_frame_of_another_size_or_colour_is_refused(eye, wrong, named):
    with pytest.raises(MonoFrameError, match=rf"{named}; mono.onnx takes grey 128x96 uint8"):
        eye.infer(wrong)


def test_a_network_for_colour_takes_colour_alone(tmp_path, frame):
    eye = MonoEye(write(tmp_path, MonoSpec(32, 32, 3)), RIG)
    assert eye.infer(np.dstack([frame] * 3)).inverse_depth_per_m.shape == (8, 8)
    with pytest.raises(MonoFrameError, match=r"grey 128x96.* takes colour 128x96"):
        eye.infer(frame)


def test_another_calibration_is_refused_with_both_hashes(path):
    with pytest.raises(MonoModelError) as error:
        open_mono(path, OTHER_RIG)
    assert calibration_hash(RIG)[:12] in str(error.value)
    assert calibration_hash(OTHER_RIG)[:12] in str(error.value)


def test_a_package_that_names_no_calibration_is_refused(path, tmp_path):
    package = rewritten(path, tmp_path, calibration_hash=None)
    with pytest.raises(MonoModelError, match="behind calibration none"):
        MonoEye(package, RIG)


def test_a_truncated_package_is_refused(path, tmp_path):
    for name in ("mono.onnx", "mono.onnx.sha256"):
        (tmp_path / name).write_bytes((path.parent / name).read_bytes())
    content = path.read_bytes()
    (tmp_path / "mono.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises((ModelPackageError, OnnxModelError)):
        open_mono(tmp_path / "mono.onnx", RIG)


def test_a_package_of_another_kind_is_refused(path, tmp_path):
    package = rewritten(path, tmp_path, kind="policy")
    with pytest.raises(MonoModelError, match="kind policy; needed is mono_depth"):
        MonoEye(package, RIG)


@pytest.mark.parametrize(("width", "height"), [(120, 96), (128, 90), (0, 16), (-16, 16)])
def test_sizes_that_cannot_be_halved_four_times_are_refused(width, height):
    with pytest.raises(MonoModelError, match="multiples of 16"):
        MonoSpec(width, height)


def test_the_eye_runs_without_torch(path):
    program = (
        "import sys, numpy as np; from perception.mono import open_mono; "
        "from perception.calibration import ideal_rig; "
        "eye = open_mono(sys.argv[1], ideal_rig(128, 96, 58.0, 0.06)); "
        "eye.proximity(eye.infer(np.zeros((96, 128), np.uint8))); "
        "print([n for n in ('torch', 'pytorch_lightning', 'onnx', 'mujoco') if n in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
