"""Curves of a run for TensorBoard, which people who train have open anyway."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter


@contextmanager
def curves(folder: Path) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """Yields what takes a step and its metrics; they go into an events file in the folder.

    A run that goes on begins another file there, and TensorBoard shows both as one line.
    """
    writer = SummaryWriter(folder)

    def log(step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            writer.add_scalar(name, value, step)

    try:
        yield log
    finally:
        writer.close()
