"""What a texton student learned on one flight, for the next: its package, read without onnx.

The package (`perception/texton_export.py`) computes proximity by itself. A robot that goes on
learning needs what is inside: the dictionary, because features of another cannot be compared, and
the remembered pairs.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from perception.calibration import StereoRig, calibration_hash
from perception.model_package import ModelPackage, TensorSpec, read_package
from perception.neighbours import Pairs
from perception.quantities import InputError
from perception.textons import FEATURES, PATCH, TEXTONS, TextonDictionary

KIND = "mono_proximity"
FRAME = "left"
HASH_DIGITS = 12


class TextonPackageError(InputError):
    """A package that is no texton student, or one of another camera."""


class TextonMemory(NamedTuple):
    """What a texton student has learned."""

    dictionary: TextonDictionary
    pairs: Pairs
    k: int  # neighbours that it takes the mean of
    sha256: str  # of the package, hex


def frame_spec(width: int, height: int) -> TensorSpec:
    """What the graph takes."""
    return TensorSpec(FRAME, (height, width), "uint8", "grey level")


def output_specs(pairs: int) -> tuple[TensorSpec, ...]:
    """What the graph gives: the answer, and what it remembers."""
    return (
        TensorSpec("proximity_px", (), "float32", "px"),
        TensorSpec("known_features", (pairs, FEATURES), "float32", "1"),
        TensorSpec("known_px", (pairs,), "float32", "px"),
        TensorSpec("intensity_textons", (TEXTONS, PATCH), "int32", "grey level"),
        TensorSpec("gradient_textons", (TEXTONS, PATCH), "int32", "grey level/px"),
    )


def read_textons(path: Path | str, rig: StereoRig) -> TextonMemory:
    """The memory of a package on disk.

    Args:
        path: of the package, MODEL.onnx.
        rig: whose left camera the student will see with.

    Raises:
        ModelPackageError: if the package is missing, damaged or of another version.
        OnnxModelError: if it is not an ONNX model.
        TextonPackageError: if it is no texton student of this version, was made for frames of
            another size, or learned behind another calibration.
    """
    package = read_package(path)
    _check(package, rig)
    grey = np.zeros((rig.left.height, rig.left.width), np.uint8)
    inside = package.model.infer({FRAME: grey})
    dictionary = TextonDictionary(
        inside["intensity_textons"].astype(np.int16), inside["gradient_textons"].astype(np.int16)
    )
    pairs = Pairs(inside["known_features"], inside["known_px"])
    return TextonMemory(dictionary, pairs, int(package.manifest.extra["k"]), package.sha256)


def _check(package: ModelPackage, rig: StereoRig) -> None:
    manifest, path = package.manifest, package.path
    if manifest.kind != KIND:
        raise TextonPackageError(f"{path} is of kind {manifest.kind}; needed is {KIND}")
    pairs, k = (manifest.extra.get(name) for name in ("pairs", "k"))
    counted = pairs if isinstance(pairs, int) and isinstance(k, int) and 0 < k <= pairs else None
    if counted is None or manifest.outputs != output_specs(counted):
        raise TextonPackageError(
            f"{path} is no texton student of this version: it must give "
            f"{', '.join(spec.name for spec in output_specs(0))}; export it again"
        )
    wanted = frame_spec(rig.left.width, rig.left.height)
    if manifest.inputs != (wanted,):
        height, width = manifest.inputs[0].shape
        raise TextonPackageError(
            f"{path} was made for frames of {width}x{height} px, this camera gives "
            f"{rig.left.width}x{rig.left.height}; learn again at its size"
        )
    learned, present = manifest.calibration_hash, calibration_hash(rig)
    if learned != present:
        known = learned[:HASH_DIGITS] if learned else "none"
        raise TextonPackageError(
            f"{path} was learned behind calibration {known}, this rig is "
            f"{present[:HASH_DIGITS]}; learn again, or give the rig that it knows"
        )
