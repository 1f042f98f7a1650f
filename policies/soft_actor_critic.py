"""Soft actor-critic, as SAC, RLPD and WSRL share it (Haarnoja et al., arXiv 1812.05905).

With u critic steps for each step of the actor (update-to-data ratio u) the batch is u times as
long: each critic step gets its part, then actor and temperature get the whole, as in WSRL's code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from policies.actor_critic import (
    actor_loss,
    at_least,
    equally_large,
    imitation_loss,
    least,
    squared_error,
    surpassed,
    td_loss,
    td_target,
    temperature_loss,
)
from policies.actor_learner import ActorLearner, Transitions
from policies.critics import Critics
from policies.learner import Practice
from policies.networks import EnsembleMlp, sample_squashed
from policies.optimised import Optimised, Temperature


@dataclass(frozen=True)
class SoftConfig:
    """Choices that the learners of this family have in common, with SAC's defaults."""

    hidden: tuple[int, ...] = (256, 256)  # units of the actor's layers
    critic_hidden: tuple[int, ...] = (256, 256)  # units of the critics' layers
    layer_norm: bool = False  # in critics
    actor_layer_norm: bool = False  # in the actor: with few demonstrations it learns by heart
    waves: int = 0  # for each number observed, 4, 2, 1 ... standard deviations long
    relative: bool = False  # where places are from each other is an input too
    critics: int = 2  # E
    initial_value: float = 0.0  # that critics begin at; -1 / (1 - γ): as if all failed for ever
    target_critics: int = 0  # drawn at random for each target (REDQ); 0: all
    mean_critic: bool = False  # the actor climbs the mean of the critics, not the least
    batch_size: int = 256  # transitions of one critic step
    critic_steps: int = 1  # for each step of the actor
    discount: float = 0.99  # γ; a reward 100 steps away counts a third
    target_rate: float = 5e-3  # τ of the slow critics
    deployed_rate: float = 1.0  # at which what is deployed follows the actor; 1: it is the actor
    practice_noise: float = 0.0  # of what is deployed, while it practises; 0: the actor draws
    actor_rate: float = 3e-4  # Adam's
    critic_rate: float = 3e-4  # Adam's
    temperature_rate: float = 3e-4  # Adam's
    initial_temperature: float = 0.1  # α; at 1 going on undecided is paid more than arriving
    target_entropy_per_action: float = -1.0  # nats; H̄ is this times the numbers of an action
    entropy_backup: bool = True  # the target pays for the next action's entropy too
    return_floor: bool = False  # no target below what was attained: for worlds without chance
    cloning_weight: float = 0.0  # steps that a squared error of 1 on offline actions costs
    cloning_noise: float = 0.0  # of states that are cloned at, in deviations of what is observed
    clones_success: bool = False  # also what succeeded in practice, if better than it expects
    offline_share: float = 0.0  # 0..1, of a batch from offline data
    warmup_steps: int = 0  # in the world before the first update
    random_steps: int = 0  # the first of these, at random over the whole range

    def practice(self) -> Practice:
        """What the loop must know."""
        return Practice(
            self.batch_size * self.critic_steps,
            self.offline_share,
            self.warmup_steps,
            self.random_steps,
            discount=self.discount,
        )


