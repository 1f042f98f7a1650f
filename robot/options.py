"""Options of learners and others on the command line: ``--set KEY=VALUE``, values as in TOML."""

import tomllib
from collections.abc import Iterable
from typing import Any

from perception.quantities import InputError


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


def _value(text: str) -> Any:
    """As TOML has it; what is no TOML is a text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, KeyError):
        return text
    return tuple(value) if isinstance(value, list) else value
