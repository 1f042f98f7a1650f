"""A small convolutional network: one image in, inverse depth with its uncertainty out.

An encoder to 1/16 of the size, where a 3 x 3 filter sees a good part of the room, and a decoder
back to 1/4 with sums across (U-Net, arXiv 1505.04597, with sums for concatenation). The mean over
the whole image is added to every place of 1/16 (as ParseNet does, arXiv 1506.04579): how near a
wall is that fills the view, only the rest of the view tells. Plain 3 x 3
convolutions: on one core at 128 x 96, depthwise-separable ones with as many parameters were slower
in onnxruntime and twice as slow to train. Batch normalisation (arXiv 1502.03167) is folded into the
convolutions at run time and costs the robot nothing; without it the same 1100 updates ended at an
abs_rel of 0.27 in place of 0.19. The input is bytes and the normaliser is inside, so
that a robot cannot feed it differently from the training. One factor on the scale, `doubt`, is not
learned but measured on frames new to it (`perception/operating_point.py`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, softplus

from perception.mono import OUTPUT_STRIDE, MonoSpec

LEAST_PER_M = 1e-3  # 1/m, nothing is predicted farther than a kilometre
LEAST_SCALE_PER_M = 1e-3  # 1/m, keeps the likelihood finite
USUAL_PER_M = 0.5  # 1/m, what it says before it has learned: an obstacle at 2 m
USUAL_SCALE_PER_M = 0.1  # 1/m


@dataclass(frozen=True)
class NetConfig:
    """Size of the network."""

    widths: tuple[int, int, int, int] = (16, 32, 64, 96)  # channels at 1/2, 1/4, 1/8, 1/16
    depth: int = 2  # layers at 1/16, where they are cheap; each sees 64 px further


class MonoNet(nn.Module):
    """(B, C, H, W) uint8 to inverse depth and its Laplace scale in 1/m, (B, H/4, W/4) each."""

    def __init__(self, spec: MonoSpec, config: NetConfig) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = config.widths
        self.to_half = _convolution(spec.channels, half, stride=2)
        self.to_quarter = _convolution(half, quarter, stride=2)
        self.to_eighth = _convolution(quarter, eighth, stride=2)
        deep = [_convolution(sixteenth, sixteenth) for _ in range(config.depth - 1)]
        self.to_sixteenth = nn.Sequential(_convolution(eighth, sixteenth, stride=2), *deep)
        context = nn.Conv2d(sixteenth, sixteenth, 1)
        self.to_context = nn.Sequential(nn.Conv2d(sixteenth, sixteenth, 1), nn.ReLU(), context)
        self.up_to_eighth = _convolution(sixteenth, eighth, size=1)
        self.across_eighth = nn.Conv2d(eighth, eighth, 1)
        self.up_to_quarter = _convolution(eighth, quarter)
        self.across_quarter = nn.Conv2d(quarter, quarter, 1)
        self.merge = _convolution(quarter, quarter)
        self.head = nn.Conv2d(quarter, 2, 1)
        self.doubt = nn.Parameter(torch.ones(()), requires_grad=False)
        usual = torch.tensor([USUAL_PER_M - LEAST_PER_M, USUAL_SCALE_PER_M - LEAST_SCALE_PER_M])
        self.head.bias = nn.Parameter(usual.expm1().log())  # the inverse of softplus
        with torch.no_grad():
            for last in (self.head, context):  # it begins by saying little
                last.weight.mul_(0.1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Inverse depth and scale, 1/m, (B, H/4, W/4) each, both above 0."""
        grey = image.float() / 127.5 - 1
        quarter = self.to_quarter(self.to_half(grey))
        eighth = self.to_eighth(quarter)
        sixteenth = self.to_sixteenth(eighth)
        sixteenth = sixteenth + self.to_context(sixteenth.mean((2, 3), keepdim=True))
        wide = _twice(self.up_to_eighth(sixteenth)) + self.across_eighth(eighth)
        wide = _twice(self.up_to_quarter(wide)) + self.across_quarter(quarter)
        inverse, scale = self.head(self.merge(wide)).unbind(1)  # (B, H/4, W/4) each
        doubt = self.doubt * (softplus(scale) + LEAST_SCALE_PER_M)
        return softplus(inverse) + LEAST_PER_M, doubt


def upsampled(values: Tensor) -> Tensor:
    """(B, h, w) at the size of the input, linear between the centres of the cells."""
    size = {"scale_factor": OUTPUT_STRIDE, "mode": "bilinear", "align_corners": False}
    return interpolate(values.unsqueeze(1), **size).squeeze(1)


def _convolution(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


def _twice(values: Tensor) -> Tensor:
    return interpolate(values, scale_factor=2.0, mode="nearest")
