"""Finds and reads the TOML files of ``configs/``, and turns tables into typed configs.

Every key must be known: a mistyped parameter that is silently ignored costs a flight.
"""

import contextlib
import dataclasses
import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from firmware_bridge.axis_limits import Limits
from firmware_bridge.errors import BridgeInputError
from firmware_bridge.robot_files import config_folders, with_extended
from firmware_bridge.tool_control import ArmDescription
from perception.calibration import StereoRig, read_small_text, rig_from_table
from perception.quantities import InputError
from perception.tables import DataclassInstance

T = TypeVar("T", bound=DataclassInstance)
R = TypeVar("R")

USER_ERRORS = (InputError, BridgeInputError)
"""What a user's input can cause: one line, exit code 2."""

ROBOT_SECTIONS = ("limits", "rig", "body", "joints", "tool", "link")


def list_configs(kind: str) -> dict[str, Path]:
    """Files of ``configs/<kind>/`` by name; the nearest folder wins."""
    found: dict[str, Path] = {}
    for folder in config_folders():
        for path in sorted((folder / kind).glob("*.toml")):
            found.setdefault(path.stem, path)
    return found


def find_config(kind: str, name_or_path: str) -> Path:
    """The file that a name under ``configs/<kind>/`` or a path stands for.

    Raises:
        InputError: there is no such file; the line lists the names there are.
    """
    known = list_configs(kind)
    if name_or_path in known:
        return known[name_or_path]
    path = Path(name_or_path)
    with contextlib.suppress(OSError):  # a name that is too long for a file
        if path.suffix == ".toml" and path.is_file():
            return path
    names = ", ".join(known) or "none"
    one = "study" if kind == "studies" else kind.removesuffix("s")
    raise InputError(f"no {one} named {name_or_path!r} and no such .toml file; there are: {names}")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: unreadable, or no TOML; the line gives the place.
    """
    try:
        return tomllib.loads(read_small_text(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # also no UTF-8, and endless numbers or nesting
        raise InputError(f"{path}: not valid TOML: {error}") from error


def refuse_unknown(where: str, given: Iterable[str], valid: Iterable[str]) -> None:
    """Raises an InputError for the first key that is not among the valid ones."""
    valid = list(valid)
    for key in given:
        if key not in valid:
            near = difflib.get_close_matches(key, valid, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise InputError(
                f"{where}: unknown key {key!r}{hint}; valid: {', '.join(valid) or 'none'}"
            )


def to_config(where: str, table: Mapping[str, Any], kind: type[T]) -> T:
    """A frozen config dataclass from a TOML table.

    Raises:
        InputError: unknown or missing key, or a value of the wrong type.
    """
    fields = [f for f in dataclasses.fields(kind) if f.init]
    refuse_unknown(where, table, [f.name for f in fields])
    for name, hint in get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint) and isinstance(table.get(name), Mapping):
            known = [f.name for f in dataclasses.fields(hint)]
            refuse_unknown(f"{where}: {name}", table[name], known)
    try:
        return msgspec.convert(dict(table), kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {error}") from error
    except ValueError as error:  # a dataclass's own __post_init__
        raise InputError(f"{where}: {error}") from error


@dataclass(frozen=True)
class RobotConfig:
    """One robot's TOML; each section is parsed by the library that owns it."""

    name: str
    path: Path
    tables: Mapping[str, Mapping[str, Any]]

    def table(self, section: str) -> Mapping[str, Any]:
        """One section as written.

        Raises:
            InputError: the robot has no such section.
        """
        if section not in self.tables:
            raise InputError(f"{self.path}: section [{section}] is missing")
        return self.tables[section]

    @cached_property
    def limits(self) -> Limits:
        """Axes of a command, their ranges and slew."""
        return self._parsed("limits", Limits.from_table)

    @cached_property
    def rig(self) -> StereoRig:
        """The stereo camera."""
        return self._parsed("rig", rig_from_table)

    @cached_property
    def arm(self) -> ArmDescription:
        """Joints, tool and limits of an arm.

        Raises:
            InputError: the robot is no arm, or one of these sections is wrong.
        """
        try:
            return ArmDescription.from_robot(self.tables)
        except USER_ERRORS as error:
            raise InputError(f"{self.path}: {error}") from error

    def _parsed(self, section: str, parse: Callable[[Mapping[str, Any]], R]) -> R:
        """A section as the library that owns it reads it.

        Raises:
            InputError: it is missing or wrong; the line begins with the file.
        """
        table = self.table(section)
        try:
            return parse(table)
        except USER_ERRORS as error:
            raise InputError(f"{self.path}: {error}") from error


def load_robot(name_or_path: str) -> RobotConfig:
    """Reads a robot by its name under ``configs/robots/`` or by path.

    Raises:
        InputError: no such robot, no TOML, an unknown section, or the same of what it extends.
    """
    path = find_config("robots", name_or_path)
    try:
        tables = with_extended(read_toml(path), lambda name: read_toml(find_config("robots", name)))
    except BridgeInputError as error:
        raise InputError(f"{path}: {error}") from error
    refuse_unknown(str(path), tables, ("description", *ROBOT_SECTIONS))
    return RobotConfig(path.stem, path, {k: tables[k] for k in ROBOT_SECTIONS if k in tables})
