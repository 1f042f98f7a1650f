"""Any message of a type, made from its type hints, so that a new message needs no new sample."""

import math
import types
from typing import Annotated, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from robot.messages import ArraySpec

FLOATS = st.floats(width=32)  # not-a-number and infinities included
TIMES_NS = st.integers(-1, 10**15)
TEXTS = st.text(max_size=8)


def messages(kind, min_side=0):
    """Messages of a type, array sides from ``min_side`` to 4."""
    hints = get_type_hints(kind, include_extras=True)
    fields = {name: _values(name, hint, min_side) for name, hint in hints.items()}
    return st.builds(kind, **fields)


def sample(kind):
    """One message of a type, the same each time, with sides and sequences of 2."""
    hints = get_type_hints(kind, include_extras=True)
    return kind(**{name: _sample(hint) for name, hint in hints.items()})


def same(a, b):
    """Whether two messages or values are equal, type by type; not-a-number equals itself."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
    if isinstance(a, msgspec.Struct):
        return type(a) is type(b) and all(
            same(getattr(a, name), getattr(b, name)) for name in a.__struct_fields__
        )
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return type(a) is type(b) and a == b


def _values(name, hint, min_side):
    if get_origin(hint) is Annotated:
        spec = next(extra for extra in hint.__metadata__ if isinstance(extra, ArraySpec))
        shapes = hnp.array_shapes(
            min_dims=spec.ndim, max_dims=spec.ndim, min_side=min_side, max_side=4
        )
        return hnp.arrays(np.dtype(spec.dtype), shapes)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(_values(name, arguments[0], min_side), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(_values(name, argument, min_side) for argument in arguments))
    if origin is dict:
        return st.dictionaries(TEXTS, _values(name, arguments[1], min_side), max_size=3)
    if origin in (Union, types.UnionType):
        return st.one_of(*(_values(name, argument, min_side) for argument in arguments))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return messages(hint, min_side)
    if hint is int and name.endswith("_ns"):
        return TIMES_NS
    return {
        int: st.integers(0, 2**31),
        float: FLOATS,
        bool: st.booleans(),
        str: TEXTS,
        type(None): st.none(),
        msgspec.UnsetType: st.just(msgspec.UNSET),
    }[hint]


def _sample(hint):
    if get_origin(hint) is Annotated:
        spec = next(extra for extra in hint.__metadata__ if isinstance(extra, ArraySpec))
        return np.arange(2**spec.ndim, dtype=spec.dtype).reshape((2,) * spec.ndim)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple and arguments[-1] is Ellipsis:
        return (_sample(arguments[0]),) * 2
    if origin is tuple:
        return tuple(map(_sample, arguments))
    if origin is dict:
        return {"key": _sample(arguments[1])}
    if origin in (Union, types.UnionType):
        return _sample(arguments[0])
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return sample(hint)
    return {int: 7, float: 1.5, bool: False, str: "text"}[hint]
