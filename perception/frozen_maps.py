"""Maps of features by a part that never changes, of many images: by onnxruntime where that pays.

Torch takes padding, scale, shift and limit of each block as passes over memory of their own;
onnxruntime joins them with the convolution before. To export the part takes some seconds, so it is
done for many images alone.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from perception.onnx_export import export_onnx
from perception.onnx_model import OnnxModel
from perception.reward import Images
from perception.reward_net import RewardNet

MANY = 2000  # images that are worth an export
BATCH = 32  # images that torch takes at once
IMAGE, MAP = "image", "map"


def mapper(net: RewardNet, sample: Images, count: int) -> Callable[[Images], Tensor]:
    """Who makes maps (m, C', h, w), in half precision, of images (m, H, W, 3).

    Args:
        net: whose frozen part does not change while it is used.
        sample: (1, H, W, 3) one of the images.
        count: of all images.

    Raises:
        ExportParityError: onnxruntime answers otherwise than torch.
    """
    net.eval()
    if count < MANY:
        return lambda images: _by_torch(net, images)
    model = OnnxModel(export_onnx(_Frozen(net), {IMAGE: sample}, [MAP]))
    return lambda images: _by_onnx(model, images)


class _Frozen(nn.Module):
    """The part alone."""

    def __init__(self, net: RewardNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        return self.net.early(image)


def _by_torch(net: RewardNet, images: Images) -> Tensor:
    with torch.no_grad():
        parts = torch.from_numpy(images).split(BATCH)
        return torch.cat([net.early(part).half() for part in parts])


def _by_onnx(model: OnnxModel, images: Images) -> Tensor:
    """One by one: a batch does not stay in the processor's cache."""
    maps = [model.infer({IMAGE: image[np.newaxis]})[MAP].astype(np.float16) for image in images]
    return torch.from_numpy(np.concatenate(maps))
