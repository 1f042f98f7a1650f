"""The texton student as a model package: frame in, proximity out, run by onnxruntime alone.

The whole way is in the graph, from grey levels to the mean of the nearest neighbours, so that the
robot that flies it needs neither dictionary nor memory. Both are outputs too: a robot that learns
on (`perception/texton_package.py`) reads them with onnxruntime, which shows no constants.
Whole-number distances are exact in float32 as long as they stay below 2^24, which patches of a
camera do. Needs the onnx library, not torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from perception.model_package import Manifest, ModelPackage, TensorSpec, write_package
from perception.neighbours import NearestNeighbours
from perception.onnx_model import OnnxModel
from perception.quantities import GreyImage, InputError
from perception.texton_package import FRAME, KIND, frame_spec, output_specs
from perception.textons import (
    PATCH,
    PATCHES,
    SIDE_PX,
    TEXTONS,
    TextonFeatures,
    doubled_slopes,
    grid_starts_px,
)

OPSET = 18
TOLERANCE_PX = 1e-3
NOTHING = 1e-30  # a part of no votes, so that its logarithm exists


class TextonExportError(InputError):
    """A student that cannot be exported: it has learned nothing, or nothing checks it."""


class TextonParityError(RuntimeError):
    """The exported graph does not compute what the student computes."""


def export_textons(
    path: Path | str,
    features: TextonFeatures,
    known: NearestNeighbours,
    frames: Sequence[GreyImage],
    **origin: Any,
) -> ModelPackage:
    """Writes the package if its graph agrees with the student on all frames.

    Args:
        path: of the package, MODEL.onnx.
        features: dictionary and frame size.
        known: what the student has learned.
        frames: recorded frames (H, W) to check parity on.
        **origin: fields of the manifest that say where it comes from, such as `calibration_hash`.

    Raises:
        TextonExportError: if `known` holds fewer than k pairs or there is no frame.
        TextonParityError: if the graph differs from the student by more than `TOLERANCE_PX`.
        ModelPackageError: if the file cannot be written.
    """
    if len(known.pairs.teacher_px) < known.k:
        raise TextonExportError(
            f"the student has learned {len(known.pairs.teacher_px)} frames; needed: {known.k}"
        )
    onnx_bytes = texton_graph(features, known)
    worst_px = check_parity(onnx_bytes, features, known, frames)
    manifest = Manifest(
        kind=KIND,
        inputs=(frame_spec(features.width, features.height),),
        outputs=output_specs(len(known.pairs.teacher_px)),
        extra={
            "pairs": len(known.pairs.teacher_px),
            "k": known.k,
            "dictionary_sha256": features.dictionary.fingerprint,
            "parity_frames": len(frames),
            "parity_worst_px": worst_px,
            **origin.pop("extra", {}),
        },
        **origin,
    )
    return write_package(path, onnx_bytes, manifest)


def check_parity(
    onnx_bytes: bytes,
    features: TextonFeatures,
    known: NearestNeighbours,
    frames: Sequence[GreyImage],
) -> float:
    """The largest difference between graph and student over the frames, px.

    Raises:
        TextonExportError: if there is no frame.
        TextonParityError: if it exceeds `TOLERANCE_PX`.
    """
    if not frames:
        raise TextonExportError("no frame to check the exported student on; give recorded ones")
    model = OnnxModel(onnx_bytes)
    worst_px = 0.0
    for index, frame in enumerate(frames):
        found_px = float(model.infer({FRAME: np.ascontiguousarray(frame)})["proximity_px"])
        difference_px = abs(found_px - known.predict(features.measure(frame)))
        if not difference_px <= TOLERANCE_PX:
            raise TextonParityError(
                f"frame {index}: the exported graph differs from the student by "
                f"{difference_px:.3g} px; allowed is {TOLERANCE_PX:g} px"
            )
        worst_px = max(worst_px, difference_px)
    return worst_px


def texton_graph(features: TextonFeatures, known: NearestNeighbours) -> bytes:
    """ONNX bytes of the student: `left` (H, W) uint8 to `proximity_px`, and what it remembers."""
    import onnx  # the robot, which only reads, does not have it
    from onnx import TensorProto, helper, numpy_helper

    dictionary = features.dictionary
    gradient = 2 * dictionary.gradient.astype(np.float32)
    constants = {
        "pixels": _patch_pixels(features.height, features.width),  # (484, 25)
        "flat": np.array([-1], np.int64),
        "slopes_of_patch": doubled_slopes(np.eye(PATCH, dtype=np.int32)).astype(np.float32),
        "intensity": dictionary.intensity.astype(np.float32)[np.newaxis],  # (1, 10, 25)
        "gradient": gradient[np.newaxis],
        "intensity_whole": dictionary.intensity.astype(np.int32),
        "gradient_whole": dictionary.gradient.astype(np.int32),
        "one": np.array([1], np.int64),
        "last": np.array([-1], np.int64),
        "first": np.array([0], np.int64),
        "textons": np.array(TEXTONS, np.int64),
        "off_on": np.array([0, 1], np.float32),
        "all_votes": np.array(2 * PATCHES, np.float32),
        "nothing": np.array(NOTHING, np.float32),
        "bits": np.array(-1 / np.log(2), np.float32),
        "known": known.pairs.features.astype(np.float32),  # (n, 21)
        "near_px": known.pairs.teacher_px.astype(np.float32),  # (n,)
        "k": np.array([known.k], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["left"], ["grey"], to=TensorProto.FLOAT),
        node("Reshape", ["grey", "flat"], ["row"]),
        node("Gather", ["row", "pixels"], ["patches"]),  # (484, 25)
        node("MatMul", ["patches", "slopes_of_patch"], ["slopes"]),  # (484, 25)
        *_vote_nodes(node, "patches", "intensity"),
        *_vote_nodes(node, "slopes", "gradient"),
        node("Concat", ["intensity_votes", "gradient_votes"], ["votes"], axis=0),  # (20,)
        node("Div", ["votes", "all_votes"], ["part"]),
        node("Max", ["part", "nothing"], ["voted"]),
        node("Log", ["voted"], ["log"]),
        node("Mul", ["part", "log"], ["part_log"]),
        node("ReduceSum", ["part_log", "first"], ["nats"], keepdims=1),  # (1,)
        node("Mul", ["nats", "bits"], ["entropy"]),
        node("Concat", ["part", "entropy"], ["feature"], axis=0),  # (21,)
        node("Sub", ["known", "feature"], ["difference"]),
        node("Mul", ["difference", "difference"], ["squared"]),
        node("ReduceSum", ["squared", "last"], ["distances"], keepdims=0),  # (n,)
        node("TopK", ["distances", "k"], ["least", "nearest"], axis=0, largest=0, sorted=1),
        node("Gather", ["near_px", "nearest"], ["nearest_px"]),
        node("ReduceMean", ["nearest_px", "first"], ["proximity_px"], keepdims=0),
        node("Identity", ["known"], ["known_features"]),
        node("Identity", ["near_px"], ["known_px"]),
        node("Identity", ["intensity_whole"], ["intensity_textons"]),
        node("Identity", ["gradient_whole"], ["gradient_textons"]),
    ]
    graph = helper.make_graph(
        nodes,
        "textons",
        [_tensor_info(frame_spec(features.width, features.height))],
        [_tensor_info(spec) for spec in output_specs(len(known.pairs.teacher_px))],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 10  # of onnxruntime 1.20, the oldest that is allowed
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _tensor_info(spec: TensorSpec) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(
        spec.name, helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype)), spec.shape
    )


def _vote_nodes(node: Any, patches: str, kind: str) -> list[Any]:
    """From patches (484, 25) to `<kind>_votes` (10,)."""
    return [
        node("Unsqueeze", [patches, "one"], [f"{kind}_each"]),  # (484, 1, 25)
        node("Sub", [f"{kind}_each", kind], [f"{kind}_difference"]),  # (484, 10, 25)
        node("Mul", [f"{kind}_difference"] * 2, [f"{kind}_squared"]),
        node("ReduceSum", [f"{kind}_squared", "last"], [f"{kind}_distance"], keepdims=0),
        node("ArgMin", [f"{kind}_distance"], [f"{kind}_nearest"], axis=1, keepdims=0),
        node("OneHot", [f"{kind}_nearest", "textons", "off_on"], [f"{kind}_vote"]),  # (484, 10)
        node("ReduceSum", [f"{kind}_vote", "first"], [f"{kind}_votes"], keepdims=0),
    ]


def _patch_pixels(height: int, width: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Index in the flat frame of each pixel of each patch, (484, 25)."""
    rows, columns = grid_starts_px(height), grid_starts_px(width)
    corners = (rows[:, np.newaxis] * width + columns).reshape(PATCHES, 1)
    inside = (np.arange(SIDE_PX)[:, np.newaxis] * width + np.arange(SIDE_PX)).reshape(1, PATCH)
    return (corners + inside).astype(np.int64)
