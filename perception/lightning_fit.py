"""Lightning's loop, bare: no logger, no checkpoint, one thread, no words of its own."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

import pytorch_lightning as pl
from torch.utils.data import DataLoader, Dataset, IterableDataset

from perception.quiet import quiet
from perception.torch_threads import one_thread

Progress = Callable[[int, dict[str, float]], None]
"""Told the updates done and the last metrics."""


class Metered(Protocol):
    """A module that keeps the terms of its last loss."""

    metrics: dict[str, float]


def fit(
    module: pl.LightningModule,
    batches: Iterable[Any],
    updates: int,
    max_gradient: float,
    on_progress: Progress | None = None,
) -> None:
    """Lets a module learn from the first batches of a stream.

    Args:
        module: a `Metered`; learns in place.
        batches: at least as many as updates.
        updates: steps of its optimiser.
        max_gradient: norm to which gradients are clipped.
        on_progress: called after each.
    """
    source = DataLoader(cast("Dataset[Any]", _Stream(batches)), batch_size=None)
    with one_thread(), quiet("pytorch_lightning"):
        module.train()
        _trainer(updates, max_gradient, _Watcher(on_progress)).fit(module, source)


def _trainer(updates: int, max_gradient: float, watcher: pl.Callback) -> pl.Trainer:
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


class _Stream(IterableDataset[Any]):
    """Batches as Lightning takes them."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = batches

    def __iter__(self) -> Any:
        return iter(self._batches)


class _Watcher(pl.Callback):
    """Tells how far the fit is."""

    def __init__(self, on_progress: Progress | None) -> None:
        self._tell = on_progress

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        del outputs, batch, batch_idx
        if self._tell is not None:
            self._tell(trainer.global_step, cast("Metered", pl_module).metrics)
