"""The network of the embedded reward: image features, read in the light of a sentence.

The sentence scales and shifts the channels of the feature map (FiLM, Perez et al. 2018, arXiv
1709.07871), then asks it where to look: attention over its cells with a query made of the sentence.
Many sentences about one image share the features, which cost nearly all of the time.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perception.reward import LookSpec
from perception.reward_backbones import Backbone, prepared


@dataclass(frozen=True)
class HeadConfig:
    """Size of what reads the features."""

    channels: int = 64  # of the map under the sentence's influence
    context: int = 64  # numbers that a sentence and a camera become
    dropout: float = 0.2  # of what is read out, while it learns


class RewardNet(nn.Module):
    """Images of one camera and sentences to log-odds."""

    def __init__(self, spec: LookSpec, backbone: Backbone, config: HeadConfig) -> None:
        """A head with random weights, drawn from torch's own generator."""
        super().__init__()
        self.frozen, self.tunable, self.side = backbone.frozen, backbone.tunable, backbone.side
        self.head = FilmHead(spec, backbone.channels, config)
        for weight in self.frozen.parameters():
            weight.requires_grad = False

    def forward(self, image: Tensor, view: Tensor, instruction: Tensor) -> Tensor:
        """(q,) log-odds of "yes".

        Args:
            image: (1, H, W, 3) uint8.
            view: (1, V) 1 for the camera that it is of, else 0.
            instruction: (q, D) vectors of sentences.
        """
        features = self.tunable(self.early(image))
        asked = instruction.shape[0]
        return self.head(features.expand(asked, -1, -1, -1), view.expand(asked, -1), instruction)

    def early(self, image: Tensor) -> Tensor:
        """(B, C', h, w) what never changes of (B, H, W, 3) uint8, to be kept while it learns."""
        return self.frozen(prepared(image, self.side))

    def answer(self, early: Tensor, view: Tensor, instruction: Tensor) -> Tensor:
        """(B,) log-odds, a camera (B, V) and a sentence (B, D) for each."""
        return self.head(self.tunable(early), view, instruction)

    def train(self, mode: bool = True) -> "RewardNet":
        """Running means of the backbone stay those of ImageNet: a few rooms would spoil them."""
        super().train(mode)
        self.frozen.eval()
        self.tunable.eval()
        return self


class FilmHead(nn.Module):
    """A map and a sentence to one number."""

    def __init__(self, spec: LookSpec, channels: int, config: HeadConfig) -> None:
        super().__init__()
        width = config.channels
        self._gain = math.sqrt(spec.vector)  # a vector of length 1 has numbers of about 1 by it
        self.context = nn.Sequential(
            nn.Linear(spec.vector + len(spec.views), config.context), nn.ReLU()
        )
        self.narrow, self.look = (
            nn.Conv2d(channels, width, 1),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.films = nn.ModuleList(nn.Linear(config.context, 2 * width) for _ in range(2))
        self.query, self.key = nn.Linear(config.context, width), nn.Conv2d(width, width, 1)
        self.read = nn.Sequential(
            nn.Linear(2 * width, width), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(width, 1)
        )

    def forward(self, features: Tensor, view: Tensor, instruction: Tensor) -> Tensor:
        """(B,) of (B, C, h, w), (B, V) and (B, D)."""
        context = self.context(torch.cat([instruction * self._gain, view], dim=-1))  # (B, K)
        cells = self.narrow(features)
        cells = torch.relu(_film(cells, self.films[0](context)))
        cells = torch.relu(_film(self.look(cells), self.films[1](context))) + cells
        keys = self.key(cells).flatten(2)  # (B, W, h w)
        fit = (self.query(context).unsqueeze(1) @ keys) / math.sqrt(keys.shape[1])  # (B, 1, h w)
        values = cells.flatten(2)  # (B, W, h w)
        seen = (fit.softmax(-1) * values).sum(-1)  # (B, W) where the sentence looks
        return self.read(torch.cat([seen, values.amax(-1)], dim=-1)).squeeze(-1)


def _film(cells: Tensor, scale_shift: Tensor) -> Tensor:
    scale, shift = scale_shift[..., None, None].chunk(2, dim=1)  # (B, W, 1, 1) each
    return cells * (1 + scale) + shift
