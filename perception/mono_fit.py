"""A whole recording at once: the network's fit by Lightning, bare and on its own terms."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from perception.mono_labels import LabelledFrame, rows_of
from perception.mono_module import Config, MonoModule, tensors_of
from perception.quiet import quiet
from perception.torch_threads import one_thread

Progress = Callable[[int, dict[str, float]], None]
"""Told the updates done and the last metrics."""


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
    source = DataLoader(_Batches(frames, module.config, rng), batch_size=None)
    watcher = _Watcher(on_progress)
    with one_thread(), quiet("pytorch_lightning"):
        module.train()
        _trainer(updates, module.config.max_gradient, watcher).fit(module, source)


class _Batches(IterableDataset[dict[str, Tensor]]):
    """Random batches without end."""

    def __init__(self, frames: LabelledFrame, config: Config, rng: np.random.Generator) -> None:
        self._frames, self._config, self._rng = frames, config, rng

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            rows = self._rng.integers(len(self._frames.image), size=self._config.batch_size)
            yield tensors_of(rows_of(self._frames, rows), self._config, self._rng)


class _Watcher(pl.Callback):
    """Tells how far the fit is."""

    def __init__(self, on_progress: Progress | None) -> None:
        self._tell = on_progress

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        del outputs, batch, batch_idx
        if self._tell is not None:
            self._tell(trainer.global_step, pl_module.metrics)


def _trainer(updates: int, max_gradient: float, watcher: pl.Callback) -> pl.Trainer:
    """Lightning's loop, bare: no logger, no checkpoint, no words of its own."""
    return pl.Trainer(
        max_steps=updates,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=max_gradient,
        callbacks=[watcher],
    )
