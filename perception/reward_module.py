"""How the embedded reward learns: balanced batches of kept features, for Lightning.

The frozen part of the backbone costs most and never changes, so its features are worked out once,
for each image as it is and for some disturbed copies, and kept in half precision.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from perception.frozen_maps import mapper
from perception.reward import Looks, LookSpec
from perception.reward_disturb import Disturbance, disturbed
from perception.reward_net import HeadConfig, RewardNet


@dataclass(frozen=True)
class Config(Disturbance):
    """Choices of the maker, and how far copies of images differ."""

    backbone: str = "lite0"  # row of perception.reward_backbones.BACKBONES
    head: HeadConfig = field(default_factory=HeadConfig)
    copies: int = 1  # disturbed ones of each image, besides the image itself
    batch_size: int = 32  # looks, half of them successes
    learning_rate: float = 1e-3  # AdamW's, of the head; falls to 0 along a cosine
    backbone_rate: float = 1e-4  # of the backbone's tunable part
    weight_decay: float = 1e-2
    smoothing: float = 0.02  # labels are this far from 0 and 1: a few of them are wrong
    max_gradient: float = 5.0  # norm


class RewardModule(pl.LightningModule):
    """The network with its loss and optimiser."""

    def __init__(self, net: RewardNet, config: Config) -> None:
        super().__init__()
        self.net, self.config = net, config
        self.metrics: dict[str, float] = {}
        self.updates = 1  # of the fit to come: the cosine's length

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Lightning's hook: cross-entropy of balanced looks."""
        del batch_idx
        log_odds = self.net.answer(batch["early"].float(), batch["view"], batch["instruction"])
        margin = self.config.smoothing
        target = batch["success"] * (1 - 2 * margin) + margin
        loss = nn.functional.binary_cross_entropy_with_logits(log_odds, target)
        right = ((log_odds > 0) == (batch["success"] > 0.5)).float().mean()
        self.metrics = {"loss": float(loss.detach()), "right": float(right)}
        return loss

    def configure_optimizers(self) -> Any:
        """Lightning's hook."""
        config = self.config
        groups = [
            {"params": [*self.net.head.parameters()], "lr": config.learning_rate},
            {"params": [*self.net.tunable.parameters()], "lr": config.backbone_rate},
        ]
        optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.updates)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}


class KeptMaps(NamedTuple):
    """Features of the frozen part."""

    early: Tensor  # (1 + copies, m, C', h, w) half precision
    view: Tensor  # (m, V) 1 for the camera of the image


def kept_maps(
    net: RewardNet, spec: LookSpec, looks: Looks, config: Config, rng: np.random.Generator
) -> KeptMaps:
    """Features of all images, as they are and disturbed."""
    copies = [looks.image] + [disturbed(looks.image, config, rng) for _ in range(config.copies)]
    maps = mapper(net, looks.image[:1], len(copies) * len(looks.image))
    early = torch.stack([maps(one) for one in copies])
    view = nn.functional.one_hot(torch.from_numpy(looks.view), len(spec.views)).float()
    return KeptMaps(early, view)


def batches(
    kept: KeptMaps, looks: Looks, config: Config, rng: np.random.Generator
) -> Iterator[dict[str, Tensor]]:
    """Random batches without end, half of them successes, each look in a random copy."""
    while True:
        chosen = balanced(looks, config.batch_size, rng)
        row = looks.row[chosen]
        copy = torch.from_numpy(rng.integers(len(kept.early), size=len(chosen)))
        yield {
            "early": kept.early[copy, torch.from_numpy(row)],
            "view": kept.view[row],
            "instruction": torch.from_numpy(looks.vector[looks.asked[chosen]]),
            "success": torch.from_numpy(looks.success[chosen]),
        }


def balanced(looks: Looks, size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Numbers of so many looks, half of them successes, as often as their weights say."""
    yes = looks.success > 0.5
    kinds = ((np.flatnonzero(yes), size // 2), (np.flatnonzero(~yes), size - size // 2))
    return np.concatenate([_drawn(rows, count, looks, rng) for rows, count in kinds])


def _drawn(
    rows: NDArray[np.intp], count: int, looks: Looks, rng: np.random.Generator
) -> NDArray[np.intp]:
    if looks.weight is None:
        return rows[rng.integers(len(rows), size=count)]
    weight = looks.weight[rows].astype(np.float64)
    return rng.choice(rows, size=count, p=weight / weight.sum())
