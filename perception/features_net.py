"""From an image to where things are in it, in a few numbers.

The early part of a backbone (`perception/reward_backbones.py`) stays as it was taught elsewhere.
Two convolutions on its map make K heat maps; the mean place of each, weighted by its softmax, is
one point (spatial softmax: Levine et al., arXiv 1504.00702; Finn et al., arXiv 1509.06113). A point
lies between cells as easily as on one, so it moves with what it follows by less than a cell.

The points are mixed into fewer numbers than there are points. A policy that reads many numbers of
an image learns the few hundred moments of a hundred demonstrations by heart.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perception.image_features import FeaturesError
from perception.reward_backbones import BACKBONES, prepared
from perception.tables import load_item


@dataclass(frozen=True)
class NetConfig:
    """What is made of an image."""

    backbone: str = "lite0"  # row of perception.reward_backbones.BACKBONES
    filters: int = 32  # of the convolution that looks at 3 x 3 cells
    points: int = 16  # that are looked for
    numbers: int = 8  # per image, mixed of where those are
    seed: int = 0  # of the first weights

    def __post_init__(self) -> None:
        """Refuses sizes that are none."""
        if not (min(self.filters, self.points, self.numbers) >= 1 and self.seed >= 0):
            raise FeaturesError("filters, points and numbers must be 1 or more, seed 0 or more")


class FeaturesNet(nn.Module):
    """Numbers in -1..1 of an image."""

    mean: Tensor  # (C, 1, 1) of the map's channels
    scale: Tensor  # (C, 1, 1) 1 / standard deviation

    def __init__(self, config: NetConfig) -> None:
        """Draws first weights from torch's own generator.

        Raises:
            ChoiceError: no such backbone.
            BackboneError: it is not installed, or is damaged.
        """
        super().__init__()
        backbone = load_item(BACKBONES, "backbone", config.backbone)()
        self.early, self.side = backbone.early.eval().requires_grad_(False), backbone.side
        with torch.no_grad():
            blank = torch.zeros(1, self.side, self.side, 3, dtype=torch.uint8)
            _, channels, down, across = self.map(blank).shape
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("scale", torch.ones(channels, 1, 1))
        self.filters = nn.Conv2d(channels, config.filters, 3, padding=1)
        self.heat = nn.Conv2d(config.filters, config.points, 1)
        self.mix = nn.Linear(2 * config.points, config.numbers)
        self.register_buffer("across", torch.linspace(-1, 1, across), persistent=False)
        self.register_buffer("down", torch.linspace(-1, 1, down), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """(n,) of an image (1, H, W, 3) uint8."""
        return self.features(self.map(image)).squeeze(0)

    def map(self, images: Tensor) -> Tensor:
        """(B, C, h, w), as the backbone was taught, of images (B, H, W, 3) uint8."""
        return self.early(prepared(images, self.side))

    def fit(self, maps: Tensor) -> None:
        """Takes mean and spread of each channel from maps (B, C, h, w)."""
        self.mean.copy_(maps.mean((0, 2, 3))[:, None, None])
        self.scale.copy_(1 / maps.std((0, 2, 3)).clamp_min(1e-3)[:, None, None])

    def features(self, maps: Tensor) -> Tensor:
        """(B, n) of maps (B, C, h, w)."""
        return self.mix(self.points(maps)).tanh()

    def points(self, maps: Tensor) -> Tensor:
        """(B, 2 K) of maps (B, C, h, w): all places across, then all places down.

        -1..1 from the left of the image to its right, and from its top to its bottom.
        """
        seen = self.filters((maps - self.mean) * self.scale).relu()
        heat = self.heat(seen)  # (B, K, h, w)
        share = heat.flatten(2).softmax(-1).view_as(heat)
        across = (share.sum(2) * self.across).sum(-1)
        down = (share.sum(3) * self.down).sum(-1)
        return torch.cat([across, down], dim=-1)
