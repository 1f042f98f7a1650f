"""From images to a few numbers: the encoder of learners that see, and what they shift images by.

Four convolutions of 32 filters 3 x 3 with strides 2, 1, 1, 1, normalised over channels at each
pixel, as in RoboFuME (Yang et al., arXiv 2310.15145); then 50 numbers through layer normalisation
and tanh, and random shifts of 4 pixels, as in DrQ (Kostrikov et al., arXiv 2004.13649).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class ImageShape(NamedTuple):
    """Of every image that is read."""

    height: int  # px
    width: int  # px
    channels: int


@dataclass(frozen=True)
class EncoderConfig:
    """Its size."""

    strides: tuple[int, ...] = (2, 1, 1, 1)  # of each convolution
    filters: int = 32  # of each
    units: int = 50  # numbers that come out
    pool: int = 1  # means of so many pixels squared go in; at 2 there is a quarter of the work


class ImageEncoder(nn.Module):
    """One image to `units` numbers in -1..1."""

    def __init__(self, shape: ImageShape, config: EncoderConfig) -> None:
        """Random weights, drawn from torch's own generator."""
        super().__init__()
        self.pool = config.pool
        height, width = shape.height // config.pool, shape.width // config.pool
        channels = shape.channels
        self.convolutions = nn.ModuleList()
        for stride in config.strides:
            self.convolutions.append(nn.Conv2d(channels, config.filters, 3, stride))
            height, width = ((size - 3) // stride + 1 for size in (height, width))
            channels = config.filters
        self.gains = nn.ParameterList(torch.ones(channels) for _ in config.strides)
        self.offsets = nn.ParameterList(torch.zeros(channels) for _ in config.strides)
        flat = height * width * channels
        bound = 1 / math.sqrt(flat)
        self.project = nn.Parameter(torch.empty(flat, config.units).uniform_(-bound, bound))
        self.gain = nn.Parameter(torch.ones(config.units))
        self.offset = nn.Parameter(torch.zeros(config.units))

    def forward(self, images: Tensor) -> Tensor:
        """(B, units) of images (B, H, W, C) uint8."""
        hidden = (images.float() / 255 - 0.5).permute(0, 3, 1, 2)  # in memory still H, W, C
        if self.pool > 1:
            hidden = functional.avg_pool2d(hidden, self.pool)
        layers = zip(self.convolutions, self.gains, self.offsets, strict=True)
        for convolution, gain, offset in layers:
            pixels = convolution(hidden).permute(0, 2, 3, 1)  # (B, H', W', filters)
            hidden = _normed(pixels, gain, offset).relu().permute(0, 3, 1, 2)
        flat = hidden.permute(0, 2, 3, 1).flatten(1)
        return _normed(flat @ self.project, self.gain, self.offset).tanh()


def _normed(values: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    return functional.layer_norm(values, values.shape[-1:]) * gain + offset


def shifted(images: Tensor, shift: Tensor) -> Tensor:
    """Images (B, H, W, C) moved by (B, 2) pixels down and to the right; edges are repeated."""
    down, right = shift.unbind(-1)
    rows = (torch.arange(images.shape[1]) - down.unsqueeze(1)).clamp(0, images.shape[1] - 1)
    columns = (torch.arange(images.shape[2]) - right.unsqueeze(1)).clamp(0, images.shape[2] - 1)
    which = torch.arange(len(images))[:, None, None]
    return images[which, rows[:, :, None], columns[:, None, :]]
