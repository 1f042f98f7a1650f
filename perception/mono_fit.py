"""A whole recording at once: the network's fit by Lightning, on its own terms."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from perception.lightning_fit import Progress, fit
from perception.mono_labels import LabelledFrame, rows_of
from perception.mono_module import Config, MonoModule, tensors_of


def fit_module(
    module: MonoModule,
    frames: LabelledFrame,
    updates: int,
    rng: np.random.Generator,
    on_progress: Progress | None = None,
) -> None:
    """Learns from random batches of N frames, at rates that fall to 0.

    Args:
        module: learns in place.
        frames: N of them.
        updates: batches to learn from.
        rng: of batches and disturbances.
        on_progress: called after each.
    """
    module.updates = updates
    batches = _batches(frames, module.config, rng)
    fit(module, batches, updates, module.config.max_gradient, on_progress)


def _batches(
    frames: LabelledFrame, config: Config, rng: np.random.Generator
) -> Iterator[dict[str, Tensor]]:
    """Random batches without end."""
    while True:
        rows = rng.integers(len(frames.image), size=config.batch_size)
        yield tensors_of(rows_of(frames, rows), config, rng)
