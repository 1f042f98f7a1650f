"""What learners with an actor and critics share: the losses, in the papers' symbols.

Pure functions of tensors. E critics, batch B, actions A in -1..1. Sources: soft actor-critic,
Haarnoja et al., arXiv 1812.05905; the minimum over a random pair of a larger ensemble, REDQ, Chen
et al., arXiv 2101.05982.
"""

import torch
from torch import Tensor

from policies.networks import log_prob_squashed

SMALL = 1e-6  # keeps a ratio finite
LARGEST_WEIGHT = 100.0  # of one transition in IQL's imitation, as in its authors' code
NEAR_END = 0.999  # of an action's range, where the likelihood of a demonstration is still sane


def td_target(reward: Tensor, mask: Tensor, next_q: Tensor, discount: float) -> Tensor:
    """The target y = r + γ m Q̂(s', a'), all (B,); m is 0 where a success ended the episode.

    The entropy of the next action may be in `next_q` (1812.05905, eq. 3) or not.
    """
    return torch.addcmul(reward, mask, next_q, value=discount)


def at_least(y: Tensor, mc_return: Tensor) -> Tensor:
    """The larger of a target and of what was in fact attained from there, both (B,).

    Self-imitation (Oh et al., arXiv 1806.05635): where neither the world nor the reward source
    leaves anything to chance, no action is worth less than what once came of it.
    """
    return torch.maximum(y, mc_return)


def surpassed(mc_return: Tensor, value: Tensor, discount: float) -> Tensor:
    """1 (B,) where the goal was reached in the end, and sooner than the actor would by its value.

    What self-imitation imitates (Oh et al., arXiv 1806.05635). Rewards are 0 and -1, so what never
    succeeds has a return of -1 / (1 - γ); -inf: not yet known.
    """
    succeeded = mc_return > -(1 - SMALL) / (1 - discount)
    return (succeeded & (mc_return > value)).float()


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


def imitation_loss(
    mean: Tensor, log_std: Tensor, action: Tensor, weight: Tensor | None = None
) -> Tensor:
    """-Σ_b w log π(a|s) / B of a squashed Gaussian (B, n) at given actions (B, n) in -1..1.

    The density has no bound at the ends of the range, so actions count as at most 0.999 of it.
    `weight` is (B,), 1 if not given.
    """
    log_pi = log_prob_squashed(mean, log_std, action.clamp(-NEAR_END, NEAR_END))
    return -(log_pi if weight is None else weight * log_pi).mean()


def squared_error(mean: Tensor, action: Tensor, weight: Tensor | None = None) -> Tensor:
    """Σ_b w Σ_n (tanh μ - a)² / B, of what an actor does when it does not explore.

    `weight` is (B,), 1 if not given.
    """
    error = (mean.tanh() - action).square().sum(-1)
    return (error if weight is None else weight * error).mean()


def equally_large(loss: Tensor, other: Tensor) -> Tensor:
    """A loss scaled, without gradient, to the size that another has now."""
    return loss * (other.detach().abs() / loss.detach().abs().clamp_min(SMALL))


def conservative_gap(
    q_sampled: Tensor, log_density: Tensor, q_data: Tensor, floor: Tensor | None, uniform: int
) -> Tensor:
    """Log Σ_j exp(Q(s, a_j) - log p(a_j)) - Q(s, a), (E, B): CQL(H), Kumar et al., 2006.04779.

    With a floor, what the actor's own actions are worth counts as at least the return V_μ that the
    data got from there: max(Q(s, a_j), V_μ(s)), so it is not pushed below what is known to be
    possible (Cal-QL, Nakamoto et al., arXiv 2303.05479, eq. 4.1). A floor of -inf changes nothing.

    Args:
        q_sampled: (E, B, K) of the actions drawn, those drawn uniformly first.
        log_density: (B, K) of these actions where they were drawn.
        q_data: (E, B) of the actions in the data.
        floor: V_μ (B,), or None.
        uniform: how many of the K are uniform; they have no floor.
    """
    if floor is not None:
        even, own = q_sampled.tensor_split([uniform], dim=-1)
        q_sampled = torch.cat([even, own.maximum(floor.unsqueeze(-1))], dim=-1)
    return (q_sampled - log_density).logsumexp(-1) - q_data


def expectile_loss(difference: Tensor, expectile: float) -> Tensor:
    """Mean |τ - 1(u < 0)| u², u = Q̂ - V (IQL, Kostrikov et al., arXiv 2110.06169, eq. 5)."""
    weight = torch.where(difference < 0, 1 - expectile, expectile)
    return (weight * difference.square()).mean()


def advantage_loss(
    mean: Tensor, log_std: Tensor, action: Tensor, advantage: Tensor, beta: float
) -> Tensor:
    """-mean_b exp(β A) log π(a|s), the factor at most 100 (IQL, 2110.06169, eq. 7)."""
    weight = (beta * advantage).exp().clamp_max(LARGEST_WEIGHT)
    return imitation_loss(mean, log_std, action, weight)
