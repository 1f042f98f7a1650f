"""Where configs lie, for everything that needs a robot file without being the command line."""

import sys
import tomllib
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
        RobotFileError: there is no such file, or it is no TOML.
    """
    for folder in config_folders():
        path = folder / "robots" / f"{name}.toml"
        if path.is_file():
            try:
                return tomllib.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise RobotFileError(f"{path}: not valid TOML: {error}") from error
    known = sorted({p.stem for f in config_folders() for p in (f / "robots").glob("*.toml")})
    raise RobotFileError(f"no robot named {name!r}; there are: {', '.join(known) or 'none'}")
