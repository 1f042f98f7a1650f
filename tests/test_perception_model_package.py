import hashlib
import subprocess
import sys

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from perception import model_package
from perception.model_package import (
    MANIFEST_KEY,
    Manifest,
    ModelPackageError,
    TensorSpec,
    read_package,
    write_package,
)
from perception.quantities import InputError

MANIFEST = Manifest(
    kind="policy",
    inputs=(TensorSpec("x", (2, 3), "float32", "m"),),
    outputs=(TensorSpec("y", (2, 3), "float32", "1"),),
    rate_hz=10.0,
    limits=[{"name": "speed", "unit": "m/s", "minimum": 0.0, "maximum": 0.5}],
    calibration_hash="c0ffee",
    extra={"score": 0.9},
)


def graph_bytes(metadata=None):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (2, 3)) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "scale", [x], [y])
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()


def write_signed(path, content):
    """A package as someone with a hash tool would forge it."""
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n")
    return path


def manifest_with(**changes):
    table = msgspec.to_builtins(MANIFEST) | changes
    return msgspec.json.encode(table).decode()


DEEP = manifest_with().replace('"score":0.9', '"a":' + "[" * 9_999 + "]" * 9_999)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pilot.onnx"


def test_what_was_written_is_read_back(path):
    written = write_package(path, graph_bytes(), MANIFEST)
    package = read_package(path)
    assert package.manifest == MANIFEST
    assert package.sha256 == written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(package.model.infer({"x": x})["y"], 2 * x)


def test_the_hash_file_is_what_sha256sum_reads(path):
    package = write_package(path, graph_bytes(), MANIFEST)
    assert path.with_name("pilot.onnx.sha256").read_text() == f"{package.sha256}  pilot.onnx\n"


def test_other_metadata_of_the_model_is_kept_and_an_old_manifest_replaced(path):
    write_package(path, graph_bytes({"author": "ann", MANIFEST_KEY: "{}"}), MANIFEST)
    assert read_package(path).model.metadata["author"] == "ann"
    assert read_package(path).manifest == MANIFEST
    keys = [entry.key for entry in onnx.load(path).metadata_props]
    assert sorted(keys) == ["author", MANIFEST_KEY]  # ONNX asks for distinct keys


def test_a_package_can_be_rewritten_and_leaves_no_other_files(path):
    write_package(path, graph_bytes(), MANIFEST)
    newer = msgspec.structs.replace(MANIFEST, rate_hz=20.0)
    write_package(path, graph_bytes(), newer)
    assert read_package(path).manifest == newer
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "pilot.onnx",
        "pilot.onnx.sha256",
    ]


def test_a_crash_while_writing_leaves_the_old_package(path, monkeypatch):
    write_package(path, graph_bytes(), MANIFEST)

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("perception.atomic_file.os.fsync", full_disk)
    with pytest.raises(ModelPackageError, match=r"cannot write .*No space left"):
        write_package(path, graph_bytes(), msgspec.structs.replace(MANIFEST, rate_hz=20.0))
    assert read_package(path).manifest == MANIFEST
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "pilot.onnx",
        "pilot.onnx.sha256",
    ]


def test_a_crash_between_both_files_is_refused_not_flown(path, monkeypatch):
    write_package(path, graph_bytes(), MANIFEST)
    write_atomically = model_package.write_atomically

    def only_the_model(target, content):
        if target.suffix == ".sha256":
            raise OSError(5, "power cut")
        write_atomically(target, content)

    monkeypatch.setattr(model_package, "write_atomically", only_the_model)
    with pytest.raises(ModelPackageError, match="power cut"):
        write_package(path, graph_bytes(), msgspec.structs.replace(MANIFEST, rate_hz=20.0))
    with pytest.raises(ModelPackageError, match="changed after it was written"):
        read_package(path)


