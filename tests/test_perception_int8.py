import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from perception.int8 import quantised
from perception.onnx_model import OnnxModel

SHAPE = (1, 8, 12, 12)


def graph_bytes(rng):
    """One convolution of 8 to 64 channels and a ReLU."""
    weight = rng.normal(0, 0.1, (64, 8, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "weight"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["out"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, (1, 64, 10, 10))]
    graph = helper.make_graph(
        nodes, "tiny", inputs, outputs, [numpy_helper.from_array(weight, "weight")]
    )
    return helper.make_model(
        graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]
    ).SerializeToString()


def test_eight_bits_compute_nearly_the_same_and_are_smaller():
    rng = np.random.default_rng(0)
    plain = graph_bytes(rng)
    recorded = [{"image": rng.uniform(0, 1, SHAPE).astype(np.float32)} for _ in range(8)]
    small = quantised(plain, recorded)
    expected, found = (OnnxModel(m).infer(recorded[3])["out"] for m in (plain, small))
    error = np.abs(found - expected).mean() / np.abs(expected).mean()
    assert 0 < error < 0.05
    assert len(small) < 0.6 * len(plain)
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load_from_string(small).graph.node)
