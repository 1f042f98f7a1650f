"""Cal-QL: offline learning whose values are at the right height when practice begins.

CQL pushes the value of what the actor would do below what the data got, so the first practice is
spent on lifting it again, and performance dips. Cal-QL pushes no further down than the return of
the data: everything else is CQL. Nakamoto et al., arXiv 2303.05479; the option to imitate is the
regulariser of RoboFuME, Yang et al., arXiv 2310.15145.
"""

from dataclasses import dataclass

from policies.actor_learner import ActorLearner
from policies.conservative import Conservative, ConservativeConfig
from policies.learner import Batch
from policies.soft_actor_critic import SoftActorCritic


@dataclass(frozen=True)
class Config(ConservativeConfig):
    """Choices of the algorithm: those of the family."""


class CalQL(ActorLearner):
    """Learns critics, actor and temperature from data, then from data and practice."""

    name = "calql"
    Config = Config
    config: Config

    def build(self) -> None:
        """Critics and temperature."""
        self._soft = SoftActorCritic(self, self.config)
        self._conservative = Conservative(self, self._soft, self.config)
        self.practice = self.config.practice()

    def learn(self, batch: Batch) -> dict[str, float]:
        """Steps of the critics, with the returns of the data as floor, then one of the actor."""
        tensors = self.transitions(batch)
        metrics: dict[str, float] = {}
        for part in tensors.parts(self.config.critic_steps):
            metrics = self._conservative.improve_critics(part, floor=part.mc_return)
        return metrics | self._soft.improve_actor(tensors, self.config.imitation_weight)
