"""Options on the command line: ``--set KEY=VALUE`` with values as in TOML, and checks of others."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from perception.quantities import InputError

Options = Annotated[tuple[str, ...], tyro.conf.arg(metavar="K=V"), tyro.conf.UseAppendAction]


def parsed_options(texts: Iterable[str], flag: str = "--set") -> dict[str, Any]:
    """Options by name; lists become tuples, as the fields of configs are.

    Args:
        texts: each KEY=VALUE.
        flag: with which they were given, for messages.

    Raises:
        InputError: no KEY=VALUE, or the same key twice.
    """
    options: dict[str, Any] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key.isidentifier():
            raise InputError(f"{flag} {text!r}: write it as KEY=VALUE")
        if key in options:
            raise InputError(f"{flag} {text!r}: {key} was set already")
        options[key] = _value(value)
    return options


def require_at_least(command: object, least: Mapping[str, int]) -> None:
    """Passes if some options of a command are large enough.

    Args:
        command: whose fields are its options.
        least: smallest value by name of the field.

    Raises:
        InputError: the first that is smaller.
    """
    for name, smallest in least.items():
        if (value := getattr(command, name)) < smallest:
            option = name.replace("_", "-")
            raise InputError(f"--{option} {value}: must be {smallest} or more")


def require_folders(folders: Sequence[Path], what: str = "episodes") -> None:
    """Passes if any data set is given.

    Raises:
        InputError: none is.
    """
    if not folders:
        raise InputError(f"give at least one folder of {what}; 'reflexarc collect' makes one")


def require_package_name(out: Path) -> None:
    """Passes if a package could be written there.

    Raises:
        InputError: another ending, or no such folder.
    """
    if out.suffix != ".onnx":
        raise InputError(f"--out {out}: the name of a package ends in .onnx")
    if not out.absolute().parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}; make it")


def _value(text: str) -> Any:
    """As TOML has it; what is no TOML is a text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, KeyError):
        return text
    return tuple(value) if isinstance(value, list) else value
