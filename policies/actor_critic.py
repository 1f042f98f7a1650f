"""What learners with an actor and critics share: the losses, in the papers' symbols.

Pure functions of tensors. E critics, batch B, actions A in -1..1. Sources: soft actor-critic,
Haarnoja et al., arXiv 1812.05905; the minimum over a random pair of a larger ensemble, REDQ, Chen
et al., arXiv 2101.05982.
"""

import torch
from torch import Tensor

from policies.networks import log_prob_squashed

NEAR_END = 0.999  # of an action's range, where the likelihood of a demonstration is still sane


def td_target(reward: Tensor, mask: Tensor, next_q: Tensor, discount: float) -> Tensor:
    """Y = r + γ m Q̂(s', a'), all (B,); m is 0 where a success ended the episode.

    The entropy of the next action may be in `next_q` (1812.05905, eq. 3) or not.
    """
    return torch.addcmul(reward, mask, next_q, value=discount)


def td_loss(q: Tensor, y: Tensor) -> Tensor:
    """Σ_i mean_b (Q_i(s, a) - y)², of critics (E, B) and a target (B,)."""
    return (q - y).square().sum() / q.shape[-1]


def least(q: Tensor, members: Tensor | None = None) -> Tensor:
    """min_i Q_i over all critics (E, ...) or over those named (M,)."""
    return (q if members is None else q[members]).amin(0)


def actor_loss(log_pi: Tensor, q: Tensor, alpha: Tensor) -> Tensor:
    """mean_b α log π(a|s) - Q(s, a), a ~ π(s) (1812.05905, eq. 7)."""
    return (alpha * log_pi - q).mean()


def temperature_loss(log_alpha: Tensor, log_pi: Tensor, target_entropy: float) -> Tensor:
    """-log α · mean_b (log π + H̄): α grows while the entropy is below H̄.

    With log α in place of α (1812.05905, eq. 18), as its authors' own code has it.
    """
    return -log_alpha * (log_pi.detach().mean() + target_entropy)


def imitation_loss(mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
    """-mean_b log π(a|s) of a squashed Gaussian (B, n) at given actions (B, n) in -1..1.

    The density has no bound at the ends of the range, so actions count as at most 0.999 of it.
    """
    return -log_prob_squashed(mean, log_std, action.clamp(-NEAR_END, NEAR_END)).mean()


def squared_error(mean: Tensor, action: Tensor) -> Tensor:
    """mean_b Σ_n (tanh μ - a)², of what an actor does when it does not explore."""
    return (mean.tanh() - action).square().sum(-1).mean()
