"""The offline phase: a learner and a buffer of data, no world.

Lightning runs the loop, because it brings progress, TensorBoard and signals; the learner keeps its
own optimisers and its own checkpoints, which the practice that follows reads. The rows of each
batch follow from seed and number of the update alone, so an interrupted phase goes on to the bit.

    out/last.pt            the newest checkpoint, from which `resume` goes on
    out/20000.pt           one of every `checkpoint_every` updates
    out/events.out.*       for TensorBoard
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger
from torch.utils.data import DataLoader, IterableDataset

from perception.quantities import InputError
from perception.quiet import quiet
from perception.torch_threads import one_thread
from policies.learner import Batch, Learner
from policies.replay_buffer import ReplayBuffer

LAST = "last.pt"
Progress = Callable[[int, dict[str, float]], None]
"""Told the updates done and the last metrics."""


class PretrainError(InputError):
    """An offline phase that cannot begin."""


@dataclass(frozen=True)
class Plan:
    """How long, and what is kept."""

    updates: int = 20_000
    checkpoint_every: int = 5_000  # updates
    log_every: int = 100  # updates
    seed: int = 0  # of the batches


class PretrainModule(pl.LightningModule):
    """A learner as Lightning sees it: each step is one `update`, whatever that does inside."""

    def __init__(self, learner: Learner) -> None:
        """Wraps the learner; it is not copied."""
        super().__init__()
        self.automatic_optimization = False
        self.learner = learner
        self.metrics: dict[str, float] = {}  # of the last update

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Lightning's hook."""
        del batch_idx
        self.metrics = self.learner.update(batch)

    def configure_optimizers(self) -> None:
        """Lightning's hook: the learner has its own."""

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """Lightning's hook: a batch stays what it is, arrays."""
        del device, dataloader_idx
        return batch


def pretrain(
    learner: Learner,
    buffer: ReplayBuffer,
    plan: Plan,
    out: Path | None = None,
    *,
    resume: bool = False,
    on_progress: Progress | None = None,
) -> dict[str, float]:
    """Lets a learner learn from data until it has done `plan.updates`.

    Args:
        learner: fresh, or to be resumed.
        buffer: all the data.
        plan: how long.
        out: folder for checkpoints and TensorBoard; None writes nothing.
        resume: go on from `out/last.pt`, if it is there.
        on_progress: called after each update.

    Returns:
        The metrics of the last update.

    Raises:
        PretrainError: no data, or a phase in `out` that neither may be resumed nor overwritten.
        CheckpointError: the checkpoint to resume from is damaged or of another learner.
    """
    if not len(buffer):
        raise PretrainError("the data set holds no transitions: collect episodes first")
    if out is not None:
        _begin(learner, out, resume=resume)
    if learner.updates == 0:
        learner.prepare(buffer.rows(np.arange(len(buffer))))
    module = PretrainModule(learner)
    rows = learner.practice.rows
    batches = _Batches(buffer, rows, plan.seed, learner.updates, plan.updates)
    keeper = _Keeper(plan, out, on_progress)
    with one_thread(), quiet("pytorch_lightning"):
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="cpu",
            devices=1,
            logger=TensorBoardLogger(out, name="", version="") if out is not None else False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[keeper],
        )
        trainer.fit(module, DataLoader(batches, batch_size=None, collate_fn=_as_it_is))
    return module.metrics


class _Batches(IterableDataset[Any]):
    """The batches of the updates from `first` to before `last`."""

    def __init__(self, buffer: ReplayBuffer, rows: int, seed: int, first: int, last: int) -> None:
        self._buffer, self._rows, self._seed = buffer, rows, seed
        self._updates = range(first, last)

    def __iter__(self) -> Iterator[Batch]:
        for update in self._updates:
            rng = np.random.default_rng((self._seed, update))
            yield self._buffer.rows(rng.integers(len(self._buffer), size=self._rows))


class _Keeper(pl.Callback):
    """Writes checkpoints and curves, and tells how far it is."""

    def __init__(self, plan: Plan, out: Path | None, on_progress: Progress | None) -> None:
        self._plan, self._out, self._tell = plan, out, on_progress

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        del outputs, batch, batch_idx
        done = pl_module.learner.updates
        if trainer.logger is not None and done % self._plan.log_every == 0:
            trainer.logger.log_metrics(pl_module.metrics, step=done)
        if self._out is not None and done % self._plan.checkpoint_every == 0:
            pl_module.learner.save(self._out / f"{done}.pt")
            pl_module.learner.save(self._out / LAST)
        if self._tell is not None:
            self._tell(done, pl_module.metrics)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        del trainer
        if self._out is not None:
            pl_module.learner.save(self._out / LAST)


def _as_it_is(batch: Any) -> Any:
    return batch


def _begin(learner: Learner, out: Path, *, resume: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if not (out / LAST).exists():
        return
    if not resume:
        raise PretrainError(
            f"{out} holds an offline phase already; resume it, or give another folder"
        )
    learner.load(out / LAST)
