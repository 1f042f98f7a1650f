"""Each term of the loss against NumPy by hand, and the direction it pulls."""

import numpy as np
import pytest
import torch

from perception.mono_losses import (
    laplace_nll,
    log_ratio,
    photometric,
    smoothness,
    ssim,
    warp_from_other,
)

TRUE_PX = 3.0
LEFT, RIGHT = torch.ones(1), -torch.ones(1)


def maps(*rows):
    return torch.tensor([rows], dtype=torch.float32)  # (1, H, W)


@pytest.fixture
def shifted_pair():
    """A textured left image and what the right camera sees of it: x_right = x_left - 3 px."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 1, (1, 1, 12, 12)).astype(np.float32)
    wide = torch.nn.functional.interpolate(
        torch.from_numpy(coarse), (24, 43), mode="bicubic", align_corners=True
    ).clamp(0, 1)
    return wide[..., :40], wide[..., 3:43]


def test_log_ratio_by_hand_counts_only_where_there_is_weight():
    prediction, target = maps([1.0, 2.0, 5.0]), maps([2.0, 2.0, float("nan")])
    weight = maps([1.0, 0.5, 0.0])
    # (1 * |log(1/2)| + 0.5 * 0) / 1.5
    assert log_ratio(prediction, target, weight).item() == pytest.approx(np.log(2) / 1.5)


def test_log_ratio_is_the_same_for_depth_and_inverse_depth():
    a, b, weight = maps([0.5, 3.0]), maps([1.0, 0.2]), maps([0.3, 0.9])
    assert log_ratio(a, b, weight).item() == pytest.approx(log_ratio(1 / a, 1 / b, weight).item())


def test_a_target_without_weight_gives_no_gradient_and_no_nan():
    prediction = maps([1.0, 2.0]).requires_grad_()
    target, weight = maps([2.0, float("nan")]), maps([1.0, 0.0])
    scale = maps([0.5, 0.5]).requires_grad_()
    total = log_ratio(prediction, target, weight) + laplace_nll(prediction, scale, target, weight)
    total.backward()
    assert prediction.grad is not None
    assert prediction.grad[0, 0, 1] == 0
    assert torch.isfinite(prediction.grad).all()


def test_laplace_nll_by_hand():
    mean, scale, target = maps([1.0, 4.0]), maps([0.5, 2.0]), maps([2.0, 3.0])
    # |1|/0.5 + log 1 = 2;  |1|/2 + log 4; weights 1 and 3
    by_hand = (2 + 3 * (0.5 + np.log(4))) / 4
    found = laplace_nll(mean, scale, target, maps([1.0, 3.0])).item()
    assert found == pytest.approx(by_hand)


def test_the_best_scale_is_the_mean_error():
    errors = torch.tensor([0.1, 0.2, 0.6])
    candidates = [0.1, 0.2, 0.3, 0.4, 0.6]
    losses = [
        laplace_nll(torch.zeros(3), torch.full((3,), b), errors, torch.ones(3)).item()
        for b in candidates
    ]
    assert candidates[int(np.argmin(losses))] == 0.3


def test_warp_takes_the_pixel_that_lies_further_left_in_the_right_image():
    right = torch.tensor([[[[10.0, 20.0, 30.0, 40.0]]]])
    warped, inside = warp_from_other(right, maps([1.0, 1.0, 0.5, 2.0]), LEFT)
    # x - d: -1 (outside), 0, 1.5, 1
    assert warped[0, 0, 0, 1:].tolist() == [10.0, 25.0, 20.0]
    assert inside[0, 0].tolist() == [0.0, 1.0, 1.0, 1.0]


def test_gradient_of_warp_is_minus_the_slope_of_the_image():
    right = torch.tensor([[[[0.0, 1.0, 4.0, 9.0]]]])
    disparity_px = maps([0.0, 0.5, 0.5, 0.5]).requires_grad_()
    warped, _ = warp_from_other(right, disparity_px, LEFT)
    warped.sum().backward()
    assert disparity_px.grad is not None
    assert disparity_px.grad[0, 0, 1:].tolist() == [-1.0, -3.0, -5.0]


def test_ssim_by_hand_on_one_window():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0, 1, (2, 3, 3))
    c1, c2 = 0.0001, 0.0009
    covariance = ((a - a.mean()) * (b - b.mean())).mean()
    by_hand = (2 * a.mean() * b.mean() + c1) * (2 * covariance + c2)
    by_hand /= (a.mean() ** 2 + b.mean() ** 2 + c1) * (a.var() + b.var() + c2)
    images = [torch.tensor(image[None, None], dtype=torch.float32) for image in (a, b)]
    assert ssim(*images)[0, 0, 1, 1].item() == pytest.approx(by_hand, rel=1e-3)
    assert ssim(images[0], images[0]).min().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("side", [LEFT, RIGHT])
def test_a_shifted_pair_is_explained_best_by_its_true_disparity(shifted_pair, side):
    image, other = shifted_pair if side > 0 else shifted_pair[::-1]
    candidates = np.arange(-6.0, 6.5, 0.5)
    costs = [
        photometric(image, other, torch.full((1, 24, 40), float(d)), side).item()
        for d in candidates
    ]
    assert candidates[int(np.argmin(costs))] == TRUE_PX
    assert min(costs) < 0.01  # what is left are windows at the rim, half outside


@pytest.mark.parametrize(("start_px", "sign"), [(TRUE_PX - 0.5, -1), (TRUE_PX + 0.5, 1)])
def test_photometric_gradient_pulls_towards_the_true_disparity(shifted_pair, start_px, sign):
    disparity_px = torch.full((1, 24, 40), start_px, requires_grad=True)
    photometric(*shifted_pair, disparity_px, LEFT).backward()
    assert disparity_px.grad is not None
    assert np.sign(disparity_px.grad.sum().item()) == sign


def test_smoothness_by_hand_and_blind_to_scale():
    inverse = maps([1.0, 1.0, 4.0])  # mean 2: steps 0 and 1.5
    image = torch.tensor([[[[0.0, 0.0, 1.0]]]])
    tall = inverse.expand(1, 2, 3), image.expand(1, 1, 2, 3)  # equal rows: nothing along columns
    by_hand = (0 + 1.5 * np.exp(-1)) / 2
    assert smoothness(*tall).item() == pytest.approx(by_hand, rel=1e-5)
    assert smoothness(7 * tall[0], tall[1]).item() == pytest.approx(by_hand, rel=1e-5)


def test_a_step_of_depth_costs_less_where_the_image_has_an_edge():
    step = maps([1.0, 1.0, 4.0]).expand(1, 2, 3)
    flat, edge = torch.zeros(1, 1, 2, 3), torch.tensor([0.0, 0.0, 1.0]).expand(1, 1, 2, 3)
    assert smoothness(step, edge) < smoothness(step, flat)
