"""DrQ: soft actor-critic on images that are shifted by some pixels whenever they are learned from.

Kostrikov et al., arXiv 2004.13649, with one shift per image as in its successor (2107.09645), layer
normalisation and half of each batch from data as in RLPD. The critics alone improve the encoder;
the actor takes what they see.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from policies.actor_learner import ActorLearner, Transitions
from policies.image_encoder import EncoderConfig
from policies.image_inputs import ImageInputs
from policies.learner import Batch
from policies.optimised import Optimised
from policies.soft_actor_critic import SoftActorCritic, SoftConfig


@dataclass(frozen=True)
class Config(SoftConfig):
    """Choices of the algorithm; what is not named here is as in soft actor-critic."""

    layer_norm: bool = True  # in critics
    actor_layer_norm: bool = True  # in the actor
    target_critics: int = 2  # the least of two
    batch_size: int = 64  # transitions per update; an image costs what a thousand numbers do
    entropy_backup: bool = False  # as in SERL's settings of it
    offline_share: float = 0.5  # symmetric sampling
    warmup_steps: int = 300  # SERL's `training_starts`
    random_steps: int = 300  # SERL's `random_steps`
    encoder_rate: float = 3e-4  # Adam's
    shift_px: int = 4  # at most, along each axis
    strides: tuple[int, ...] = (2, 1, 1, 1)  # of the encoder's convolutions
    filters: int = 32  # of each of them
    units: int = 50  # numbers that stand for an image
    pool: int = 1  # means of so many pixels squared are seen; at 2 there is a quarter of the work


class DrQ(ActorLearner):
    """Learns encoder, critics, actor and temperature from its own practice and from data."""

    name = "drq"
    Config = Config
    config: Config
    inputs: ImageInputs

    def new_inputs(self) -> ImageInputs:
        """Numbers and images."""
        config = self.config
        size = EncoderConfig(config.strides, config.filters, config.units, config.pool)
        return ImageInputs(self.spec, size, config.waves, relative=config.relative)

    def build(self) -> None:
        """Encoder, critics and temperature."""
        self._encoder = Optimised(self.inputs.encoder, self.config.encoder_rate)
        self.parts["encoder"] = self._encoder
        self._soft = SoftActorCritic(self, self.config)
        self.practice = self.config.practice()

    def learn(self, batch: Batch) -> dict[str, float]:
        """One step of critics and encoder, then actor and temperature on what was seen."""
        with torch.no_grad():
            after = self.inputs.states(batch, "next_", self._shifts(batch))
        seen = self.transitions(batch, self.inputs.states(batch, "", self._shifts(batch)), after)
        self._encoder.begin()
        loss = self._soft.improve_critics(seen)
        self._encoder.step()
        blind: Transitions = seen._replace(state=seen.state.detach())
        return {"loss": loss.item(), **self._soft.improve_actor(blind)}

    def _shifts(self, batch: Batch) -> dict[str, Tensor]:
        """(B, 2) pixels for each image, each as likely."""
        most = self.config.shift_px
        return {
            name: self.integers(-most, most, len(batch[name]), 2) for name in self.inputs.images
        }
