"""A trained model as one file that says what it is: ONNX with a manifest inside.

    pilot.onnx          the graph; its metadata_props carry the manifest as JSON
    pilot.onnx.sha256   "<hash>  pilot.onnx", as `sha256sum -c` reads it

The manifest is inside the file because files get renamed and copied; the hash is beside it because
a file cannot hold its own. Written with the onnx library, read with onnxruntime alone: a robot
needs nothing else. A reader accepts only what it fully understands, so a damaged, foreign or newer
package is refused on the ground.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

import msgspec

from perception.atomic_file import write_atomically
from perception.onnx_model import GraphTensor, OnnxModel, shape_fits
from perception.quantities import InputError

FORMAT_VERSION = 1
MANIFEST_KEY = "reflexarc.manifest"  # in metadata_props
KINDS = ("policy", "mono_depth", "mono_proximity", "success", "features")


class ModelPackageError(InputError):
    """A model package that is missing, damaged, foreign or inconsistent."""


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output of the graph."""

    name: str
    shape: tuple[int | None, ...]  # None where the graph takes any size
    dtype: str  # NumPy's name, such as "float32"
    unit: str  # of every element; "1" for a number without unit


class Bound(TypedDict):
    """What a model may command on one axis."""

    name: str
    unit: str
    minimum: float  # unit
    maximum: float  # unit


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model is, what it takes and gives, and where it comes from."""

    format_version: int = FORMAT_VERSION
    kind: str  # one of KINDS
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    rate_hz: Annotated[float, msgspec.Meta(gt=0)] | None = None  # how often it is meant to run
    limits: list[Bound] = []  # of a policy: the range of each action axis
    calibration_hash: str | None = None  # of the rig it was trained behind
    training_config_hash: str | None = None
    parent: str | None = None  # sha256 of the package that training started from
    extra: dict[str, Any] = {}  # anything else worth keeping, such as scores


class ModelPackage(NamedTuple):
    """A package that passed every check, with its model ready to run."""

    path: Path
    manifest: Manifest
    sha256: str  # hex, of the file
    model: OnnxModel  # of the very bytes that were checked


def write_package(path: Path | str, onnx_bytes: bytes, manifest: Manifest) -> ModelPackage:
    """Puts the manifest into the model and writes it with its hash beside it.

    A crash leaves the old package, the new one, or a pair that readers refuse; never half a file.
    Needs the onnx library (extra "train").

    Raises:
        ModelPackageError: if the bytes are not ONNX, the manifest does not fit the graph, or the
            file cannot be written.
    """
    path = Path(path)
    content = _with_manifest(path, onnx_bytes, manifest)
    package = _checked_package(path, content)
    try:
        write_atomically(path, content)
        write_atomically(_hash_path(path), f"{package.sha256}  {path.name}\n".encode())
    except OSError as error:
        raise ModelPackageError(f"cannot write {path}: {error.strerror}") from error
    return package


def read_package(path: Path | str) -> ModelPackage:
    """Reads and checks a package.

    Raises:
        ModelPackageError: if a file is missing, the hash differs, the manifest is missing or
            malformed, its kind or version is unknown, or it does not fit the graph.
        OnnxModelError: if the file is not an ONNX model.
    """
    path = Path(path)
    content = _read_bytes(path)
    words = _read_bytes(_hash_path(path)).split()
    if not words or words[0] != hashlib.sha256(content).hexdigest().encode():
        raise ModelPackageError(
            f"{path} does not match {_hash_path(path).name}: it was changed after it was written; "
            "copy or export it again"
        )
    return _checked_package(path, content)


def _checked_package(path: Path, content: bytes) -> ModelPackage:
    model = OnnxModel(content)
    manifest = _decode_manifest(path, model.metadata.get(MANIFEST_KEY))
    _check_fits(path, "input", manifest.inputs, model.inputs)
    _check_fits(path, "output", manifest.outputs, model.outputs)
    return ModelPackage(path, manifest, hashlib.sha256(content).hexdigest(), model)


class _Version(msgspec.Struct):
    format_version: int


def _decode_manifest(path: Path, text: str | None) -> Manifest:
    if text is None:
        raise ModelPackageError(
            f"{path} is an ONNX model without a manifest ({MANIFEST_KEY}); export it with reflexarc"
        )
    try:
        version = msgspec.json.decode(text, type=_Version).format_version
        if version != FORMAT_VERSION:
            raise ModelPackageError(
                f"{path} has manifest format {version}; this version reads {FORMAT_VERSION}"
            )
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelPackageError(f"{path} has a malformed manifest: {error}") from error
    if manifest.kind not in KINDS:
        valid = ", ".join(KINDS)
        raise ModelPackageError(f"{path} is of kind {manifest.kind!r}; valid kinds: {valid}")
    return manifest


def _check_fits(
    path: Path, side: str, specs: Iterable[TensorSpec], graph: Iterable[GraphTensor]
) -> None:
    declared = {spec.name: spec for spec in specs}
    actual = {tensor.name: tensor for tensor in graph}
    if declared.keys() != actual.keys():
        raise ModelPackageError(
            f"{path}: the manifest declares {side}s {', '.join(declared)}; the graph has "
            f"{', '.join(actual)}"
        )
    for name, spec in declared.items():
        tensor = actual[name]
        if spec.dtype != tensor.dtype or not shape_fits(spec.shape, tensor.shape):
            raise ModelPackageError(
                f"{path}: {side} {name} is {spec.dtype} {list(spec.shape)} in the manifest, "
                f"{tensor.dtype} {list(tensor.shape)} in the graph"
            )


def _with_manifest(path: Path, onnx_bytes: bytes, manifest: Manifest) -> bytes:
    import onnx  # the robot, which only reads, does not have it

    try:
        model = onnx.load_model_from_string(onnx_bytes)
    except Exception as error:  # protobuf's DecodeError, or whatever else foreign bytes raise
        raise ModelPackageError(f"cannot write {path}: the model is not ONNX") from error
    kept = [entry for entry in model.metadata_props if entry.key != MANIFEST_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    model.metadata_props.add(key=MANIFEST_KEY, value=msgspec.json.encode(manifest).decode())
    return model.SerializeToString()


def _hash_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelPackageError(
            f"cannot read {path}: {error.strerror}; a package is MODEL.onnx and MODEL.onnx.sha256"
        ) from error
