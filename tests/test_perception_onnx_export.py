import numpy as np
import pytest
import torch

from perception.onnx_export import ExportParityError, check_parity, export_onnx
from perception.onnx_model import OnnxModel


class TwoHeads(torch.nn.Module):
    """Sum and difference of two linear maps, with a batch norm that differs in training."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(3, 4), torch.nn.Linear(2, 4)
        self.norm = torch.nn.BatchNorm1d(4)

    def forward(self, a, b):
        first, second = self.norm(self.first(a)), self.second(b)
        return first + second, first - second


INPUTS = {
    "a": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3),
    "b": np.linspace(0, 3, 4, dtype=np.float32).reshape(2, 2),
}


@pytest.fixture(scope="module")
def exported():
    torch.manual_seed(0)
    module = TwoHeads()
    return module, export_onnx(module, INPUTS, ["total", "difference"])


def test_names_shapes_and_values_survive_export(exported):
    module, onnx_bytes = exported
    model = OnnxModel(onnx_bytes)
    assert [(tensor.name, tensor.shape) for tensor in model.inputs] == [
        ("a", (2, 3)),
        ("b", (2, 2)),
    ]
    assert [tensor.name for tensor in model.outputs] == ["total", "difference"]
    with torch.no_grad():
        total, _ = module(*map(torch.from_numpy, INPUTS.values()))
    np.testing.assert_allclose(model.infer(INPUTS)["total"], total.numpy(), atol=1e-5)
    assert check_parity(module, onnx_bytes, INPUTS) < 1e-5


def test_a_graph_that_computes_something_else_is_refused(exported):
    module, onnx_bytes = exported
    with torch.no_grad():
        module.second.bias += 0.01
    with pytest.raises(ExportParityError, match=r"output total .* by up to 0\.01"):
        check_parity(module, onnx_bytes, INPUTS)


def test_nan_on_one_side_is_a_difference(exported):
    module, onnx_bytes = exported
    with torch.no_grad():
        module.second.bias.fill_(float("nan"))
    with pytest.raises(ExportParityError):
        check_parity(module, onnx_bytes, INPUTS)
