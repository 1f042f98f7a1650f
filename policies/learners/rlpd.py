"""RLPD: soft actor-critic from scratch in which half of every batch is offline data.

Ball et al., arXiv 2302.02948. Layer normalisation keeps the value of what was never tried bounded,
so nothing needs to be conservative; many critics and many updates make the most of each step.
"""

from dataclasses import dataclass

from policies.actor_learner import ActorLearner
from policies.learner import Batch
from policies.soft_actor_critic import SoftActorCritic, SoftConfig


@dataclass(frozen=True)
class Config(SoftConfig):
    """Choices of the algorithm; what is not named here is as in soft actor-critic."""

    layer_norm: bool = True  # in critics: what makes offline data safe to learn from
    critics: int = 2  # 10 in the paper; 2 take a fifth of the time
    target_critics: int = 2  # the least of two drawn at random
    mean_critic: bool = True  # the actor climbs the mean of the critics
    critic_steps: int = 4  # updates per step in the world
    entropy_backup: bool = False  # as in WSRL's and SERL's settings of it
    offline_share: float = 0.5  # symmetric sampling
    warmup_steps: int = 300  # SERL's `training_starts`
    random_steps: int = 300  # SERL's `random_steps`


class RLPD(ActorLearner):
    """Learns critics, actor and temperature from its own practice and from data at once."""

    name = "rlpd"
    Config = Config
    config: Config

    def build(self) -> None:
        """Critics and temperature."""
        self._soft = SoftActorCritic(self, self.config)
        self.practice = self.config.practice()

    def learn(self, batch: Batch) -> dict[str, float]:
        """Critic steps, then actor and temperature; `loss` is that of the critics."""
        return self._soft.step(self.transitions(batch))
