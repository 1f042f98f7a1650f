"""IQL: learns from data without ever asking what another action would be worth.

Kostrikov et al., arXiv 2110.06169. V is an upper expectile of Q over the actions in the data; the
actor imitates what the data did, the more the better it was. Its likelihood is that of the squashed
Gaussian, since practice needs the spread too.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from policies.actor_critic import advantage_loss, expectile_loss, least, td_loss, td_target
from policies.actor_learner import ActorLearner, Transitions
from policies.critics import Critics
from policies.learner import Batch, Practice
from policies.networks import EnsembleMlp
from policies.optimised import Optimised


@dataclass(frozen=True)
class Config:
    """Choices of the algorithm."""

    hidden: tuple[int, ...] = (256, 256)  # units of the actor's layers
    critic_hidden: tuple[int, ...] = (256, 256)  # units of the layers of critics and V
    layer_norm: bool = False  # in critics and V
    actor_layer_norm: bool = False  # in the actor
    cloning_noise: float = 0.0  # of states that are imitated at, in deviations of what is observed
    waves: int = 0  # for each number observed, 4, 2, 1 ... standard deviations long
    relative: bool = False  # where places are from each other is an input too
    critics: int = 2  # E
    batch_size: int = 256  # transitions per update
    discount: float = 0.99  # γ
    expectile: float = 0.7  # τ of V; 0.9 where good actions are rare (AntMaze)
    inverse_temperature: float = 3.0  # β of the advantage; 10 in AntMaze
    target_rate: float = 5e-3  # of the slow critics
    deployed_rate: float = 1.0  # at which what is deployed follows the actor; 1: it is the actor
    practice_noise: float = 0.0  # of what is deployed, while it practises; 0: the actor draws
    actor_rate: float = 3e-4  # Adam's
    critic_rate: float = 3e-4  # Adam's, also of V
    offline_share: float = 0.5  # 0..1, of a batch while it practises


class IQL(ActorLearner):
    """Learns critics, V and actor from data, then from data and practice."""

    name = "iql"
    Config = Config
    config: Config

    def build(self) -> None:
        """Critics and V."""
        config, inputs = self.config, self.inputs
        features, words = inputs.features, inputs.instruction
        norm = config.layer_norm
        actions = len(self.spec.action)
        q = EnsembleMlp(
            config.critics, features, words, actions, config.critic_hidden, 1, layer_norm=norm
        )
        v = EnsembleMlp(1, features, words, 0, config.critic_hidden, 1, layer_norm=norm)
        self._critics = Critics(q, config.critic_rate)
        self._value = Optimised(v, config.critic_rate)
        self.parts |= {"critics": self._critics, "value": self._value}
        self.practice = Practice(config.batch_size, config.offline_share, discount=config.discount)

    def learn(self, batch: Batch) -> dict[str, float]:
        """One step each of V, actor and critics; `loss` is that of the critics."""
        tensors = self.transitions(batch)
        q = least(self._critics.slow_q(tensors.state, tensors.action))  # (B,)
        v = self._v(tensors.state)
        value_loss = expectile_loss(q - v, self.config.expectile)
        self._value.descend([value_loss])
        actor_loss = self._improve_actor(tensors, q - v.detach())
        td = self._improve_critics(tensors)
        return {
            "loss": td.item(),
            "value_loss": value_loss.item(),
            "actor_loss": actor_loss.item(),
            "advantage": (q - v.detach()).mean().item(),
        }

    def _v(self, state: Tensor) -> Tensor:
        return self._value.module(state)[0, :, 0]  # (B,)

    def _improve_actor(self, batch: Transitions, advantage: Tensor) -> Tensor:
        mean, log_std = self.actor.module(self.blurred(batch.state))
        beta = self.config.inverse_temperature
        loss = advantage_loss(mean, log_std, batch.action, advantage, beta)
        self.actor.descend([loss])
        return loss.detach()

    def _improve_critics(self, batch: Transitions) -> Tensor:
        with torch.no_grad():
            next_v = self._v(batch.next_state)
            y = td_target(batch.reward, batch.mask, next_v, self.config.discount)
        loss = td_loss(self._critics.q(batch.state, batch.action), y)
        self._critics.descend([loss], self.config.target_rate)
        return loss.detach()
