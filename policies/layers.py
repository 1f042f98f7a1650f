"""The layers of an ensemble as one step of autograd, with the gradient written out.

What autograd does by itself with such layers is right, and a test holds this to it. This is faster
on one processor core, where thousands of rows go through each product (measured with torch 2.13):
activations and gradients are overwritten in place once nobody needs them, and a last layer of one
number is a product of matrix and vector, for which a batched product takes ten times as long.

E members, B states, K actions at each (K = 1: one), R = B K rows, A numbers of an action, H units.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

EPSILON = 1e-5  # of layer normalisation, torch's own


class Layers(NamedTuple):
    """Parameters of an ensemble; an empty tuple is what it does not have."""

    acted: tuple[Tensor, ...]  # (E, A, H) of the action, in the first layer
    weights: tuple[Tensor, ...]  # (E, H, H') of the later layers, the last gives the outputs
    biases: tuple[Tensor, ...]  # (E, 1, H') of the same
    gains: tuple[Tensor, ...]  # (E, 1, H) of layer normalisation
    offsets: tuple[Tensor, ...]  # (E, 1, H)

    @classmethod
    def unpacked(cls, sizes: tuple[int, ...], flat: tuple[Tensor, ...]) -> "Layers":
        """From one tuple of all; `sizes` are the lengths of the fields."""
        pieces, at = [], 0
        for size in sizes:
            pieces.append(flat[at : at + size])
            at += size
        return cls(*pieces)


def run_layers(observed: Tensor, action: Tensor | None, layers: Layers) -> Tensor:
    """Outputs (E, R, outputs).

    Args:
        observed: (E, B, H) what the observation and the bias give to the first layer.
        action: (B, K, A) or None.
        layers: the parameters.
    """
    sizes = tuple(len(field) for field in layers)
    flat = [tensor for field in layers for tensor in field]
    # torch types `apply` as giving nothing
    return _Run.apply(sizes, observed, action, *flat)  # pyright: ignore[reportReturnType]


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, sizes: tuple[int, ...], observed: Tensor, action: Tensor | None, *flat: Tensor
    ) -> Tensor:
        layers = Layers.unpacked(sizes, flat)
        hidden = _first(observed, action, layers)  # (E, R, H)
        kept: list[Tensor] = []
        for layer in range(len(layers.weights)):
            if layers.gains:
                normed, mean, scale = torch.native_layer_norm(
                    hidden, hidden.shape[-1:], None, None, EPSILON
                )
                kept += [hidden, normed, mean, scale]
                hidden = torch.addcmul(layers.offsets[layer], normed, layers.gains[layer])
            hidden.relu_()
            kept.append(hidden)
            hidden = _product(hidden, layers.weights[layer], layers.biases[layer])
        ctx.sizes, ctx.shape = sizes, observed.shape
        ctx.save_for_backward(action, *flat, *kept)
        return hidden

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        count = sum(ctx.sizes)
        action, *tensors = ctx.saved_tensors
        layers = Layers.unpacked(ctx.sizes, tuple(tensors[:count]))
        kept = tensors[count:]
        learns = ctx.needs_input_grad[3]
        found: dict[str, list[Tensor | None]] = {
            name: [None] * size for name, size in zip(Layers._fields, ctx.sizes, strict=True)
        }
        (g,) = gradients  # (E, R, outputs)
        for layer in reversed(range(len(layers.weights))):
            hidden = kept.pop()
            if learns:
                found["weights"][layer] = _product_of_columns(hidden, g)
                found["biases"][layer] = g.sum(1, keepdim=True)
            g = _back(g, layers.weights[layer])  # (E, R, H)
            torch.ops.aten.threshold_backward.grad_input(g, hidden, 0, grad_input=g)
            if layers.gains:
                g, found["gains"][layer], found["offsets"][layer] = _back_through_norm(
                    g, layers.gains[layer], *kept[-4:], learns=learns
                )
                del kept[-4:]
        for_action = None
        if action is not None:
            acted = layers.acted[0]
            rows = action.flatten(0, 1).expand(len(g), -1, -1)  # (E, R, A)
            if learns:
                found["acted"][0] = torch.bmm(rows.transpose(1, 2), g)
            if ctx.needs_input_grad[2]:
                for_action = torch.bmm(g, acted.transpose(1, 2)).sum(0).view_as(action)
        many = g.unflatten(1, (*ctx.shape[1:2], -1))  # (E, B, K, H)
        for_observed = many.sum(2) if many.shape[2] > 1 else g
        return None, for_observed, for_action, *(g for each in found.values() for g in each)


def _first(observed: Tensor, action: Tensor | None, layers: Layers) -> Tensor:
    """The first layer (E, R, H), which may be overwritten."""
    if action is None:
        return observed.clone()
    rows = action.flatten(0, 1).expand(len(observed), -1, -1)  # (E, R, A)
    if action.shape[1] == 1:
        return torch.baddbmm(observed, rows, layers.acted[0])
    part = torch.bmm(rows, layers.acted[0])
    part.view(*observed.shape[:2], -1, observed.shape[-1]).add_(observed.unsqueeze(2))
    return part


def _product(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    if weight.shape[-1] > 1:
        return torch.baddbmm(bias, hidden, weight)
    columns = [h.mv(w) for h, w in zip(hidden, weight.squeeze(-1), strict=True)]
    return torch.stack(columns).unsqueeze(-1).add_(bias)


def _product_of_columns(hidden: Tensor, g: Tensor) -> Tensor:
    """The product hᵀ g, (E, H, outputs)."""
    if g.shape[-1] > 1:
        return torch.bmm(hidden.transpose(1, 2), g)
    columns = [h.t().mv(one) for h, one in zip(hidden, g.squeeze(-1), strict=True)]
    return torch.stack(columns).unsqueeze(-1)


def _back(g: Tensor, weight: Tensor) -> Tensor:
    """The product g wᵀ, (E, R, H), which may be overwritten."""
    if weight.shape[-1] > 1:
        return torch.bmm(g, weight.transpose(1, 2))
    return g * weight.transpose(1, 2)


def _back_through_norm(
    g: Tensor,
    gain: Tensor,
    hidden: Tensor,
    normed: Tensor,
    mean: Tensor,
    scale: Tensor,
    *,
    learns: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    for_gain = (g * normed).sum(1, keepdim=True) if learns else None
    for_offset = g.sum(1, keepdim=True) if learns else None
    for_hidden = torch.ops.aten.native_layer_norm_backward(
        g.mul_(gain), hidden, hidden.shape[-1:], mean, scale, None, None, [True, False, False]
    )[0]
    return for_hidden, for_gain, for_offset
