"""Where configs lie, for everything that needs a robot file without being the command line."""

import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from firmware_bridge.errors import BridgeInputError


class RobotFileError(BridgeInputError):
    """A robot file that is missing or no TOML."""


def config_folders() -> list[Path]:
    """Where configs are looked for: the working folder, a checkout, an installation."""
    return [
        Path.cwd() / "configs",
        Path(__file__).resolve().parent.parent / "configs",
        Path(sys.prefix) / "share" / "reflexarc" / "configs",
    ]


def read_robot_file(name: str) -> dict[str, Any]:
    """The tables of `configs/robots/<name>.toml`; the nearest folder wins.

    Raises:
        RobotFileError: there is no such file, it is no TOML, or what it extends is not to be had.
    """
    return with_extended(_read(name), _read)


def with_extended(
    tables: Mapping[str, Any], read: Callable[[str], Mapping[str, Any]]
) -> dict[str, Any]:
    """A robot file's tables, completed by those of the file that it `extends`.

    A table replaces that of the same name as a whole: nobody has to look up in two files what a
    link or a limit is.

    Args:
        tables: of the file; `extends` = the name of another robot.
        read: gives the tables of a file by its name.

    Raises:
        RobotFileError: `extends` is no name, or leads back to where it came from.
    """
    whole, seen = dict(tables), list[str]()
    while "extends" in whole:
        name = whole.pop("extends")
        if not isinstance(name, str):
            raise RobotFileError(f"extends = {name!r} must be the name of a robot")
        if name in seen:
            raise RobotFileError(f"robots extend each other in a circle: {' -> '.join(seen)}")
        seen.append(name)
        whole = {**read(name), **whole}
    return whole


def _read(name: str) -> dict[str, Any]:
    for folder in config_folders():
        path = folder / "robots" / f"{name}.toml"
        if path.is_file():
            try:
                return tomllib.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise RobotFileError(f"{path}: not valid TOML: {error}") from error
    known = sorted({p.stem for f in config_folders() for p in (f / "robots").glob("*.toml")})
    raise RobotFileError(f"no robot named {name!r}; there are: {', '.join(known) or 'none'}")
