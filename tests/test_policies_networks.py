import math

import pytest
import torch
from torch.nn import functional

from policies.networks import (
    INSTRUCTION_UNITS,
    Actor,
    EnsembleMlp,
    bounded_log_std,
    flattened,
    log_prob_squashed,
    sample_squashed,
)


def plain(network, state, action):
    """What the network says it computes, in ops that autograd knows."""
    state = state.expand(network.members, -1, -1)
    parts = [state[..., : network.features]]
    weights = [network.observed]
    if state.shape[-1] > network.features:
        parts.append(torch.bmm(state[..., network.features :], network.project))
        weights.append(network.instructed)
    hidden = network.biases[0] + sum(
        torch.bmm(part, weight) for part, weight in zip(parts, weights, strict=True)
    )
    if action is not None:
        hidden = hidden.unsqueeze(2) + torch.einsum("bka,eah->ebkh", action, network.acted)
        hidden = hidden.flatten(1, 2)
    for layer, weight in enumerate(network.weights):
        if network.layer_norm:
            normed = functional.layer_norm(hidden, hidden.shape[-1:])
            hidden = network.offsets[layer] + normed * network.gains[layer]
        hidden = network.biases[layer + 1] + torch.bmm(torch.relu(hidden), weight)
    return hidden


@pytest.fixture(params=[False, True], ids=["bare", "layer_norm"])
def layer_norm(request):
    return request.param


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("instruction", [0, 5])
@pytest.mark.parametrize("actions", [0, 1, 4])
def test_values_and_gradients_are_those_of_autograd(layer_norm, outputs, instruction, actions):
    torch.manual_seed(0)
    network = EnsembleMlp(
        3, 4, instruction, 2 if actions else 0, (8, 7), outputs, layer_norm=layer_norm
    ).double()
    state = torch.randn(6, 4 + instruction, dtype=torch.float64, requires_grad=True)
    action = torch.randn(6, max(actions, 1), 2, dtype=torch.float64, requires_grad=True)
    for values in (network.gains, network.offsets):
        for tensor in values:
            tensor.data.normal_()
    given = action if actions else None
    found, expected = network(state, given), plain(network, state, given)
    torch.testing.assert_close(found.reshape(expected.shape), expected)
    upstream = torch.randn_like(expected)
    wanted = [state, *network.parameters(), *([action] if actions else [])]
    for mine, theirs in zip(
        torch.autograd.grad(found, wanted, upstream.reshape(found.shape), allow_unused=True),
        torch.autograd.grad(expected, wanted, upstream, allow_unused=True),
        strict=True,
    ):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            torch.testing.assert_close(mine, theirs)


def test_many_actions_at_a_state_are_worth_what_each_alone_is(layer_norm):
    torch.manual_seed(0)
    network = EnsembleMlp(2, 4, 3, 2, (8, 8), 1, layer_norm=layer_norm)
    state, actions = torch.randn(5, 7), torch.randn(5, 6, 2)
    many = network(state, actions)
    assert many.shape == (2, 5, 6, 1)
    for k in range(6):
        torch.testing.assert_close(many[:, :, k], network(state, actions[:, k]))


def test_a_frozen_network_passes_gradients_to_the_action_alone(layer_norm):
    network = EnsembleMlp(2, 4, 0, 2, (8,), 1, layer_norm=layer_norm)
    state, action = torch.randn(5, 4), torch.randn(5, 2, requires_grad=True)
    network(state, action, frozen=True).sum().backward()
    frozen = action.grad
    assert all(p.grad is None for p in network.parameters())
    action.grad = None
    network(state, action).sum().backward()
    torch.testing.assert_close(action.grad, frozen)
    assert frozen.abs().sum() > 0


def test_members_differ_and_do_not_touch_each_other():
    network = EnsembleMlp(2, 4, 0, 2, (8,), 1)
    state, action = torch.randn(5, 4), torch.randn(5, 2)
    out = network(state, action)
    assert (out[0] != out[1]).all()
    out[0].sum().backward()
    for parameter in (network.observed, network.acted, *network.weights, *network.biases):
        assert parameter.grad[0].abs().sum() > 0
        assert parameter.grad[1].abs().sum() == 0


