"""How features learn what to look at: by what demonstrations did.

Nobody tells them where objects are. Each moment of a demonstration is asked what the demonstrator
does now, which only who sees the things can answer. The network that answers is thrown away; the
features remain, the same for all cameras. It is told them with noise, so that they say what counts
loudly and the rest not at all, and what they are made of is noisy too, so that no cell of the few
hundred scenes is known by heart.

What they see is told by another question, which a probe answers (`perception/features_sight.py`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from perception.features_net import FeaturesNet, NetConfig
from perception.image_features import IMAGE, FeaturesError
from perception.lightning_fit import fit
from perception.onnx_export import export_onnx
from perception.onnx_model import OnnxModel

UNITS = 128  # of the network that answers
LEAST_STD = 1e-3  # what never moved must not explode
MAX_GRADIENT = 5.0  # norm
FITTED_EVERY = 5  # one in so many maps tells mean and spread


@dataclass(frozen=True)
class FeaturesConfig(NetConfig):
    """What is made of an image, and how that is learned."""

    updates: int = 1500
    batch_size: int = 64  # moments
    learning_rate: float = 3e-3  # AdamW's; falls to 0 along a cosine
    weight_decay: float = 1e-3
    noise: float = 0.1  # standard deviation, on features in -1..1 while they are learned
    map_noise: float = 0.5  # likewise on the map that they are made of, in its own deviations

    def __post_init__(self) -> None:
        """Refuses numbers that are none."""
        super().__post_init__()
        if not (min(self.updates, self.batch_size) >= 1 and self.learning_rate > 0):
            raise FeaturesError("updates and batch_size must be 1 or more, learning_rate above 0")
        if not (self.noise >= 0 and self.map_noise >= 0):
            raise FeaturesError("noise and map_noise: give 0 or more")


class Lessons(NamedTuple):
    """N moments of demonstrations."""

    images: Mapping[str, NDArray[np.uint8]]  # (N, H, W, 3) by camera
    felt: NDArray[np.float32]  # (N, K) what is known without eyes, each number in its unit
    instruction: NDArray[np.float32]  # (N, D) vector of the sentence, as its encoder made it
    action: NDArray[np.float32]  # (N, n) in -1..1
    way: NDArray[np.float32]  # (N, P) m, from the tool to where the hand next turns; P 0: unknown
    reaching: NDArray[np.bool_]  # (N,) up to the hand's first turn of a demonstration


def taught(
    lessons: Lessons, config: FeaturesConfig, on_progress: Callable[[int], None] = lambda _: None
) -> FeaturesNet:
    """A network that learned; equal lessons and configs give equal ones.

    Args:
        lessons: one moment or more.
        config: what, and how long.
        on_progress: told how many updates are done.

    Raises:
        ChoiceError: no such backbone.
        BackboneError: it is not installed, or is damaged.
    """
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        net = FeaturesNet(config)
        module = _Module(net, lessons, config)
    mapper = mapper_of(net, lessons)
    maps = {view: maps_of(mapper, images) for view, images in lessons.images.items()}
    with torch.no_grad():
        net.fit(torch.cat([each[::FITTED_EVERY].float() for each in maps.values()]))
    batches = _batches(maps, lessons, config)
    fit(module, batches, config.updates, MAX_GRADIENT, lambda done, _: on_progress(done))
    return net.eval()


class _Module(pl.LightningModule):
    """Points, and the network that answers from them.

    What is felt is told in standard deviations. The instruction stays as it is, as policies read
    it: in deviations of the few sentences that there are it would outweigh all that is seen.
    """

    def __init__(self, net: FeaturesNet, lessons: Lessons, config: FeaturesConfig) -> None:
        super().__init__()
        self.net, self.config, self.metrics = net, config, {}
        self._chance = torch.Generator().manual_seed(config.seed)
        actions = lessons.action.shape[1]
        width = len(lessons.images) * config.numbers
        width += lessons.felt.shape[1] + lessons.instruction.shape[1]
        self.answers = nn.Sequential(nn.Linear(width, UNITS), nn.ReLU(), nn.Linear(UNITS, actions))
        self.mean = torch.from_numpy(lessons.felt.mean(0))
        self.std = torch.from_numpy(lessons.felt.std(0)).clamp_min(LEAST_STD)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Lightning's hook: squared error of the answer."""
        del batch_idx
        features = [self.net.features(self._blurred(each.float())) for each in batch["maps"]]
        seen = [each + noise for each, noise in zip(features, batch["noise"], strict=True)]
        felt = (batch["felt"] - self.mean) / self.std
        action = self.answers(torch.cat([*seen, felt, batch["instruction"]], -1))
        loss = (action.tanh() - batch["action"]).square().mean()
        self.metrics = {"loss": float(loss.detach())}
        return loss

    def _blurred(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) with noise."""
        noise = torch.randn(maps.shape, generator=self._chance)
        return maps + self.config.map_noise * noise / self.net.scale

    def configure_optimizers(self) -> Any:
        """Lightning's hook."""
        config = self.config
        learn = [p for p in self.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(
            learn, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.updates)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}


class _Map(nn.Module):
    """The part of a network that does not learn."""

    def __init__(self, net: FeaturesNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        return self.net.map(image)


def mapper_of(net: FeaturesNet, lessons: Lessons) -> OnnxModel:
    """The part that does not learn, of images such as these.

    By onnxruntime, which takes a fifth of torch's time for one image on one core.
    """
    image = next(iter(lessons.images.values()))[:1]
    return OnnxModel(export_onnx(_Map(net), {IMAGE: image}, ["map"]))


def maps_of(mapper: OnnxModel, images: NDArray[np.uint8]) -> Tensor:
    """(N, C, h, w) in half precision, of images (N, H, W, 3)."""
    return torch.from_numpy(
        np.concatenate(
            [mapper.infer({IMAGE: image[np.newaxis]})["map"].astype(np.float16) for image in images]
        )
    )


def _batches(
    maps: Mapping[str, Tensor], lessons: Lessons, config: FeaturesConfig
) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(config.seed)
    shape = (len(maps), config.batch_size, config.numbers)
    felt, instruction, action = map(
        torch.from_numpy, (lessons.felt, lessons.instruction, lessons.action)
    )
    while True:
        rows = torch.from_numpy(rng.integers(len(action), size=config.batch_size))
        yield {
            "maps": [each[rows] for each in maps.values()],
            "noise": config.noise * torch.from_numpy(rng.standard_normal(shape, np.float32)),
            "felt": felt[rows],
            "instruction": instruction[rows],
            "action": action[rows],
        }
