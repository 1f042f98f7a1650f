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

from perception.reward import Images, Looks, LookSpec
from perception.reward_net import HeadConfig, RewardNet

MAP_BATCH = 32  # images whose features are worked out at once


@dataclass(frozen=True)
class Config:
    """Choices of the maker."""

    backbone: str = "lite0"  # row of perception.reward_backbones.BACKBONES
    head: HeadConfig = field(default_factory=HeadConfig)
    copies: int = 1  # disturbed ones of each image, besides the image itself
    brightness: float = 20.0  # grey levels, random offset per copy
    contrast: float = 0.2  # random gain per copy, 1/(1 + c) to 1 + c
    tint: float = 0.06  # random gain per colour and copy
    shift_px: int = 3  # random, along both axes; edges are repeated
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
    net.eval()
    with torch.no_grad():
        early = torch.stack([_early(net, torch.from_numpy(one)) for one in copies])
    view = nn.functional.one_hot(torch.from_numpy(looks.view), len(spec.views)).float()
    return KeptMaps(early, view)


def _early(net: RewardNet, images: Tensor) -> Tensor:
    return torch.cat([net.early(part).half() for part in images.split(MAP_BATCH)])


def disturbed(images: Images, config: Config, rng: np.random.Generator) -> Images:
    """Other light and a camera that was touched: (m, H, W, 3)."""
    count, height, width, _ = images.shape
    span, most = np.log1p(config.contrast), config.shift_px
    gain = np.exp(rng.uniform(-span, span, (count, 1, 1, 1)))
    gain = gain * (1 + rng.uniform(-config.tint, config.tint, (count, 1, 1, 3)))
    offset = rng.uniform(-config.brightness, config.brightness, (count, 1, 1, 1))
    down, right = rng.integers(-most, most + 1, (2, count))
    moved = np.empty_like(images)
    for index in range(count):  # one by one: all of them as float32 would not fit
        rows = np.clip(np.arange(height) - down[index], 0, height - 1)
        columns = np.clip(np.arange(width) - right[index], 0, width - 1)
        seen = images[index][rows[:, None], columns].astype(np.float32)
        seen = (seen - 127) * gain[index] + 127 + offset[index]
        moved[index] = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
    return moved


def batches(
    kept: KeptMaps, looks: Looks, config: Config, rng: np.random.Generator
) -> Iterator[dict[str, Tensor]]:
    """Random batches without end, half of them successes, each look in a random copy."""
    yes, no = np.flatnonzero(looks.success > 0.5), np.flatnonzero(looks.success <= 0.5)
    half = config.batch_size // 2
    while True:
        chosen = np.concatenate(
            [_drawn(yes, half, looks, rng), _drawn(no, config.batch_size - half, looks, rng)]
        )
        row = looks.row[chosen]
        copy = torch.from_numpy(rng.integers(len(kept.early), size=len(chosen)))
        yield {
            "early": kept.early[copy, torch.from_numpy(row)],
            "view": kept.view[row],
            "instruction": torch.from_numpy(looks.vector[looks.asked[chosen]]),
            "success": torch.from_numpy(looks.success[chosen]),
        }


def _drawn(
    rows: NDArray[np.intp], count: int, looks: Looks, rng: np.random.Generator
) -> NDArray[np.intp]:
    if looks.weight is None:
        return rows[rng.integers(len(rows), size=count)]
    weight = looks.weight[rows].astype(np.float64)
    return rng.choice(rows, size=count, p=weight / weight.sum())
