"""Soft actor-critic from scratch: learns from what it does, with nothing given beforehand.

Haarnoja et al., arXiv 1812.05905. The yardstick for everything that starts from data.
"""

from dataclasses import dataclass

from policies.actor_learner import ActorLearner
from policies.learner import Batch
from policies.soft_actor_critic import SoftActorCritic, SoftConfig


@dataclass(frozen=True)
class Config(SoftConfig):
    """Choices of the algorithm: those of the family, and how it begins."""

    warmup_steps: int = 1000  # so that the first batch is more than one episode
    random_steps: int = 1000  # an untrained actor explores less than chance does


class SAC(ActorLearner):
    """Learns critics, actor and temperature from its own practice."""

    name = "sac"
    Config = Config
    config: Config

    def build(self) -> None:
        """Critics and temperature."""
        self._soft = SoftActorCritic(self, self.config)
        self.practice = self.config.practice()

    def learn(self, batch: Batch) -> dict[str, float]:
        """Critic steps, then actor and temperature; `loss` is that of the critics."""
        return self._soft.step(self.transitions(batch))
