"""Choosing an item from the table of a plural folder, by name.

A table maps a name to "module:Class". The string is imported when the name is chosen, so that
listing the choices loads neither OpenCV nor numba.
"""

import dataclasses
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, Protocol, TypeVar

from perception.quantities import InputError


class DataclassInstance(Protocol):
    """Any dataclass, to the type checker."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


C = TypeVar("C", bound=DataclassInstance)


class ChoiceError(InputError):
    """A name or an option that is not among the valid ones."""


def load_item(table: Mapping[str, str], kind: str, name: str) -> Any:
    """The class in the row `name`; `kind` ("matcher") is for the message.

    Raises:
        ChoiceError: if there is no such row; lists those there are.
    """
    if name not in table:
        raise ChoiceError(f"no {kind} is called {name!r}; valid names: {', '.join(sorted(table))}")
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)


def config_from_options(config: type[C], options: Mapping[str, Any], kind: str) -> C:
    """The config dataclass with `options` in place of its defaults.

    Raises:
        ChoiceError: if an option is not a field; lists the fields.
    """
    valid = [field.name for field in dataclasses.fields(config)]
    unknown = sorted(set(options) - set(valid))
    if unknown:
        raise ChoiceError(
            f"{kind} has no option {', '.join(unknown)}; valid options: {', '.join(valid)}"
        )
    return config(**options)
