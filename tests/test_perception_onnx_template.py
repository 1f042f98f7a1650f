"""One export serves a network for its life."""

import numpy as np
import pytest
import torch
from torch import nn

from perception.onnx_export import ExportParityError, check_parity
from perception.onnx_model import OnnxModel
from perception.onnx_template import OnnxTemplate, folded

INPUTS = {"image": np.zeros((1, 2, 8, 8), np.float32)}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, image):
        return self.head(self.body(image))


@pytest.fixture(scope="module")
def template():
    return OnnxTemplate(Net(), INPUTS, ["out"])


def learned(seed):
    """A network whose weights and normalisation are its own."""
    torch.manual_seed(seed)
    net = Net()
    for _ in range(3):
        net.train()(torch.randn(4, 2, 8, 8) * 3 + 1)
    return net.eval()


def image(seed=0):
    return {"image": np.random.default_rng(seed).normal(size=(1, 2, 8, 8)).astype(np.float32)}


def test_a_filled_graph_computes_what_the_network_computes_now(template):
    for seed in (1, 2):
        assert check_parity(learned(seed), template.filled(learned(seed)), image()) < 1e-5


def test_another_networks_weights_are_told_apart(template):
    with pytest.raises(ExportParityError):
        check_parity(learned(1), template.filled(learned(2)), image())


def test_equal_weights_give_equal_bytes(template):
    assert template.filled(learned(1)) == template.filled(learned(1))
    assert template.filled(learned(1)) != template.filled(learned(2))


def test_no_path_of_this_machine_is_in_the_graph(template):
    content = template.filled(learned(1))
    assert b".py" not in content
    assert OnnxModel(content).inputs[0].name == "image"


def test_folding_leaves_the_network_as_it_was():
    net = learned(3)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    plain = folded(net)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in plain.modules())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
