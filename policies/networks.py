"""The networks of learners: a stack of small networks side by side, and the actor made of one.

At widths of a few hundred a matrix product takes microseconds, so what costs is how many operations
there are. Members of an ensemble are therefore one batched product, not a loop, and the first layer
takes observation and action apart: when many actions are asked about at one observation (CQL asks
about a dozen), the observation's part is computed once and not for every action.
"""

import copy
import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from policies.layers import Layers, run_layers

INSTRUCTION_UNITS = 16  # an instruction is projected to these first: few goals, hundreds of numbers
Use = Callable[[Tensor], Tensor]  # of a parameter: as it is, or without its gradient
LOG_STD_MIN = -20.0  # of a Gaussian before tanh, as in Haarnoja et al., arXiv 1812.05905
LARGEST_STD = 1 / math.sqrt(2.0)  # see `bounded_log_std`
LOG_STD_MAX = -0.5 * math.log(2.0)


class EnsembleMlp(nn.Module):
    """E multilayer perceptrons of equal shape, with ReLU and optional layer normalisation."""

    def __init__(
        self,
        members: int,
        features: int,
        instruction: int,
        actions: int,
        hidden: tuple[int, ...],
        outputs: int,
        *,
        layer_norm: bool = False,
    ) -> None:
        """Random weights, drawn from torch's own generator, uniform within 1 / sqrt(inputs).

        Args:
            members: E, networks side by side.
            features: F, numbers of the observation but the instruction.
            instruction: D, numbers of the instruction, 0 for none.
            actions: A, numbers of the action, 0 if none is an input.
            hidden: units of each layer.
            outputs: numbers that come out of each member.
            layer_norm: normalise before each ReLU (Ba et al., arXiv 1607.06450); keeps the values
                of actions never seen bounded (RLPD, Ball et al., arXiv 2302.02948).
        """
        super().__init__()
        self.members, self.features, self.layer_norm = members, features, layer_norm
        projected = INSTRUCTION_UNITS if instruction else 0
        fan_in = features + projected + actions
        sizes = (fan_in, *hidden, outputs)
        self.observed = _weight(members, features, hidden[0], fan_in)
        self.project = _weight(members, instruction, projected, instruction)
        self.instructed = _weight(members, projected, hidden[0], fan_in)
        self.acted = _weight(members, actions, hidden[0], fan_in)
        self.weights = nn.ParameterList(
            _weight(members, width, units, width) for width, units in pairwise(sizes[1:])
        )
        self.biases = nn.ParameterList(
            _weight(members, 1, units, width) for width, units in pairwise(sizes)
        )
        normed = hidden if layer_norm else ()
        self.gains = nn.ParameterList(torch.ones(members, 1, units) for units in normed)
        self.offsets = nn.ParameterList(torch.zeros(members, 1, units) for units in normed)

    def forward(self, state: Tensor, action: Tensor | None = None, frozen: bool = False) -> Tensor:
        """What each member says, (E, B, outputs), or (E, B, K, outputs) of K actions per state.

        Args:
            state: (B, F + D) normalised observation, the instruction last.
            action: (B, A), or (B, K, A) to ask about K actions at each observation.
            frozen: no gradients for the weights, only for what goes in.
        """
        use = torch.detach if frozen else _same
        observed = self._observed_part(state, use)  # (E, B, H)
        layers = Layers(
            () if action is None else (use(self.acted),),
            tuple(map(use, self.weights)),
            tuple(map(use, self.biases[1:])),
            tuple(map(use, self.gains)),
            tuple(map(use, self.offsets)),
        )
        if action is None:
            return run_layers(observed, None, layers)
        many = action.unsqueeze(1) if action.ndim == 2 else action  # (B, K, A)
        out = run_layers(observed, many, layers)
        return out if action.ndim == 2 else out.unflatten(1, action.shape[:-1])

    def _observed_part(self, state: Tensor, use: Use) -> Tensor:
        many = state.unsqueeze(0).expand(self.members, -1, -1)  # (E, B, F + D)
        plain = many[..., : self.features]
        hidden = torch.baddbmm(use(self.biases[0]), plain, use(self.observed))
        if self.project.shape[1]:
            short = torch.bmm(many[..., self.features :], use(self.project))  # (E, B, 16)
            hidden = torch.baddbmm(hidden, short, use(self.instructed))
        return hidden


