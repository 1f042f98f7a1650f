"""Running an ONNX model at the edge: named arrays in, named arrays out, one thread.

One thread, because a robot's processes share few cores: a session that takes them all makes the
others late. A wrong shape or dtype is refused here by name; onnxruntime's own message is longer
and, for a symbolic dimension, comes from deep inside the graph.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from perception.quantities import InputError

Array = npt.NDArray[Any]

NUMPY_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


class OnnxModelError(InputError):
    """A file that is not a usable ONNX model, or arrays that do not fit its inputs."""


class GraphTensor(NamedTuple):
    """An input or output as the graph itself declares it."""

    name: str
    shape: tuple[int | None, ...]  # None where any size fits
    dtype: str  # NumPy's name


class OnnxModel:
    """A thin session over onnxruntime."""

    def __init__(self, model: Path | str | bytes, *, threads: int = 1) -> None:
        """Loads a file, or the bytes of one.

        Raises:
            OnnxModelError: if it is missing, not ONNX, or has inputs that are not plain tensors.
        """
        name = "the model" if isinstance(model, bytes) else str(model)
        options = _session_options(threads)
        source = model if isinstance(model, bytes) else str(model)
        try:
            session = onnxruntime.InferenceSession(source, options, ["CPUExecutionProvider"])
            self.metadata = dict(session.get_modelmeta().custom_metadata_map)
            nodes = session.get_inputs(), session.get_outputs()
        except Exception as error:  # its many exceptions share no base below Exception
            reason = " ".join(str(error).split())[:200]
            raise OnnxModelError(f"cannot load {name} as an ONNX model: {reason}") from error
        self._session = session
        self.inputs, self.outputs = (tuple(_graph_tensor(name, n) for n in side) for side in nodes)
        self._output_names = [tensor.name for tensor in self.outputs]

    def infer(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs for these inputs.

        Raises:
            OnnxModelError: if the names, a shape or a dtype are not those of the graph.
        """
        check_arrays(arrays, self.inputs)
        outputs = self._session.run(self._output_names, dict(arrays))
        return dict(zip(self._output_names, map(np.asarray, outputs), strict=True))


def check_arrays(arrays: Mapping[str, Array], expected: tuple[GraphTensor, ...]) -> None:
    """Passes if the arrays are exactly those that the graph takes.

    Raises:
        OnnxModelError: naming the first array that does not fit, or all names if those differ.
    """
    names = [tensor.name for tensor in expected]
    if arrays.keys() != set(names):
        raise OnnxModelError(f"the model takes {', '.join(names)}; given: {', '.join(arrays)}")
    for name, shape, dtype in expected:
        array = arrays[name]
        if array.dtype != dtype or not shape_fits(array.shape, shape):
            found = f"{array.dtype} {list(array.shape)}"
            raise OnnxModelError(f"{name} is {found}; the model takes {dtype} {list(shape)}")


def shape_fits(shape: tuple[int | None, ...], expected: tuple[int | None, ...]) -> bool:
    """Whether the sizes are the expected ones; None in `expected` fits any size."""
    return len(shape) == len(expected) and all(
        size in (None, found) for found, size in zip(shape, expected, strict=True)
    )


def _session_options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised, not printed
    return options


def _graph_tensor(model: str, node: Any) -> GraphTensor:
    if node.type not in NUMPY_DTYPES:
        valid = ", ".join(NUMPY_DTYPES)
        raise OnnxModelError(f"{model}: {node.name} is a {node.type}; usable types: {valid}")
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return GraphTensor(node.name, shape, NUMPY_DTYPES[node.type])
