"""A learner's life goes on over runs: from a package back to the network that wrote it.

In a package each normalisation is folded into the convolution before it, which suits a robot and
cannot be trained on: a learner needs to know what of a weight is scale and what is shape. Four
numbers per channel tell; they travel in the manifest, 9 kB, and with them the folding is undone.
"""

import base64
import binascii
from collections.abc import Iterator

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from perception.mono import MonoModelError
from perception.mono_net import MonoNet

KEY = "normalisation"  # in the manifest's extra
ROWS = ("weight", "bias", "running_mean", "running_var")  # per channel of each normalisation
LEAST_FACTOR = 1e-6  # of a channel; a smaller one is dead and cannot be undone


def normalisation_of(net: MonoNet) -> str:
    """What folding forgets, for a manifest: float32 of all channels, little endian, base64."""
    rows = [getattr(norm, row).detach() for _, _, norm in _normalised(net) for row in ROWS]
    return base64.b64encode(torch.cat(rows).numpy().astype("<f4").tobytes()).decode()


def load_weights(net: MonoNet, onnx_bytes: bytes, normalisation: object) -> None:
    """Puts the weights of a package into a network of the same spec and size.

    Args:
        net: is changed; a dead channel keeps the weights that it has.
        onnx_bytes: of the package.
        normalisation: as `normalisation_of` wrote it.

    Raises:
        MonoModelError: the package does not carry what is needed, or is of another size.
    """
    graph = onnx.load_model_from_string(onnx_bytes).graph
    stored = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    numbers = _numbers(normalisation)
    state = net.state_dict()
    sizes = [len(state[f"{norm}.{row}"]) for _, norm, _ in _normalised(net) for row in ROWS]
    if len(numbers) != sum(sizes):
        raise MonoModelError(
            f"the package tells {len(numbers)} numbers of its normalisation, this network has "
            f"{sum(sizes)}: it is of another size; give the learner the same"
        )
    parts = iter(numbers.split(sizes))
    for convolution, norm, module in _normalised(net):
        for row in ROWS:
            state[f"{norm}.{row}"] = next(parts)
        name = f"{convolution}.weight"
        state[name] = _unfolded(stored, name, state, norm, module.eps)
    plain = {name for name in state if name in stored and not _is_folded(name, net)}
    state.update({name: stored[name] for name in plain})
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise MonoModelError(f"the package is of another network: {error}") from error


def _unfolded(
    stored: dict[str, Tensor], name: str, state: dict[str, Tensor], norm: str, eps: float
) -> Tensor:
    """The weight w, where w * weight / sqrt(var + eps) is stored, (outputs, inputs, k, k)."""
    if name not in stored or stored[name].shape != state[name].shape:
        raise MonoModelError(f"the package has no weights {name} of the size of this network")
    factor = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + eps).sqrt()  # (outputs,)
    factor = factor[:, None, None, None]
    return torch.where(factor.abs() > LEAST_FACTOR, stored[name] / factor, state[name])


def _is_folded(name: str, net: MonoNet) -> bool:
    return any(name.startswith((f"{c}.", f"{n}.")) for c, n, _ in _normalised(net))


def _normalised(net: MonoNet) -> Iterator[tuple[str, str, nn.BatchNorm2d]]:
    """Names of each convolution and of its normalisation, and the latter."""
    for name, part in net.named_modules():
        if isinstance(part, nn.Sequential):
            for index in range(len(part) - 1):
                norm = part[index + 1]
                if isinstance(part[index], nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    yield f"{name}.{index}", f"{name}.{index + 1}", norm


def _numbers(text: object) -> Tensor:
    try:
        return torch.from_numpy(
            np.frombuffer(base64.b64decode(str(text), validate=True), "<f4").astype(np.float32)
        )
    except (binascii.Error, ValueError) as error:
        raise MonoModelError(
            f"the package does not say its {KEY} ({error}), so learning cannot go on from it; "
            "train it again"
        ) from error
