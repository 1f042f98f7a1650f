"""Critics that learn from data without believing in what the data never tried.

CQL (Kumar et al., arXiv 2006.04779) pushes down the value of actions drawn anew and up that of the
actions in the data; Cal-QL (Nakamoto et al., arXiv 2303.05479) stops pushing at the return that the
data got. Both ask about 3 N + 1 actions at each state, which is nearly all they cost: so the data's
action serves both losses in one pass, and a pass takes a few states at a time, which bounds its
memory and keeps activations near until the gradient needs them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from policies.actor_critic import conservative_gap, least, td_loss, td_target
from policies.actor_learner import ActorLearner, Transitions
from policies.networks import sample_squashed
from policies.soft_actor_critic import SoftActorCritic, SoftConfig


@dataclass(frozen=True)
class ConservativeConfig(SoftConfig):
    """Choices that CQL and Cal-QL have in common."""

    layer_norm: bool = True  # in critics, as in WSRL, which begins from these networks
    actor_layer_norm: bool = True  # likewise
    actor_rate: float = 1e-4  # Adam's; slower than the critics, as in Cal-QL's code
    temperature_rate: float = 1e-4  # Adam's
    initial_temperature: float = 1.0  # α; the target does not pay for entropy here
    entropy_backup: bool = False  # values stay returns, which the floor is compared with
    sampled_actions: int = 4  # N each, uniform, by the actor here and there; 10 in the papers
    conservative_weight: float = 5.0  # α of the gap (AntMaze and Kitchen 5, Adroit 1)
    best_of_sampled: bool = True  # the target takes the best of N next actions, else one
    imitation_weight: float = 0.0  # of the actor's regulariser; 1: as large as its other loss
    states_per_pass: int = 64  # a matter of speed alone
    offline_share: float = 0.5  # 0..1, of a batch while it practises


class Conservative:
    """The critics' step, held by a learner beside its `SoftActorCritic`."""

    def __init__(
        self, learner: ActorLearner, soft: SoftActorCritic, config: ConservativeConfig
    ) -> None:
        """Adds nothing to save.

        Args:
            learner: whose actor and chance are used.
            soft: whose critics are improved.
            config: the choices.
        """
        self._learner, self._soft, self._config = learner, soft, config

    def improve_critics(self, batch: Transitions, floor: Tensor | None) -> dict[str, float]:
        """One step on L_TD + α · gap, then one of the slow critics; returns metrics.

        Args:
            batch: transitions.
            floor: V_μ (B,), below which the actor's own actions are not pushed; None: no floor.
        """
        with torch.no_grad():
            drawn = self._draw(batch)
            y = self._target(batch, drawn)
        asked = Asked(
            batch.state,
            torch.cat([drawn.actions, batch.action.unsqueeze(1)], dim=1),
            drawn.log_density,
            y,
            y if floor is None else floor,
        )
        sums: list[Tensor] = []
        losses = self._losses(asked, floor is not None, sums)
        self._soft.critics.descend(losses, self._config.target_rate)
        td, gap = torch.stack(sums).sum(0).tolist()
        weight = self._config.conservative_weight
        return {"loss": td + weight * gap, "td_loss": td, "gap": gap, "target": y.mean().item()}

    def _losses(self, asked: "Asked", has_floor: bool, sums: list[Tensor]) -> Iterator[Tensor]:
        """The loss of a few states after the other; appends (TD loss, gap) of each to `sums`."""
        config = self._config
        passes = (tensor.split(config.states_per_pass) for tensor in asked)
        for few in map(Asked._make, zip(*passes, strict=True)):
            share = len(few.state) / len(asked.state)
            q = self._soft.critics.q(few.state, few.actions)  # (E, C, 3 N + 1)
            q_data = q[..., -1]
            td = td_loss(q_data, few.target) * share
            gap = conservative_gap(
                q[..., :-1],
                few.log_density,
                q_data,
                few.floor if has_floor else None,
                config.sampled_actions,
            )
            gap = gap.sum(0).mean() * share
            sums.append(torch.stack([td, gap]).detach())
            yield td + config.conservative_weight * gap

    def _draw(self, batch: Transitions) -> "Drawn":
        """N actions each, uniform, of the actor at s, and of the actor at s'."""
        learner, count = self._learner, self._config.sampled_actions
        both = torch.cat([batch.state, batch.next_state])  # (2 B, F + D)
        mean, log_std = (tensor.unsqueeze(1) for tensor in learner.tries(both))
        noise = learner.noise(len(both), count, mean.shape[-1])
        action, log_pi = sample_squashed(mean, log_std, noise)  # (2 B, N, n), (2 B, N)
        here, there = action.chunk(2)
        even = learner.uniform(*here.shape)  # (B, N, n)
        log_even = log_pi.new_full(even.shape[:-1], -even.shape[-1] * math.log(2.0))
        return Drawn(
            torch.cat([even, here, there], dim=1),
            torch.cat([log_even, *log_pi.chunk(2)], dim=1),
            there,
            log_pi.chunk(2)[1],
        )

    def _target(self, batch: Transitions, drawn: "Drawn") -> Tensor:
        """The target y (B,): the best of N next actions (Kumar et al., appendix F), or of one."""
        config, soft = self._config, self._soft
        count = config.sampled_actions if config.best_of_sampled else 1
        q = soft.critics.slow_q(batch.next_state, drawn.next_actions[:, :count])
        q = least(q, soft.members())
        if config.entropy_backup:
            q = q - soft.alpha() * drawn.next_log_pi[:, :count]
        return td_target(batch.reward, batch.mask, q.amax(-1), config.discount)


class Drawn(NamedTuple):
    """Actions drawn at each state."""

    actions: Tensor  # (B, 3 N, n): uniform, the actor's at s, the actor's at s'
    log_density: Tensor  # (B, 3 N) of each where it was drawn
    next_actions: Tensor  # (B, N, n), the last third
    next_log_pi: Tensor  # (B, N)


class Asked(NamedTuple):
    """What the critics are asked about, and what they are held to."""

    state: Tensor  # (B, F + D)
    actions: Tensor  # (B, 3 N + 1, n), that of the data last
    log_density: Tensor  # (B, 3 N)
    target: Tensor  # (B,)
    floor: Tensor  # (B,)
