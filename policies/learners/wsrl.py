"""WSRL: goes on from offline training without the offline data.

Zhou et al., arXiv 2412.07762. Actor, critics and temperature begin as CQL or Cal-QL left them; the
loop first lets the frozen actor collect `warmup_steps`, which brings the values in line with what
the actor really does, and from then on it is soft actor-critic on its own practice alone. Nothing
but the checkpoint has to live on the robot.
"""

from dataclasses import dataclass
from pathlib import Path

from policies.actor_learner import ActorLearner
from policies.checkpoint import read_checkpoint
from policies.learner import Batch
from policies.soft_actor_critic import SoftActorCritic, SoftConfig

BEGINS_FROM = ("calql", "cql")


@dataclass(frozen=True)
class Config(SoftConfig):
    """Choices of the algorithm; networks must be those of the checkpoint it begins from."""

    layer_norm: bool = True  # in critics
    actor_layer_norm: bool = True  # in the actor
    critics: int = 2  # 10 in the paper; 2 take a fifth of the time
    target_critics: int = 2  # the least of two drawn at random
    critic_steps: int = 4  # updates per step in the world
    actor_rate: float = 1e-4  # Adam's
    temperature_rate: float = 1e-4  # Adam's
    entropy_backup: bool = False  # as in the offline training before it
    warmup_steps: int = 5000  # in the world, with the actor as it was trained


class WSRL(ActorLearner):
    """Learns from its own practice what another learner began."""

    name = "wsrl"
    Config = Config
    config: Config

    def build(self) -> None:
        """Critics and temperature."""
        self._soft = SoftActorCritic(self, self.config)
        self.practice = self.config.practice()

    def begin_from(self, path: Path) -> None:
        """Takes normaliser, actor, critics and temperature of offline training.

        Raises:
            CheckpointError: missing, damaged, or not of CQL or Cal-QL with this spec and size.
        """
        state = read_checkpoint(path, BEGINS_FROM, self.spec)
        self.take(path, state, tuple(name for name in self.parts if name != "steady"))
        if self.steady is not None:
            self.steady.restart()
        self._prepared = True

    def learn(self, batch: Batch) -> dict[str, float]:
        """Critic steps, then actor and temperature; `loss` is that of the critics."""
        return self._soft.step(self.transitions(batch))
