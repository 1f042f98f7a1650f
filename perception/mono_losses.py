"""What a single camera learns from two: the terms of the loss, as functions without state.

Three sources of truth about the same pixel, each wrong in its own way, so each has its own term:

* the disparity that stereo trusts is metric, but has holes (bare walls, occlusions);
* the other image says whether a disparity explains what it shows, everywhere there is texture;
* depth changes rarely where the image does not change, which fills what is left.

Images are (B, C, H, W) in 0..1; maps are (B, H, W).
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

SSIM_STABILISERS = (0.01**2, 0.03**2)  # C1 and C2 for values in 0..1; Wang et al. 2004, section III
SSIM_SHARE = 0.85  # alpha of Godard et al., arXiv 1609.03677, eq. 1


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Sum of weight * values over the sum of weights, of one shape; 0 where no weight is."""
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)


def log_ratio(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean |log(prediction / target)|: the same for depth and inverse depth.

    The L1 difference in log space, robust to single wrong matches. Near and far things count the
    same, as in abs_rel; Eigen et al., arXiv 1406.2283, eq. 1, with L1 in place of L2.

    Args:
        prediction: (B, H, W) > 0.
        target: (B, H, W) > 0 wherever its weight is not 0.
        weight: (B, H, W) >= 0, the teacher's confidence; 0 where it knows nothing.
    """
    known = torch.where(weight > 0, target, torch.ones_like(target))
    return weighted_mean((prediction.log() - known.log()).abs(), weight)


def laplace_nll(mean: Tensor, scale: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Negative log likelihood under a Laplace density: |t - m| / b + log 2b, weighted mean.

    Kendall and Gal, arXiv 1703.04977, eq. 8 with the L1 norm of their section 3.2: the network
    says itself how wrong it expects to be, and pays for doubt by the logarithm.

    Args:
        mean: (B, H, W) m, in any unit.
        scale: (B, H, W) b > 0, in the unit of `mean`.
        target: (B, H, W) t, likewise.
        weight: (B, H, W) >= 0; where it is 0 the target may be NaN.
    """
    known = torch.where(weight > 0, target, mean.detach())
    return weighted_mean((known - mean).abs() / scale + (2 * scale).log(), weight)


def warp_from_other(other: Tensor, disparity_px: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
    """One eye's image as the other one would show it: other(x - side d), linear along the row.

    Godard et al., arXiv 1609.03677, section 3.2, after Jaderberg et al., arXiv 1506.02025.

    Args:
        other: (B, C, H, W).
        disparity_px: (B, H, W) of the image to be made, px.
        side: (B,) 1 where that is the left image, -1 where it is the right one.

    Returns:
        The warped image (B, C, H, W), and where it was inside the other image, (B, H, W) of 0
        and 1; beyond the border the border's value stands, without gradient.
    """
    width = other.shape[-1]
    moved_px = side[:, None, None] * disparity_px
    columns = torch.arange(width, dtype=disparity_px.dtype) - moved_px  # (B, H, W)
    inside = (columns >= 0) & (columns <= width - 1)
    columns = columns.clamp(0, width - 1)
    left_of = columns.detach().floor().clamp(max=width - 2)
    part = (columns - left_of).unsqueeze(1)  # (B, 1, H, W), 0..1; carries the gradient
    index = left_of.long().unsqueeze(1).expand_as(other)
    warped = (1 - part) * other.gather(-1, index) + part * other.gather(-1, index + 1)
    return warped, inside.to(other.dtype)


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity in 3 x 3 windows, same shape as the images, -1..1; 1 if equal.

    Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 13(4), 2004, eq. 13, with a box as window.
    """
    c1, c2 = SSIM_STABILISERS
    mu_a, mu_b = _box(a), _box(b)
    variance_a = _box(a * a) - mu_a**2
    variance_b = _box(b * b) - mu_b**2
    covariance = _box(a * b) - mu_a * mu_b
    likeness = (2 * mu_a * mu_b + c1) * (2 * covariance + c2)
    return likeness / ((mu_a**2 + mu_b**2 + c1) * (variance_a + variance_b + c2))


def photometric(image: Tensor, other: Tensor, disparity_px: Tensor, side: Tensor) -> Tensor:
    """How badly the other eye's image, moved by the disparity, explains this eye's.

    Godard et al., arXiv 1609.03677, eq. 1: alpha (1 - SSIM) / 2 + (1 - alpha) |difference|, mean
    over the pixels whose other end lies inside the other image.

    Args:
        image: (B, C, H, W) in 0..1.
        other: likewise.
        disparity_px: (B, H, W) of `image`, px.
        side: (B,) 1 where `image` is the left one, -1 where it is the right one.
    """
    warped, inside = warp_from_other(other, disparity_px, side)
    structure = ((1 - ssim(image, warped)) / 2).clamp(0, 1)
    difference = (image - warped).abs()
    cost = SSIM_SHARE * structure + (1 - SSIM_SHARE) * difference  # (B, C, H, W)
    return weighted_mean(cost.mean(1), inside)


def smoothness(inverse_depth: Tensor, image: Tensor) -> Tensor:
    """Changes of the map where the image does not change: mean |d map| exp(-|d image|).

    Godard et al., arXiv 1609.03677, eq. 2, on the map divided by its mean, so that a far scene is
    not smoother than a near one (Wang et al., arXiv 1712.00175, section 3.3).

    Args:
        inverse_depth: (B, H, W) > 0, any unit.
        image: (B, C, H, W) in 0..1, of the same size.
    """
    relative = inverse_depth / inverse_depth.mean((1, 2), keepdim=True)
    along_row = relative.diff(dim=2).abs() * (-image.diff(dim=3).abs().mean(1)).exp()
    along_column = relative.diff(dim=1).abs() * (-image.diff(dim=2).abs().mean(1)).exp()
    return along_row.mean() + along_column.mean()


def _box(image: Tensor) -> Tensor:
    """Mean of each 3 x 3 neighbourhood; the border is mirrored."""
    return avg_pool2d(pad(image, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
