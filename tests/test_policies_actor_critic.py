"""Each loss against numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch

from policies.actor_critic import (
    actor_loss,
    advantage_loss,
    at_least,
    conservative_gap,
    equally_large,
    expectile_loss,
    imitation_loss,
    least,
    squared_error,
    surpassed,
    td_loss,
    td_target,
    temperature_loss,
)
from policies.networks import log_prob_squashed


def tensor(*values):
    return torch.tensor(values)


def test_target_goes_on_after_a_time_out_and_ends_after_a_success():
    """-1 + 0.9 (-10) = -10 and 0 + 0."""
    y = td_target(tensor(-1.0, 0.0), tensor(1.0, 0.0), tensor(-10.0, -10.0), 0.9)
    torch.testing.assert_close(y, tensor(-10.0, 0.0))


def test_td_loss_is_summed_over_critics_and_averaged_over_the_batch():
    """((1 - 2)² + (3 - 5)²) / 2 + ((2 - 2)² + (5 - 5)²) / 2 = 2.5."""
    q = tensor([1.0, 3.0], [2.0, 5.0])
    assert td_loss(q, tensor(2.0, 5.0)).item() == 2.5


def test_the_least_of_all_critics_and_of_those_drawn():
    q = tensor([1.0, 6.0], [2.0, 5.0], [3.0, 4.0])
    torch.testing.assert_close(least(q), tensor(1.0, 4.0))
    torch.testing.assert_close(least(q, torch.tensor([0, 1])), tensor(1.0, 5.0))


def test_actor_pays_for_certainty_and_is_paid_in_value():
    """(0.5 * 2 - 3 + 0.5 * 4 - 1) / 2 = -0.5."""
    assert actor_loss(tensor(2.0, 4.0), tensor(3.0, 1.0), torch.tensor(0.5)).item() == -0.5


def test_temperature_rises_while_the_entropy_is_too_low():
    """Entropy -3 below the target -2: the slope by log α is -(3 - 2) = -1, so α rises."""
    log_alpha = torch.tensor(0.7, requires_grad=True)
    loss = temperature_loss(log_alpha, tensor(2.0, 4.0), target_entropy=-2.0)
    assert loss.item() == pytest.approx(-0.7)
    loss.backward()
    assert log_alpha.grad.item() == pytest.approx(-1.0)


def test_gap_is_the_log_of_summed_exponentials_over_densities():
    """log(e² / 0.5 + e⁰ / 0.25) - 1, of one critic and one state."""
    gap = conservative_gap(
        tensor([[2.0, 0.0]]), tensor([math.log(0.5), math.log(0.25)]), tensor([1.0]), None, 1
    )
    assert gap.item() == pytest.approx(math.log(2 * math.e**2 + 4) - 1)


def test_floor_lifts_what_the_actor_would_do_and_nothing_else():
    """The second and third action are the actor's: log(e^-9 + e^-2 + e^-1) - 0, floor -2."""
    q = tensor([[-9.0, -5.0, -1.0]])
    gap = conservative_gap(q, torch.zeros(1, 3), torch.zeros(1, 1), tensor(-2.0), 1)
    expected = math.log(math.exp(-9) + math.exp(-2) + math.exp(-1))
    assert gap.item() == pytest.approx(expected, rel=1e-6)


def test_what_lies_below_the_floor_is_not_pushed_down():
    q = tensor([[-9.0, -5.0, -1.0]]).requires_grad_()
    conservative_gap(q, torch.zeros(1, 3), torch.zeros(1, 1), tensor(-2.0), 1).sum().backward()
    even, below, above = q.grad[0, 0].tolist()
    assert even > 0
    assert below == 0
    assert above > 0


def test_a_floor_of_minus_infinity_changes_no_bit():
    torch.manual_seed(0)
    q, log_density, data = torch.randn(2, 9, 6), torch.randn(9, 6), torch.randn(2, 9)
    without = conservative_gap(q, log_density, data, None, 2)
    with_floor = conservative_gap(q, log_density, data, torch.full((9,), -math.inf), 2)
    assert torch.equal(without, with_floor)


