"""Modules that train, imported by name: a robot runs the command line and has no torch."""

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from perception.quantities import InputError

T = TypeVar("T")
EXTRAS = {"peft": "vlm", "transformers": "vlm", "huggingface_hub": "vlm", "safetensors": "vlm"}
"""Which extra brings a module; any other is brought by "train"."""


def training_library(module: str) -> Any:
    """A module that needs the extra "train".

    Raises:
        InputError: torch or what else it needs is not installed.
    """
    return with_training(lambda: importlib.import_module(module))


def with_training(make: Callable[[], T]) -> T:
    """What `make` gives, which imports torch, or a vision-language model, on its way.

    Raises:
        InputError: torch or what else it needs is not installed.
    """
    try:
        return make()
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(str(error.name), "train")
        raise InputError(
            f"training needs {error.name}: run 'pip install reflexarc[{extra}]'"
        ) from error
