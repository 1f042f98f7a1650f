"""What features see: how far off they tell where a demonstrator's hand will first turn.

A small network learns to answer that from the features as they are (a probe; Alain and Bengio 2016,
arXiv 1610.01644), and is asked about demonstrations that taught nothing. Asked while features
learn, the question made policies no better (docs/results/robofume.md).
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from perception.features_net import FeaturesNet
from perception.features_training import LEAST_STD, MAX_GRADIENT, UNITS, Lessons, mapper_of, maps_of
from perception.image_features import FeaturesError
from perception.lightning_fit import fit
from perception.onnx_model import OnnxModel

WAY_UNIT_M = 0.05  # ways are learned in this unit: as much as a task's things are apart
ACROSS = 2  # x and y of a way: the table is level
UPDATES, BATCH, RATE, DECAY = 1000, 256, 3e-3, 1e-2


def sight_m(
    net: FeaturesNet,
    lessons: Lessons,
    held: Lessons,
    seed: int,
    on_progress: Callable[[int], None] = lambda _: None,
) -> NDArray[np.float32]:
    """(R,) m, across the table: how far off features tell where the hand will first turn.

    Args:
        net: the features, which stay as they are.
        lessons: of N moments, by which a small network learns to read them.
        held: that taught nothing; R of their moments are before the hand's first turn.
        seed: of that network.
        on_progress: told how many of its UPDATES are done.

    Raises:
        FeaturesError: no such place is known.
    """
    if not lessons.way.shape[1]:
        raise FeaturesError("these demonstrations have no arm with a hand, whose turns could tell")
    ways = [each.way[each.reaching] for each in (lessons, held)]
    mapper = mapper_of(net, lessons)
    known = [_read(net, mapper, each) for each in (lessons, held)]
    mean, std = known[0].mean(0), known[0].std(0).clamp_min(LEAST_STD)
    said = [torch.from_numpy(each.instruction[each.reaching]) for each in (lessons, held)]
    learned, asked = (
        torch.cat([(numbers - mean) / std, words], -1)
        for numbers, words in zip(known, said, strict=True)
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        probe = _Probe(learned.shape[1], ways[0].shape[1])
    batches = _rows(learned, torch.from_numpy(ways[0]) / WAY_UNIT_M, seed)
    fit(probe, batches, UPDATES, MAX_GRADIENT, lambda done, _: on_progress(done))
    with torch.no_grad():
        told_m = probe(asked).numpy() * WAY_UNIT_M
    off_m = told_m - ways[1]
    return np.asarray(np.linalg.norm(off_m[:, :ACROSS], axis=1))


class _Probe(pl.LightningModule):
    """Reads a way, in WAY_UNIT_M, from features and what is known without eyes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(inputs, UNITS), nn.ReLU(), nn.Linear(UNITS, outputs))
        self.metrics: dict[str, float] = {}

    def forward(self, seen: Tensor) -> Tensor:
        """(B, P) of (B, inputs)."""
        return self.net(seen)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Lightning's hook: squared error."""
        del batch_idx
        loss = (self(batch["seen"]) - batch["way"]).square().mean()
        self.metrics = {"loss": float(loss.detach())}
        return loss

    def configure_optimizers(self) -> Any:
        """Lightning's hook."""
        return torch.optim.AdamW(self.parameters(), lr=RATE, weight_decay=DECAY)


def _read(net: FeaturesNet, mapper: OnnxModel, lessons: Lessons) -> Tensor:
    """(R, K) features of all cameras, and what is felt; up to the hand's first turn."""
    rows = lessons.reaching
    with torch.no_grad():
        maps = [maps_of(mapper, images[rows]) for images in lessons.images.values()]
        seen = [net.features(each.float()) for each in maps]
    return torch.cat([*seen, torch.from_numpy(lessons.felt[rows])], -1)


def _rows(seen: Tensor, way: Tensor, seed: int) -> Iterator[dict[str, Tensor]]:
    rng = np.random.default_rng(seed)
    while True:
        rows = torch.from_numpy(rng.integers(len(seen), size=BATCH))
        yield {"seen": seen[rows], "way": way[rows]}
