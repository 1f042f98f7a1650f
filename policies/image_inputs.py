"""Named tensors with images among them as the row of numbers that a network reads.

Numbers are normalised as ever (`policies.observation_inputs`); each image becomes a few numbers by
one encoder, between them and the instruction. The encoder is the learner's to improve.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from policies.image_encoder import EncoderConfig, ImageEncoder, ImageShape, shifted
from policies.learner import Batch
from policies.observation_inputs import ObservationInputs
from policies.spec import IMAGE_DTYPE, PolicySpec, PolicySpecError, fixed_shape


class ImageInputs:
    """An `ObservationInputs` for a spec with images."""

    def __init__(
        self, spec: PolicySpec, config: EncoderConfig, waves: int = 0, *, relative: bool = False
    ) -> None:
        """Draws the weights of the encoder.

        Args:
            spec: of the policy.
            config: size of the encoder.
            waves: for each number that is no pixel, as in `ObservationInputs`.
            relative: as there.

        Raises:
            PolicySpecError: no image, images of several shapes, or another kind of tensor.
        """
        images = [tensor for tensor in spec.observation if tensor.dtype == IMAGE_DTYPE]
        if not images:
            raise PolicySpecError(
                "this learner reads images (uint8), and none is observed; give it some, or choose "
                "a learner of numbers"
            )
        shapes = {fixed_shape(tensor) for tensor in images}
        if len(shapes) > 1 or len(next(iter(shapes))) != 3:
            raise PolicySpecError(
                f"images must be (height, width, channels) of one size; observed is {shapes}"
            )
        numbers = tuple(tensor for tensor in spec.observation if tensor not in images)
        plain = replace(spec, observation=numbers)
        self.numbers = ObservationInputs(plain, waves, relative=relative)
        self.images = tuple(tensor.name for tensor in images)
        self.config = config
        self.encoder = ImageEncoder(ImageShape(*next(iter(shapes))), config)
        self.features = self.numbers.features + len(images) * config.units
        self.instruction = self.numbers.instruction  # D
        self.mean, self.scale = self.numbers.mean, self.numbers.scale
        self.waves, self.pairs = waves, self.numbers.pairs

    def fit(self, batch: Batch) -> None:
        """Takes mean and spread of the numbers from the batch."""
        self.numbers.fit(batch)

    def states(
        self, batch: Batch, prefix: str = "", shifts: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """(B, F + D) of a batch: numbers, images in turn, the instruction.

        Args:
            batch: arrays by name.
            prefix: "" for the observation before the step, "next_" for the one after it.
            shifts: (B, 2) pixels by which each image is moved, by name; None: none is.
        """
        state = self.numbers.states(batch, prefix)  # (B, numbers + D)
        numbers, instruction = state.tensor_split([self.numbers.features], dim=-1)
        seen = []
        for name in self.images:
            images = torch.from_numpy(batch[prefix + name])
            seen.append(self.encoder(images if shifts is None else shifted(images, shifts[name])))
        return torch.cat([numbers, *seen, instruction], dim=-1)

    def state_dict(self) -> dict[str, Any]:
        """Mean and spread; the encoder is saved with its optimiser."""
        return self.numbers.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """What `state_dict` gave."""
        return self.numbers.load_state_dict(state)