def test_expectile_weighs_what_is_above_more():
    """(0.7 * 2² + 0.3 * 1²) / 2 = 1.55; at 0.5 it is half the squared error."""
    assert expectile_loss(tensor(2.0, -1.0), 0.7).item() == pytest.approx(1.55)
    assert expectile_loss(tensor(2.0, -1.0), 0.5).item() == pytest.approx(1.25)


def test_imitation_is_the_mean_negative_log_likelihood():
    mean, log_std, action = torch.randn(3, 2), torch.randn(3, 2), tensor([0.1, 0.2]).expand(3, 2)
    log_pi = log_prob_squashed(mean, log_std, action)
    torch.testing.assert_close(imitation_loss(mean, log_std, action), -log_pi.mean())
    weighted = imitation_loss(mean, log_std, action, tensor(0.0, 0.0, 3.0))
    torch.testing.assert_close(weighted, -log_pi[2])


def test_imitation_of_an_action_at_the_end_of_its_range_is_finite():
    loss = imitation_loss(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1))
    expected = log_prob_squashed(torch.zeros(1, 1), torch.zeros(1, 1), tensor([0.999]))
    assert loss.item() == -expected.item()
    assert math.isfinite(loss.item())


def test_squared_error_is_of_the_squashed_mean():
    """(tanh 1 - 0.5)² + (0 + 0.5)²."""
    error = squared_error(tensor([1.0, 0.0]), tensor([0.5, -0.5]))
    assert error.item() == pytest.approx((math.tanh(1) - 0.5) ** 2 + 0.25)


def test_advantage_weighs_imitation_up_to_a_hundred():
    """exp(3 * 0.5) of the first, 100 of the second, whose exp(3 * 9) is far above."""
    mean, log_std, action = torch.zeros(2, 1), torch.zeros(2, 1), tensor([0.1], [0.2])
    log_pi = log_prob_squashed(mean, log_std, action)
    loss = advantage_loss(mean, log_std, action, tensor(0.5, 9.0), beta=3.0)
    expected = -(math.exp(1.5) * log_pi[0] + 100 * log_pi[1]) / 2
    torch.testing.assert_close(loss, expected)


def test_a_loss_made_as_large_as_another_keeps_its_direction():
    x = torch.tensor(2.0, requires_grad=True)
    scaled = equally_large(3 * x, torch.tensor(-12.0))
    assert scaled.item() == pytest.approx(12)
    scaled.backward()
    assert x.grad.item() == pytest.approx(3 * 12 / 6)


def test_squared_error_counts_what_is_to_be_imitated_alone():
    mean = torch.zeros(2, 1)
    action = tensor([0.5], [1.0])
    assert squared_error(mean, action, tensor(1.0, 0.0)).item() == pytest.approx(0.25 / 2)


def test_what_succeeds_in_the_end_has_a_return_above_that_of_failing_for_ever():
    """At γ 0.97 that is -33.33; 200 steps before a success -33.258, and 400 before -33.33316."""
    steps = np.array([0, 1, 200, 400])
    returns = torch.from_numpy(np.float32([*(-(1 - 0.97**steps) / 0.03), -1 / 0.03, -np.inf]))
    assert surpassed(returns, torch.full((6,), -40.0), 0.97).tolist() == [1, 1, 1, 1, 0, 0]


def test_what_was_no_better_than_expected_is_not_to_be_imitated():
    returns, expected = tensor(-5.0, -5.0, -5.0), tensor(-6.0, -5.0, -4.0)
    assert surpassed(returns, expected, 0.97).tolist() == [1, 0, 0]


def test_a_target_is_at_least_what_was_attained_and_an_unknown_return_bounds_nothing():
    y = at_least(tensor(-3.0, -3.0, -3.0), tensor(-2.0, -4.0, -math.inf))
    assert y.tolist() == [-2, -3, -3]
