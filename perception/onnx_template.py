"""ONNX of a network that goes on learning: exported once, its weights filled in ever after.

An export walks the whole network in Python and takes seconds, in which a robot's learner would
learn nothing. The graph does not change while the weights do, so one export serves for a life.
Batch normalisation is folded into the convolutions first, in torch, so that every weight of the
graph has a name that torch knows too.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from perception.onnx_export import ExportParityError, export_onnx

NOISE = 0.01  # on the first weights: equal ones, such as zeros, would be stored once for several


class OnnxTemplate:
    """The graph of one network."""

    def __init__(
        self,
        module: nn.Module,
        inputs: Mapping[str, npt.NDArray[Any]],
        output_names: Sequence[str],
    ) -> None:
        """Exports once.

        Args:
            module: the network; it is not changed.
            inputs: name -> example array.
            output_names: of what the network returns, in order.

        Raises:
            ExportParityError: if torch and onnxruntime differ, or a weight has lost its name.
        """
        plain = folded(module)
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            for weight in plain.parameters():
                weight.add_(NOISE * torch.randn_like(weight))
        self._model = onnx.load_model_from_string(export_onnx(plain, inputs, output_names))
        for node in self._model.graph.node:
            del node.metadata_props[:]  # paths and line numbers of this machine's sources
        self._slots = {tensor.name: tensor for tensor in self._model.graph.initializer}
        lost = [name for name, _ in plain.named_parameters() if name not in self._slots]
        if lost:
            raise ExportParityError(f"the exported graph has no weight named {', '.join(lost)}")

    def filled(self, module: nn.Module) -> bytes:
        """The graph with the weights that the network has now; equal weights give equal bytes."""
        for name, weight in folded(module).named_parameters():
            array = weight.detach().numpy().astype(np.float32)
            self._slots[name].CopyFrom(numpy_helper.from_array(array, name))
        return self._model.SerializeToString(deterministic=True)


def folded(module: nn.Module) -> nn.Module:
    """A copy for inference in which each normalisation is part of the convolution before it."""
    plain = copy.deepcopy(module).eval()
    for part in plain.modules():
        if not isinstance(part, nn.Sequential):
            continue
        for index in range(len(part) - 1):
            first, second = part[index], part[index + 1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                part[index], part[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return plain
