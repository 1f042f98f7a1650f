"""Modules that train, imported by name: a robot runs the command line and has no torch."""

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from perception.quantities import InputError

T = TypeVar("T")


def training_library(module: str) -> Any:
    """A module that needs the extra "train".

    Raises:
        InputError: torch or what else it needs is not installed.
    """
    return with_training(lambda: importlib.import_module(module))


def with_training(make: Callable[[], T]) -> T:
    """What `make` gives, which imports torch on its way.

    Raises:
        InputError: torch or what else it needs is not installed.
    """
    try:
        return make()
    except ModuleNotFoundError as error:
        raise InputError(
            f"training needs {error.name}: run 'pip install reflexarc[train]'"
        ) from error
