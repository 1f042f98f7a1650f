"""Muon for filters, AdamW for the rest, as one optimiser."""

import numpy as np
import pytest
import torch

from perception.mono import MonoSpec
from perception.mono_net import MonoNet, NetConfig
from perception.mono_optimiser import MUON_RATE, MonoOptimiser

RATE = 1e-3


def net_of(order=torch.channels_last):
    torch.manual_seed(0)
    net = MonoNet(MonoSpec(32, 32), NetConfig((4, 8, 8, 8), 1))
    for weight in net.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=order)
    return net


def stepped(net, optimiser, gradient):
    """How far each parameter went in one step, by name; `gradient` makes one of its shape."""
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    for weight in net.parameters():
        weight.grad = gradient(weight) if weight.requires_grad else None
    optimiser.step()
    return {name: before[name] - weight.detach() for name, weight in net.named_parameters()}


def noise(weight):
    return torch.randn(weight.shape)  # contiguous, as a gradient may come


def test_a_step_of_a_filter_has_singular_values_of_one_size():
    net = net_of()
    went = stepped(net, MonoOptimiser(net, RATE, 0.0), noise)
    step = went["to_eighth.0.weight"].flatten(1).numpy()  # (8, 72)
    sizes = np.linalg.svd(step, compute_uv=False) / (MUON_RATE * RATE)
    assert sizes.min() > 0.5
    assert sizes.max() < 1.5


def test_it_goes_against_the_gradient_in_its_own_order():
    net = net_of()
    optimiser = MonoOptimiser(net, RATE, 0.0)
    gradients = {}

    def kept(weight):
        gradients[id(weight)] = noise(weight)
        return gradients[id(weight)].clone()

    went = stepped(net, optimiser, kept)
    for name, weight in net.named_parameters():
        if weight.requires_grad:
            assert (went[name] * gradients[id(weight)]).sum() > 0, name


def test_the_first_and_the_last_layer_are_adamws():
    net = net_of()
    went = stepped(net, MonoOptimiser(net, RATE, 0.0), noise)
    for name in ("to_half.0.weight", "head.weight", "to_eighth.1.bias"):
        assert torch.allclose(went[name].abs(), torch.tensor(RATE), rtol=1e-3), name  # its first


def test_what_is_measured_is_not_learned():
    net = net_of()
    went = stepped(net, MonoOptimiser(net, RATE, 0.1), noise)
    assert went["doubt"] == 0


def test_a_scheduler_lowers_both_rates():
    net = net_of()
    optimiser = MonoOptimiser(net, RATE, 0.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 0.5**step)
    first = stepped(net, optimiser, torch.ones_like)
    scheduler.step()
    second = stepped(net, optimiser, torch.ones_like)
    for name in ("to_eighth.0.weight", "to_eighth.1.weight"):
        assert second[name].norm() / first[name].norm() == pytest.approx(0.5, rel=0.1), name


def test_a_filter_that_a_step_would_not_reach_is_refused():
    with pytest.raises(ValueError, match="channels-last"):
        MonoOptimiser(net_of(torch.contiguous_format), RATE, 0.0)