def _same(parameter: Tensor) -> Tensor:
    return parameter


def _weight(members: int, width: int, units: int, fan_in: int) -> nn.Parameter:
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    return nn.Parameter(torch.empty(members, width, units).uniform_(-bound, bound))


def bounded_log_std(raw: Tensor) -> Tensor:
    """Log σ from any number: a deviation before tanh of 1 / sqrt(2) at most.

    Above that, tanh of a Gaussian around 0 has two peaks, at the ends of the range: what is drawn
    is everything but the likeliest action, on which nothing is then learned, though it is the one
    that is deployed. And entropy falls again as σ grows, so that a temperature that asks for less
    of it (Haarnoja et al., arXiv 1812.05905) pushes σ up for ever. The bound is soft: below it
    there is always a gradient that leads away from it.
    """
    return (LOG_STD_MAX - functional.softplus(LOG_STD_MAX - raw)).clamp_min(LOG_STD_MIN)


class Actor(nn.Module):
    """A Gaussian squashed by tanh over actions in -1..1 (Haarnoja et al., arXiv 1812.05905)."""

    bounded: Use  # log σ from any number; a comparison with another library sets its rule

    def __init__(
        self,
        features: int,
        instruction: int,
        actions: int,
        hidden: tuple[int, ...],
        *,
        layer_norm: bool = False,
    ) -> None:
        """See `EnsembleMlp`."""
        super().__init__()
        self.bounded = bounded_log_std
        self.mlp = EnsembleMlp(
            1, features, instruction, 0, hidden, 2 * actions, layer_norm=layer_norm
        )

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log of the standard deviation before tanh, each (B, n).

        Args:
            state: (B, F + D), normalised.
        """
        mean, log_std = self.mlp(state)[0].chunk(2, dim=-1)
        return mean, self.bounded(log_std)


def with_deviation(actor: Actor, std: float) -> Actor:
    """A copy of an actor whose deviation before tanh is the same everywhere.

    Args:
        actor: of which the means stay.
        std: of each number of the action, above 0 and below LARGEST_STD.
    """
    copied = copy.deepcopy(actor)
    below = LOG_STD_MAX - math.log(std)  # what softplus gives in `bounded_log_std`
    weight, bias = copied.mlp.weights[-1], copied.mlp.biases[-1]
    actions = weight.shape[-1] // 2
    with torch.no_grad():
        weight[..., actions:] = 0
        bias[..., actions:] = LOG_STD_MAX - math.log(math.expm1(below))
    return copied


def sample_squashed(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions (..., n) in -1..1 and the log of their density (...).

    Args:
        mean: μ (..., n) before tanh.
        log_std: log σ (..., n).
        noise: ε (..., n), standard normal; may have more leading axes.
    """
    u = torch.addcmul(mean, log_std.exp(), noise)
    return u.tanh(), _log_density(u, noise, log_std)


def log_prob_squashed(mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
    """Log density (...) of given actions (..., n) strictly within -1..1."""
    u = action.atanh()
    return _log_density(u, (u - mean) * (-log_std).exp(), log_std)


def _log_density(u: Tensor, noise: Tensor, log_std: Tensor) -> Tensor:
    """Log π(tanh u) = Σ -ε²/2 - log σ - log(2π)/2 - log(1 - tanh² u).

    The last term is 2 (log 2 - u - softplus(-2u)), which stays exact where tanh has saturated.
    """
    terms = 2 * (u + functional.softplus(-2 * u)) - log_std - 0.5 * noise.square()
    return terms.sum(-1) - u.shape[-1] * (0.5 * math.log(2 * math.pi) + 2 * math.log(2))


def flattened(module: nn.Module) -> nn.Parameter:
    """All parameters of a module as one long vector that shares their memory, gradients too.

    An optimiser then updates one tensor, and a moving average is one operation, in place of dozens
    of small ones. The parameters stay what they were, for `forward` and for state dicts.
    """
    parameters = list(module.parameters())
    whole = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in parameters]))
    whole.grad = torch.zeros_like(whole)
    at = 0
    for p in parameters:
        piece = slice(at, at := at + p.numel())
        p.data = whole.data[piece].view(p.shape)
        p.grad = whole.grad[piece].view(p.shape)
    return whole
