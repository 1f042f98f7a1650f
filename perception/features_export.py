"""Frozen image features as a package: what a network taught elsewhere sees, in a few numbers.

The map of the frozen part of a backbone (`perception/reward_backbones.py`) is averaged over
neighbouring cells and mixed by fixed random weights (Johnson and Lindenstrauss 1984: distances
between images survive that). No image of the robot's own teaches anything here, so the features of
a data set, of a robot and of a buffer filled last month mean the same.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from perception.image_features import FEATURES, IMAGE, KIND, FeaturesError, tensors_of
from perception.model_package import Manifest, ModelPackage, write_package
from perception.onnx_export import check_parity, export_onnx
from perception.reward_backbones import BACKBONES, Backbone, prepared
from perception.tables import load_item
from perception.torch_threads import one_thread

PARITY_IMAGES = 4


@dataclass(frozen=True)
class FeaturesConfig:
    """What is made of an image."""

    backbone: str = "lite0"  # row of perception.reward_backbones.BACKBONES
    pool: int = 2  # cells that are averaged, along both axes: 8 x 8 cells become 4 x 4
    numbers: int = 64  # per image
    seed: int = 0  # of the weights that mix; another seed is another language

    def __post_init__(self) -> None:
        """Refuses sizes that are none."""
        if not (self.pool >= 1 and self.numbers >= 1 and self.seed >= 0):
            raise FeaturesError("pool and numbers must be 1 or more, seed 0 or more")


class FeaturesNet(nn.Module):
    """An image to its features."""

    def __init__(self, backbone: Backbone, config: FeaturesConfig) -> None:
        """Draws the weights that mix from torch's own generator."""
        super().__init__()
        self.frozen, self.side = backbone.frozen.eval(), backbone.side
        self.pool = nn.AvgPool2d(config.pool)
        blank = torch.zeros(1, self.side, self.side, 3, dtype=torch.uint8)
        cells = self._cells(blank).shape[1]
        self.mix = nn.Parameter(torch.randn(cells, config.numbers) / cells**0.5)

    def forward(self, image: Tensor) -> Tensor:
        """(n,) of (1, H, W, 3) uint8."""
        return (self._cells(image) @ self.mix).squeeze(0)

    def _cells(self, image: Tensor) -> Tensor:
        """(1, C h w) of an image."""
        return self.pool(self.frozen(prepared(image, self.side))).flatten(1)


def export_features(path: Path, height: int, width: int, config: FeaturesConfig) -> ModelPackage:
    """Writes the package, if it answers as torch does.

    Args:
        path: of the package, ends in .onnx.
        height: of the images, px.
        width: of the images, px.
        config: what is made of them.

    Raises:
        ChoiceError: no such backbone.
        BackboneError: it is not installed, or is damaged.
        ExportParityError: torch and onnxruntime differ on a random image.
        ModelPackageError: the package cannot be written.
    """
    with one_thread(), torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(config.seed)
        net = FeaturesNet(load_item(BACKBONES, "backbone", config.backbone)(), config).eval()
        rng = np.random.default_rng(config.seed)
        shape = (1, height, width, 3)
        images = [rng.integers(256, size=shape, dtype=np.uint8) for _ in range(PARITY_IMAGES)]
        onnx_bytes = export_onnx(net, {IMAGE: images[0]}, [FEATURES])
        worst = max(check_parity(net, onnx_bytes, {IMAGE: image}) for image in images)
    image, features = tensors_of(height, width, config.numbers)
    choices = json.dumps(asdict(config))
    manifest = Manifest(
        kind=KIND,
        inputs=(image,),
        outputs=(features,),
        training_config_hash=hashlib.sha256(choices.encode()).hexdigest(),
        extra={"features": asdict(config), "parity_worst": worst},
    )
    return write_package(path, onnx_bytes, manifest)