class SoftActorCritic:
    """Critics, temperature and the order of their steps, held by a learner."""

    def __init__(self, learner: ActorLearner, config: SoftConfig) -> None:
        """Adds critics and temperature to the learner's parts; draws their weights."""
        actions = len(learner.spec.action)
        self._learner, self._config = learner, config
        self.critics = new_critics(learner, config)
        self.temperature = Optimised(
            Temperature(config.initial_temperature), config.temperature_rate
        )
        self._target_entropy = config.target_entropy_per_action * actions
        learner.parts |= {"critics": self.critics, "temperature": self.temperature}

    def step(self, batch: Transitions) -> dict[str, float]:
        """All critic steps, then one of the actor and one of the temperature."""
        losses = [self.improve_critics(part) for part in batch.parts(self._config.critic_steps)]
        return {"loss": torch.stack(losses).mean().item(), **self.improve_actor(batch)}

    def improve_actor(self, batch: Transitions, imitation_weight: float = 0.0) -> dict[str, float]:
        """One step of the actor and one of the temperature; returns metrics.

        Args:
            batch: of which states and, to imitate, actions are read.
            imitation_weight: of imitating the actions that are from offline data, in terms of the
                other loss: 1 makes both equally large, whatever the scale of the rewards (the
                regulariser of RoboFuME, Yang et al., arXiv 2310.15145).
        """
        learner = self._learner
        mean, log_std = learner.tries(batch.state)
        action, log_pi = sample_squashed(mean, log_std, learner.noise(*mean.shape))
        alpha = self.alpha()
        q = self.critics.q(batch.state, action, frozen=True)
        value = q.mean(0) if self._config.mean_critic else least(q)  # (B,)
        loss = actor_loss(log_pi, value, alpha)
        metrics = {"actor_loss": loss.item(), "temperature": alpha.item()}
        if imitation_weight:
            imitation = imitation_loss(mean, log_std, batch.action, batch.offline)
            metrics["imitation_loss"] = imitation.item()
            loss = loss + imitation_weight * equally_large(imitation, loss)
        if self._config.cloning_weight:
            shown = self._shown(batch, value.detach())
            cloning = squared_error(self._mean_beside(batch, mean), batch.action, shown)
            metrics["cloning_loss"] = cloning.item()
            loss = loss + self._config.cloning_weight * cloning
        learner.actor.descend([loss])
        if not self._config.practice_noise:
            log_alpha = self.temperature.module.log_alpha
            loss = temperature_loss(log_alpha, log_pi, self._target_entropy).sum()
            self.temperature.descend([loss])
        return {**metrics, "entropy": -log_pi.detach().mean().item()}

    def _mean_beside(self, batch: Transitions, mean: Tensor) -> Tensor:
        """What is held to the actions that are cloned (B, n)."""
        learner = self._learner
        if not self._config.cloning_noise:
            return mean
        return learner.tries(learner.blurred(batch.state))[0]

    def _shown(self, batch: Transitions, value: Tensor) -> Tensor:
        """1 (B,) where an action is to be cloned.

        Args:
            batch: transitions.
            value: (B,) of what the actor would do there.
        """
        if not self._config.clones_success:
            return batch.offline
        return batch.offline.maximum(surpassed(batch.mc_return, value, self._config.discount))

    def alpha(self) -> Tensor:
        """α (1,), what a nat of entropy is worth; nothing where the deviation is set."""
        alpha = self.temperature.module()
        return torch.zeros_like(alpha) if self._config.practice_noise else alpha

    def members(self) -> Tensor | None:
        """The critics drawn for a target; None: all."""
        config = self._config
        if config.target_critics in (0, config.critics):
            return None
        return self._learner.noise(config.critics).topk(config.target_critics).indices

    def improve_critics(self, batch: Transitions) -> Tensor:
        """One step of the critics, and of whatever else `batch.state` hangs on; their loss."""
        y = self._target(batch)
        loss = td_loss(self.critics.q(batch.state, batch.action), y)
        self.critics.descend([loss], self._config.target_rate)
        return loss.detach()

    def _target(self, batch: Transitions) -> Tensor:
        """The target y (B,)."""
        config, learner = self._config, self._learner
        with torch.no_grad():
            mean, log_std = learner.tries(batch.next_state)
            action, log_pi = sample_squashed(mean, log_std, learner.noise(*mean.shape))
            next_q = least(self.critics.slow_q(batch.next_state, action), self.members())
            if config.entropy_backup:
                next_q = next_q - self.alpha() * log_pi
            y = td_target(batch.reward, batch.mask, next_q, config.discount)
            return at_least(y, batch.mc_return) if config.return_floor else y


def new_critics(learner: ActorLearner, config: SoftConfig) -> Critics:
    """An ensemble for the observations and actions of a learner."""
    networks = EnsembleMlp(
        config.critics,
        learner.inputs.features,
        learner.inputs.instruction,
        len(learner.spec.action),
        config.critic_hidden,
        1,
        layer_norm=config.layer_norm,
    )
    with torch.no_grad():
        networks.biases[-1].add_(config.initial_value)
    return Critics(networks, config.critic_rate)
