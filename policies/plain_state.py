"""The state of a world as JSON values and arrays, and back in the form it had.

Worlds save themselves in types of their own, which a file must not name: what a file names would be
imported, and that is how unpickling does harm. So types are left out, and an object of the same
world that lives already shows where which belongs.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def plain(state: Any) -> Any:
    """The state with dataclasses and generators as dicts and tuples as lists.

    Everything else stays; whether it can be written is for the writer to say.
    """
    match state:
        case np.random.Generator():
            return dict(state.bit_generator.state)
        case Mapping():
            return {key: plain(part) for key, part in state.items()}
        case list() | tuple():
            return [plain(part) for part in state]
    if is_dataclass(state):
        return {field.name: plain(getattr(state, field.name)) for field in fields(state)}
    return state


def in_form_of(example: Any, state: Any) -> Any:
    """A plain state in the types of an example of the same kind.

    Args:
        example: any saved state; only its types are used.
        state: what `plain` gave.
    """
    match example:
        case np.random.Generator():
            made = np.random.Generator(type(example.bit_generator)())
            made.bit_generator.state = state
            return made
        case Mapping():
            return {key: in_form_of(example.get(key), part) for key, part in state.items()}
        case list() | tuple():
            parts = [in_form_of(*pair) for pair in zip(_padded(example, state), state, strict=True)]
            is_named = hasattr(example, "_fields")
            return type(example)(*parts) if is_named else type(example)(parts)
    if is_dataclass(example) and not isinstance(example, type):
        return type(example)(
            **{f.name: in_form_of(getattr(example, f.name), state[f.name]) for f in fields(example)}
        )
    return state


def _padded(example: Any, state: Any) -> list[Any]:
    """Examples for each part of a sequence, which may have grown: the last one serves on."""
    last = example[-1] if len(example) else None
    return [*example[: len(state)], *[last] * (len(state) - len(example))]
