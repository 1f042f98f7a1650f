"""The loss around the network that learns depth from stereo, for Lightning and for single steps."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from perception.geometry import RectifiedView
from perception.mono import MonoSpec
from perception.mono_labels import LabelledFrame
from perception.mono_losses import laplace_nll, log_ratio, photometric, smoothness
from perception.mono_net import MonoNet, NetConfig, upsampled
from perception.mono_optimiser import MonoOptimiser

WHITE = 255.0
ANSWERS = ("target_per_m", "weight")


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts."""

    regression: float = 1.0  # |log ratio| to the teacher; 1 is an error by a factor of e
    doubt: float = 0.1  # likelihood of the teacher's answer; teaches the scale alone
    photometric: float = 0.1  # the right image must explain the left one
    smooth: float = 0.02  # fills what the teacher left open, without rounding off obstacles


@dataclass(frozen=True)
class Config:
    """Choices of the learner."""

    net: NetConfig = field(default_factory=NetConfig)
    loss: LossWeights = field(default_factory=LossWeights)
    learning_rate: float = 2e-3  # AdamW's in `fit`, falls to 0 along a cosine
    online_loss: LossWeights = field(  # of single updates: a third cheaper without the second image
        default_factory=lambda: LossWeights(photometric=0.0, smooth=0.0)
    )
    online_learning_rate: float = 5e-4  # of single updates, which have no end to fall towards
    online_memory: float = 0.995  # of the mean over the weights of single updates: the newest 200
    weight_decay: float = 1e-4
    max_gradient: float = 5.0  # norm; one odd batch does not throw the network over
    batch_size: int = 4  # frames; more updates teach faster than larger ones
    ring_frames: int = 2000  # newest frames kept for online updates, about 60 MB
    brightness: float = 15.0  # grey levels, random offset per frame
    contrast: float = 0.2  # random gain per frame, 1/(1 + c) to 1 + c


class MonoModule(pl.LightningModule):
    """The network with its loss and optimiser."""

    def __init__(self, spec: MonoSpec, view: RectifiedView, config: Config) -> None:
        """An untrained network.

        Args:
            spec: what the network takes.
            view: the fitted view of the left camera.
            config: the choices.
        """
        super().__init__()
        self.net = MonoNet(spec, config.net)
        for weight in self.net.parameters():
            if weight.ndim == 4:  # of a convolution; a third faster on a CPU in this order
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        self.config = config
        self._focal_baseline_px_m = view.focal_px * view.baseline_m
        self.metrics: dict[str, float] = {}  # terms of the loss on the last batch
        self.updates = 1  # of the fit to come: the cosine's length; set by `MonoLearner.fit`

    def loss(
        self, batch: dict[str, Tensor], terms: LossWeights | None = None
    ) -> tuple[Tensor, dict[str, float]]:
        """The sum of all terms, and each of them by name.

        Args:
            batch: the fields of `LabelledFrame`, images as float in 0..255.
            terms: how much each counts; None: as in a fit.
        """
        terms = terms or self.config.loss
        target, weight = batch["target_per_m"], batch["weight"]
        inverse, scale = self.net(batch["image"])
        found = {"regression": log_ratio(inverse, target, weight)}
        found["doubt"] = laplace_nll(inverse.detach(), scale, target, weight)
        image, other = batch["image"] / WHITE, batch["other"] / WHITE
        if terms.photometric or terms.smooth:
            dense = upsampled(inverse)  # (B, H, W)
            disparity_px = dense * self._focal_baseline_px_m
            found["photometric"] = photometric(image, other, disparity_px, batch["side"])
            found["smooth"] = smoothness(dense, image)
        weights = asdict(terms)
        total = torch.stack([weights[name] * value for name, value in found.items()]).sum()
        return total, {name: float(value.detach()) for name, value in found.items()}

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Lightning's hook."""
        del batch_idx
        total, self.metrics = self.loss(batch)
        return total

    def configure_optimizers(self) -> Any:
        """Lightning's hook: the optimiser, whose rates fall to 0 over the updates of the fit."""
        optimiser = self.optimiser(self.config.learning_rate)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.updates)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}

    def optimiser(self, learning_rate: float) -> torch.optim.Optimizer:
        """Of the network, at a rate that is AdamW's: see `perception.mono_optimiser`."""
        return MonoOptimiser(self.net, learning_rate, self.config.weight_decay)


def tensors_of(batch: LabelledFrame, config: Config, rng: np.random.Generator) -> dict[str, Tensor]:
    """What the loss takes; gain and offset are random per frame, the same for both eyes."""
    shape = (len(batch.image), 1, 1, 1)
    span = np.log1p(config.contrast)
    gain = np.exp(rng.uniform(-span, span, shape))
    offset = rng.uniform(-config.brightness, config.brightness, shape) + (1 - gain) * WHITE / 2
    image, other = (
        torch.from_numpy(np.clip(gain * eye + offset, 0, WHITE).astype(np.float32))
        for eye in (batch.image, batch.other)
    )
    rest = {name: torch.from_numpy(getattr(batch, name)) for name in ("side", *ANSWERS)}
    return {"image": image, "other": other, **rest}
