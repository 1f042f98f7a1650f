"""What a package of a texton student gives back, and which are refused."""

import dataclasses

import msgspec
import numpy as np
import pytest

from perception.calibration import calibration_hash, rig_from_table
from perception.model_package import ModelPackageError, read_package, write_package
from perception.neighbours import NearestNeighbours, Pairs
from perception.texton_dictionary import learn_dictionary
from perception.texton_export import export_textons
from perception.texton_package import TextonPackageError, read_textons
from perception.textons import TextonFeatures

RIG = rig_from_table({"width": 64, "height": 48, "fov_deg": 58.0, "baseline_m": 0.06})


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (48, 64)).astype(np.uint8) for _ in range(9)]


@pytest.fixture(scope="module")
def known(frames):
    features = TextonFeatures(learn_dictionary(frames, np.random.default_rng(0)), 64, 48)
    seen = np.stack([features.measure(frame) for frame in frames])
    return features, NearestNeighbours(Pairs(seen, np.arange(9, dtype=np.float32)))


@pytest.fixture
def package(tmp_path, known, frames):
    path = tmp_path / "knn.onnx"
    export_textons(path, *known, frames, calibration_hash=calibration_hash(RIG))
    return path


def test_a_package_gives_back_dictionary_and_pairs_to_the_bit(package, known):
    features, neighbours = known
    memory = read_textons(package, RIG)
    assert memory.dictionary.fingerprint == features.dictionary.fingerprint
    for found, kept in zip(memory.pairs, neighbours.pairs, strict=True):
        np.testing.assert_array_equal(found, kept)
    assert (memory.k, memory.sha256) == (5, read_package(package).sha256)


def test_a_package_for_frames_of_another_size_is_refused(package):
    camera = dataclasses.replace(RIG.left, width=128, height=96)
    larger = dataclasses.replace(RIG, left=camera, right=camera)
    with pytest.raises(TextonPackageError, match="frames of 64x48 px, this camera gives 128x96"):
        read_textons(package, larger)


def test_a_package_behind_another_calibration_is_refused_naming_both(package):
    turned = dataclasses.replace(RIG.left, fx_px=RIG.left.fx_px + 1)
    with pytest.raises(TextonPackageError, match="was learned behind calibration") as refusal:
        read_textons(package, dataclasses.replace(RIG, left=turned))
    assert calibration_hash(RIG)[:12] in str(refusal.value)


def test_a_truncated_package_is_refused(package):
    content = package.read_bytes()
    package.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelPackageError, match="was changed after it was written"):
        read_textons(package, RIG)


def test_a_package_of_another_version_or_kind_is_refused(package):
    content, manifest = package.read_bytes(), read_package(package).manifest
    fewer = msgspec.structs.replace(manifest, extra={**manifest.extra, "pairs": 8})
    for changed, fault in (
        (fewer, "no texton student of this version.*export it again"),
        (msgspec.structs.replace(manifest, extra={}), "no texton student of this version"),
        (msgspec.structs.replace(manifest, kind="mono_depth"), "kind mono_depth; needed"),
    ):
        write_package(package, content, changed)
        with pytest.raises(TextonPackageError, match=fault) as refusal:
            read_textons(package, RIG)
        assert "\n" not in str(refusal.value)
    newer = msgspec.structs.replace(manifest, format_version=manifest.format_version + 1)
    with pytest.raises(ModelPackageError, match="manifest format"):
        write_package(package, content, newer)
