"""From a torch module to ONNX bytes, with proof that both compute the same.

The only module here that imports torch. Export uses the dynamo exporter with the weights inside
the file, so that one file is the whole model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from perception.onnx_model import OnnxModel
from perception.quiet import quiet


class ExportParityError(RuntimeError):
    """The exported graph does not compute what the torch module computes."""


def export_onnx(
    module: torch.nn.Module,
    inputs: Mapping[str, npt.NDArray[Any]],
    output_names: Sequence[str],
    *,
    tolerance: float = 1e-4,
) -> bytes:
    """The module as ONNX bytes, checked against torch on the given inputs.

    Args:
        module: called with the inputs in their order; returns a tensor or a tuple of tensors.
        inputs: name -> example array; the graph takes exactly these names, shapes and dtypes.
        output_names: names of what the module returns, in order.
        tolerance: allowed difference, absolute for small and relative for large values.

    Raises:
        ExportParityError: if torch and onnxruntime differ by more than that.
    """
    module = module.eval()
    arguments = tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in inputs.values())
    with quiet("torch.onnx"):
        program = torch.onnx.export(
            module,
            arguments,
            input_names=list(inputs),
            output_names=list(output_names),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ExportParityError("torch.onnx.export returned nothing")
    onnx_bytes = program.model_proto.SerializeToString()
    check_parity(module, onnx_bytes, inputs, tolerance=tolerance)
    return onnx_bytes


def check_parity(
    module: torch.nn.Module,
    onnx_bytes: bytes,
    inputs: Mapping[str, npt.NDArray[Any]],
    *,
    tolerance: float = 1e-4,
) -> float:
    """The largest difference between torch and onnxruntime on these inputs.

    Raises:
        ExportParityError: if it exceeds `tolerance` (1 + |value|), naming the worst output.
    """
    with torch.no_grad():
        expected = module(*(torch.from_numpy(np.ascontiguousarray(a)) for a in inputs.values()))
    expected = expected if isinstance(expected, tuple) else (expected,)
    outputs = OnnxModel(onnx_bytes).infer(inputs)
    worst = 0.0
    for (name, found), tensor in zip(outputs.items(), expected, strict=True):
        value = tensor.numpy()
        difference = np.abs(found - value)
        if found.shape != value.shape or not np.all(difference <= tolerance * (1 + np.abs(value))):
            raise ExportParityError(
                f"output {name} of the exported graph differs from torch by up to "
                f"{np.max(difference):.3g}; allowed is {tolerance:g} (1 + |value|)"
            )
        worst = max(worst, float(np.max(difference, initial=0.0)))
    return worst