def test_missing_files_and_folders_are_named(path):
    with pytest.raises(ModelPackageError, match=r"pilot\.onnx: No such file"):
        read_package(path)
    write_package(path, graph_bytes(), MANIFEST)
    path.with_name("pilot.onnx.sha256").unlink()
    with pytest.raises(ModelPackageError, match=r"pilot\.onnx\.sha256: No such file"):
        read_package(path)
    with pytest.raises(ModelPackageError, match="cannot write"):
        write_package(path.parent / "absent" / "pilot.onnx", graph_bytes(), MANIFEST)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({}, "without a manifest"),
        ({MANIFEST_KEY: ""}, "malformed manifest"),
        ({MANIFEST_KEY: DEEP}, "malformed manifest"),
        ({MANIFEST_KEY: "{}"}, "missing required field `format_version`"),
        ({MANIFEST_KEY: manifest_with(format_version=2)}, "format 2; this version reads 1"),
        ({MANIFEST_KEY: manifest_with(kind="toaster")}, "'toaster'; valid kinds: policy"),
        ({MANIFEST_KEY: manifest_with(colour="red")}, "unknown field `colour`"),
        ({MANIFEST_KEY: manifest_with(rate_hz=0)}, "rate_hz"),
        ({MANIFEST_KEY: manifest_with(limits=[{"name": "speed"}])}, "limits"),
        ({MANIFEST_KEY: manifest_with(inputs=[])}, "inputs ; the graph has x"),
        (
            {MANIFEST_KEY: manifest_with(inputs=[TensorSpec("x", (3, 2), "float32", "m")])},
            "input x is float32 [3, 2] in the manifest, float32 [2, 3] in the graph",
        ),
        (
            {MANIFEST_KEY: manifest_with(outputs=[TensorSpec("y", (2, 3), "int64", "1")])},
            "output y is int64 [2, 3] in the manifest",
        ),
        (
            {MANIFEST_KEY: manifest_with(outputs=[TensorSpec("y", (2, None), "float32", "1")])},
            "output y is float32 [2, None]",
        ),
    ],
)
def test_a_foreign_or_inconsistent_package_is_refused_in_one_line(path, metadata, said):
    write_signed(path, graph_bytes(metadata))
    with pytest.raises(ModelPackageError) as caught:
        read_package(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_manifest_that_does_not_fit_is_not_written(path):
    with pytest.raises(ModelPackageError, match="the graph has x"):
        write_package(path, graph_bytes(), msgspec.structs.replace(MANIFEST, inputs=()))
    with pytest.raises(ModelPackageError, match="not ONNX"):
        write_package(path, b"not onnx", MANIFEST)
    assert not path.exists()


PACKAGE = None


def package_bytes(folder):
    global PACKAGE
    if PACKAGE is None:
        write_package(folder / "made.onnx", graph_bytes(), MANIFEST)
        PACKAGE = (folder / "made.onnx").read_bytes()
    return PACKAGE


MUTATIONS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4)
QUICK = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def mutate(content, mutations):
    mutated = bytearray(content)
    for place, value in mutations:
        mutated[int(place * (len(mutated) - 1))] = value
    return bytes(mutated)


@QUICK
@given(MUTATIONS)
def test_a_tampered_file_is_always_refused(tmp_path, mutations):
    content = package_bytes(tmp_path)
    path = write_signed(tmp_path / "tampered.onnx", content)
    tampered = mutate(content, mutations)
    path.write_bytes(tampered)
    if tampered == content:
        read_package(path)
    else:
        with pytest.raises(ModelPackageError, match="changed after it was written"):
            read_package(path)


@QUICK
@given(MUTATIONS, st.floats(0, 1))
def test_a_damaged_file_with_a_right_hash_gives_a_typed_error_or_loads(tmp_path, mutations, kept):
    content = package_bytes(tmp_path)
    damaged = mutate(content, mutations)[: round(kept * len(content)) or None]
    path = write_signed(tmp_path / "damaged.onnx", damaged)
    try:
        package = read_package(path)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert package.manifest.kind in model_package.KINDS


def test_reading_needs_neither_torch_nor_onnx(path):
    write_package(path, graph_bytes(), MANIFEST)
    program = (
        "import sys; from perception.model_package import read_package; "
        "read_package(sys.argv[1]); "
        "print([name for name in ('torch', 'onnx') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_a_package_is_still_plain_onnx(path):
    write_package(path, graph_bytes(), MANIFEST)
    onnx.checker.check_model(onnx.load(path))
