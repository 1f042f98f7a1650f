"""CQL: learns from data, and believes of actions it never saw that they are worth less.

Kumar et al., arXiv 2006.04779, the variant CQL(H) with importance weights.
"""

from dataclasses import dataclass

from policies.actor_learner import ActorLearner
from policies.conservative import Conservative, ConservativeConfig
from policies.learner import Batch
from policies.soft_actor_critic import SoftActorCritic


@dataclass(frozen=True)
class Config(ConservativeConfig):
    """Choices of the algorithm: those of the family."""


class CQL(ActorLearner):
    """Learns critics, actor and temperature from data, then from data and practice."""

    name = "cql"
    Config = Config
    config: Config

    def build(self) -> None:
        """Critics and temperature."""
        self._soft = SoftActorCritic(self, self.config)
        self._conservative = Conservative(self, self._soft, self.config)
        self.practice = self.config.practice()

    def learn(self, batch: Batch) -> dict[str, float]:
        """Steps of the critics, then one of the actor."""
        tensors = self.transitions(batch)
        metrics: dict[str, float] = {}
        for part in tensors.parts(self.config.critic_steps):
            metrics = self._conservative.improve_critics(part, floor=None)
        return metrics | self._soft.improve_actor(tensors, self.config.imitation_weight)
