import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from perception.onnx_model import GraphTensor, OnnxModel, OnnxModelError


def scale_model(shape=(2, 3), dtype=TensorProto.FLOAT):
    """y = x + x, as ONNX bytes."""
    x, y = (helper.make_tensor_value_info(name, dtype, shape) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "scale", [x], [y])
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_named_arrays_in_named_arrays_out():
    model = OnnxModel(scale_model())
    np.testing.assert_array_equal(model.infer({"x": X})["y"], 2 * X)
    assert model.inputs == (GraphTensor("x", (2, 3), "float32"),)


def test_a_file_and_its_bytes_are_the_same_model(tmp_path):
    (tmp_path / "scale.onnx").write_bytes(scale_model())
    np.testing.assert_array_equal(OnnxModel(tmp_path / "scale.onnx").infer({"x": X})["y"], 2 * X)


def test_a_symbolic_dimension_takes_any_size():
    model = OnnxModel(scale_model(shape=("batch", 3)))
    assert model.inputs[0].shape == (None, 3)
    assert model.infer({"x": X[:1]})["y"].shape == (1, 3)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({}, "the model takes x; given: "),
        ({"x": X, "z": X}, "the model takes x; given: x, z"),
        ({"x": X[:1]}, "x is float32 [1, 3]; the model takes float32 [2, 3]"),
        ({"x": X[0]}, "x is float32 [3]"),
        ({"x": X.astype(np.float64)}, "x is float64 [2, 3]"),
    ],
)
def test_arrays_that_do_not_fit_are_named(arrays, said):
    with pytest.raises(OnnxModelError) as caught:
        OnnxModel(scale_model()).infer(arrays)
    assert said in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not onnx", scale_model()[:-5]])
def test_bytes_that_are_no_model_are_refused_in_one_line(content):
    with pytest.raises(OnnxModelError, match="cannot load the model as an ONNX model") as caught:
        OnnxModel(content)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused_with_its_name(tmp_path):
    with pytest.raises(OnnxModelError, match=r"absent\.onnx"):
        OnnxModel(tmp_path / "absent.onnx")


def test_inputs_that_are_no_tensors_of_numbers_are_refused():
    model = onnx.ModelProto.FromString(scale_model())
    model.graph.node[0].op_type = "Identity"
    del model.graph.node[0].input[1]
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.elem_type = TensorProto.STRING
    with pytest.raises(OnnxModelError, match=r"x is a tensor\(string\)"):
        OnnxModel(model.SerializeToString())
