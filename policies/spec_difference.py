"""In which way two specs differ, in words: a refusal that does not say so costs an hour."""

from perception.model_package import TensorSpec
from policies.spec import AxisBound, PolicySpec


def spec_difference(found: PolicySpec, wanted: PolicySpec) -> str | None:
    """The first difference as "FOUND and not WANTED"; None where there is none."""
    if found.rate_hz != wanted.rate_hz:
        return f"a rate of {found.rate_hz:g} Hz and not {wanted.rate_hz:g}"
    tensors = [{tensor.name: tensor for tensor in s.observation} for s in (found, wanted)]
    if missing := [name for name in tensors[1] if name not in tensors[0]]:
        return f"no observation {missing[0]!r} but {', '.join(tensors[0]) or 'none'}"
    if more := [name for name in tensors[0] if name not in tensors[1]]:
        return f"also an observation {more[0]!r}, where {', '.join(tensors[1]) or 'none'} is known"
    for name, tensor in tensors[0].items():
        if tensor != tensors[1][name]:
            return f"{name!r} as {_tensor(tensor)} and not {_tensor(tensors[1][name])}"
    axes = [", ".join(map(_axis, s.action)) for s in (found, wanted)]
    return None if axes[0] == axes[1] else f"the action ({axes[0]}) and not ({axes[1]})"


def _tensor(tensor: TensorSpec) -> str:
    return f"{tensor.dtype} {tensor.shape} in {tensor.unit}"


def _axis(axis: AxisBound) -> str:
    return f"{axis.name} {axis.minimum:g}..{axis.maximum:g} {axis.unit}"