def test_an_instruction_enters_by_few_units():
    network = EnsembleMlp(2, 4, 384, 2, (8,), 1)
    assert network.project.shape == (2, 384, INSTRUCTION_UNITS)
    assert network.instructed.shape == (2, INSTRUCTION_UNITS, 8)
    state = torch.randn(1, 4 + 384)
    other = state.clone()
    other[0, -1] += 1
    assert (network(state, torch.zeros(1, 2)) != network(other, torch.zeros(1, 2))).any()


def test_the_density_of_a_squashed_gaussian():
    """u = 0.5 + 2 * 0.25 = 1; log N(0.25; 0, 1) - log 2 - log(1 - tanh² 1)."""
    mean, log_std = torch.tensor([[0.5]]), torch.tensor([[math.log(2.0)]])
    action, log_pi = sample_squashed(mean, log_std, torch.tensor([[0.25]]))
    assert action.item() == pytest.approx(math.tanh(1))
    expected = (
        -0.03125 - 0.5 * math.log(2 * math.pi) - math.log(2) - math.log(1 - math.tanh(1) ** 2)
    )
    assert log_pi.item() == pytest.approx(expected, rel=1e-6)


def test_a_density_sums_to_one():
    action = torch.linspace(-0.99999, 0.99999, 200_001, dtype=torch.float64)
    mean, log_std = (torch.full((len(action), 1), v, dtype=torch.float64) for v in (0.3, -0.7))
    density = log_prob_squashed(mean, log_std, action.unsqueeze(1)).exp()
    assert torch.trapezoid(density, action).item() == pytest.approx(1, abs=1e-4)


def test_a_drawn_action_has_the_density_that_it_is_told():
    torch.manual_seed(0)
    mean, log_std, noise = torch.randn(7, 3), torch.randn(7, 3) / 3, torch.randn(4, 7, 3)
    action, log_pi = sample_squashed(mean, log_std, noise)
    torch.testing.assert_close(log_prob_squashed(mean, log_std, action), log_pi, atol=2e-3, rtol=0)
    assert log_pi.shape == (4, 7)


def test_the_density_is_finite_where_tanh_has_saturated():
    mean = torch.full((1, 1), 40.0, requires_grad=True)
    _, log_pi = sample_squashed(mean, torch.zeros(1, 1), torch.zeros(1, 1))
    assert log_pi.item() == pytest.approx(80 - 2 * math.log(2) - 0.5 * math.log(2 * math.pi))
    log_pi.backward()
    assert mean.grad.item() == pytest.approx(2)


def test_parameters_in_one_vector_are_what_they_were():
    torch.manual_seed(0)
    actor = Actor(4, 0, 2, (8,))
    before = [p.clone() for p in actor.parameters()]
    whole = flattened(actor)
    assert whole.numel() == sum(p.numel() for p in before)
    for parameter, value in zip(actor.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, value, rtol=0, atol=0)
    actor(torch.randn(3, 4))[0].sum().backward()
    gradient = torch.cat([p.grad.flatten() for p in actor.parameters()])
    torch.testing.assert_close(whole.grad, gradient, rtol=0, atol=0)
    with torch.no_grad():
        whole.add_(1)
    for parameter, value in zip(actor.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, value + 1)


def test_a_drawn_action_is_most_often_near_the_likeliest_one():
    """However much deviation a network asks for, the density has one peak, and it is inside."""
    log_std = bounded_log_std(torch.tensor([[50.0]]))
    assert log_std.item() == pytest.approx(math.log(0.5) / 2)
    action = torch.linspace(-0.999, 0.999, 1999).unsqueeze(1)
    density = log_prob_squashed(torch.zeros(1, 1), log_std, action)
    assert action[density.argmax()].abs().item() < 0.05
    beyond = log_prob_squashed(torch.zeros(1, 1), torch.tensor([[math.log(2.0)]]), action)
    assert action[beyond.argmax()].abs().item() > 0.9  # what the bound prevents


def test_a_deviation_at_its_bound_can_always_shrink_again():
    raw = torch.tensor([-30.0, -2.0, 0.0, 3.0], requires_grad=True)
    bounded_log_std(raw).sum().backward()
    assert raw.grad is not None
    assert raw.grad[0] == 0  # far below, where it is nothing at all
    assert (raw.grad[1:] > 0.01).all()
