"""The exported student computes what the student computes, on rendered frames."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from perception.images import read_grey
from perception.model_package import ModelPackageError, read_package
from perception.neighbours import NearestNeighbours, Pairs
from perception.texton_dictionary import learn_dictionary
from perception.texton_export import (
    TextonExportError,
    TextonParityError,
    check_parity,
    export_textons,
    texton_graph,
)
from perception.textons import TextonFeatures

FRAMES = Path(__file__).parent / "data" / "asl_room" / "mav0"


@pytest.fixture(scope="module")
def frames():
    return [read_grey(path) for path in sorted(FRAMES.glob("cam*/data/*.png"))]


@pytest.fixture(scope="module")
def features(frames):
    return TextonFeatures(learn_dictionary(frames, np.random.default_rng(0)), 128, 96)


def student(features, frames, teacher_px=None):
    seen = np.stack([features.measure(frame) for frame in frames])
    if teacher_px is None:
        teacher_px = 1 + np.arange(len(frames)) ** 2 % 13
    return NearestNeighbours(Pairs(seen, np.asarray(teacher_px, np.float32)))


@pytest.fixture(scope="module")
def known(features, frames):
    return student(features, frames[:8])


def test_the_package_answers_as_the_student_does_also_on_noise(tmp_path, features, known, frames):
    package = export_textons(tmp_path / "knn.onnx", features, known, frames)
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 256, (96, 128), dtype=np.uint8) for _ in range(5)]
    estimates = []
    for frame in [*frames, *noise, np.zeros((96, 128), np.uint8)]:
        found = package.model.infer({"left": frame})["proximity_px"]
        assert found.shape == ()
        estimates.append(float(found))
        assert estimates[-1] == pytest.approx(known.predict(features.measure(frame)), abs=1e-5)
    assert len(set(estimates)) > 3


def test_the_package_says_what_it_was_made_of(tmp_path, features, known, frames):
    path = tmp_path / "knn.onnx"
    export_textons(path, features, known, frames, calibration_hash="ab" * 32, extra={"log": "x"})
    manifest = read_package(path).manifest
    assert manifest.kind == "mono_proximity"
    assert manifest.calibration_hash == "ab" * 32
    assert manifest.inputs[0].shape == (96, 128)
    assert manifest.extra["dictionary_sha256"] == features.dictionary.fingerprint
    assert (manifest.extra["pairs"], manifest.extra["k"]) == (8, 5)
    assert manifest.extra["parity_frames"] == len(frames)
    assert manifest.extra["log"] == "x"


def test_a_graph_of_another_student_fails_and_nothing_is_written(
    tmp_path, features, known, frames, monkeypatch
):
    other = student(features, frames[:8], teacher_px=[9] * 8)
    graph = texton_graph(features, other)
    with pytest.raises(TextonParityError, match="differs from the student by"):
        check_parity(graph, features, known, frames)
    monkeypatch.setattr("perception.texton_export.texton_graph", lambda *_: graph)
    with pytest.raises(TextonParityError):
        export_textons(tmp_path / "knn.onnx", features, known, frames)
    assert not list(tmp_path.iterdir())


def test_a_student_that_has_learned_nothing_and_a_missing_check_are_refused(
    tmp_path, features, known, frames
):
    with pytest.raises(TextonExportError, match="has learned 4 frames; needed: 5"):
        export_textons(tmp_path / "knn.onnx", features, student(features, frames[:4]), frames)
    with pytest.raises(TextonExportError, match="no frame to check"):
        export_textons(tmp_path / "knn.onnx", features, known, [])
    with pytest.raises(ModelPackageError, match="cannot write"):
        export_textons(tmp_path / "none" / "knn.onnx", features, known, frames)


def test_exporting_needs_no_torch():
    program = "import sys, perception.texton_export; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
