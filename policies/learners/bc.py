"""Behaviour cloning: do what the demonstrations did.

The mean action is fitted by squared error, not by the likelihood of the squashed Gaussian: scripted
experts and people push a gripper's command to its end, where that density has no bound, so a few
such steps would outweigh all others. Deterministic evaluation needs the mean alone. The likelihood
can be chosen where the spread matters, for actions kept a little inside the range.
"""

from dataclasses import dataclass

from torch import Tensor

from policies.actor_critic import imitation_loss, squared_error
from policies.actor_learner import ActorLearner
from policies.learner import Batch, Practice


@dataclass(frozen=True)
class Config:
    """Choices of the algorithm."""

    hidden: tuple[int, ...] = (256, 256)  # units per layer
    actor_layer_norm: bool = False  # normalise each layer
    waves: int = 0  # for each number observed, 4, 2, 1 ... standard deviations long
    relative: bool = False  # where places are from each other is an input too
    deployed_rate: float = 1.0  # at which what is deployed follows the actor; 1: it is the actor
    practice_noise: float = 0.0  # of what is deployed, while it practises; 0: the actor draws
    actor_rate: float = 3e-4  # Adam's
    cloning_noise: float = 0.0  # of what is observed, in its deviations
    batch_size: int = 256  # transitions per update
    likelihood: bool = False  # fit the squashed Gaussian; else squared error of its mean


class BehaviourCloning(ActorLearner):
    """Learns from observation and action alone; rewards are not read."""

    name = "bc"
    Config = Config
    config: Config

    def build(self) -> None:
        """The actor is all there is."""
        self.practice = Practice(self.config.batch_size, 1.0, learns_online=False)

    def learn(self, batch: Batch) -> dict[str, float]:
        """One step towards the actions of the batch."""
        mean, log_std = self.actor.module(self.blurred(self.inputs.states(batch)))
        loss = self._loss(mean, log_std, self.unit_actions(batch))
        self.actor.descend([loss])
        return {"loss": loss.item()}

    def _loss(self, mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
        if self.config.likelihood:
            return imitation_loss(mean, log_std, action)
        return squared_error(mean, action)
