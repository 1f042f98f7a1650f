"""A model in eight bits: smaller, and on some processors faster, at a price in accuracy.

Static quantisation: the range of every activation is measured beforehand on recorded images.
Ranges from random images fit nothing a camera sees, and ranges measured anew at each frame
(dynamic quantisation) cost more time than eight bits save. Whether the result is worth having is
for the caller to measure. Needs the onnx library (extra "train").
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy.typing as npt
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

Inputs = Mapping[str, npt.NDArray[Any]]


class _Recorded(CalibrationDataReader):
    """Gives out recorded inputs one by one."""

    def __init__(self, inputs: Sequence[Inputs]) -> None:
        self._left = iter(inputs)

    def get_next(self) -> dict[str, npt.NDArray[Any]]:
        """The next inputs; an empty dict ends the calibration."""
        return dict(next(self._left, {}))


def quantised(onnx_bytes: bytes, recorded: Sequence[Inputs]) -> bytes:
    """The same graph with weights and activations in eight bits.

    Weights have a scale per channel, activations a scale and an offset per tensor (Jacob et al.,
    arXiv 1712.05877, eq. 1).

    Args:
        onnx_bytes: a float32 graph.
        recorded: inputs as a robot sees them; a few dozen, spread over a recording.
    """
    with tempfile.TemporaryDirectory() as folder, _quiet():
        given, prepared, written = (Path(folder) / f"{n}.onnx" for n in ("given", "clean", "int8"))
        given.write_bytes(onnx_bytes)
        quant_pre_process(str(given), str(prepared))
        quantize_static(
            str(prepared),
            str(written),
            _Recorded(recorded),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return written.read_bytes()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantiser's advice, which goes to the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
