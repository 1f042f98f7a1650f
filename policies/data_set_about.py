"""What the episodes of a data set have in common: its `dataset.json`, and how two of them differ.

The vectors of the instructions are in it: who learns, and the robot, need no encoder.
"""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from perception.goal import Goal
from perception.quantities import InputError
from policies.spec import PolicySpec
from policies.spec_difference import spec_difference

FORMAT_VERSION = 1
ABOUT_FILE = "dataset.json"
HASH_DIGITS = 12  # shown to a person


class DataSetError(InputError):
    """A folder that is no data set, or one of another robot, task, spec or recipe."""


class RobotAbout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose episodes they are."""

    name: str
    limits_sha256: str  # of its limits, see `hash_of`


class DataSetAbout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all episodes of a data set have in common."""

    format_version: int = FORMAT_VERSION
    robot: RobotAbout
    spec: PolicySpec  # observation without the instruction
    tasks: dict[str, tuple[Goal, ...]]  # goals by task
    encoder: str  # what made the vectors
    instructions: dict[str, list[float]]  # vector by text
    recipe: dict[str, Any]  # what was asked for
    seed: int

    @property
    def recipe_sha256(self) -> str:
        """Of the recipe, for the tables of results."""
        return hash_of(self.recipe)

    def instruction(self, text: str) -> NDArray[np.float32]:
        """The vector (D,) of an instruction.

        Raises:
            DataSetError: the data set knows no such text; lists those it knows.
        """
        if text not in self.instructions:
            known = ", ".join(map(repr, self.instructions))
            raise DataSetError(f"no vector for the instruction {text!r}; there are: {known}")
        return np.array(self.instructions[text], np.float32)

    def difference(self, wanted: "DataSetAbout") -> str | None:
        """In which way this is another data set, as "FOUND and not WANTED"; None: it is not."""
        if self.robot.name != wanted.robot.name:
            return f"the robot {self.robot.name!r} and not {wanted.robot.name!r}"
        if self.robot.limits_sha256 != wanted.robot.limits_sha256:
            shas = [robot.limits_sha256[:HASH_DIGITS] for robot in (self.robot, wanted.robot)]
            return f"other limits of {self.robot.name!r} ({shas[0]} and not {shas[1]})"
        if different := spec_difference(self.spec, wanted.spec):
            return different
        for task in {**self.tasks, **wanted.tasks}:
            if self.tasks.get(task) != wanted.tasks.get(task):
                goals = [goals_text(about.tasks.get(task)) for about in (self, wanted)]
                return f"of task {task!r} {goals[0]} and not {goals[1]}"
        if self.encoder != wanted.encoder:
            return f"vectors of the encoder {self.encoder!r} and not {wanted.encoder!r}"
        return _first_difference("recipe", self.recipe, wanted.recipe)


def hash_of(table: Any) -> str:
    """sha256, hex, of JSON values; the order of keys does not count."""
    return hashlib.sha256(msgspec.json.encode(table, order="deterministic")).hexdigest()


def robot_about(name: str, limits: Limits) -> RobotAbout:
    """A robot by its name and the limits that its episodes were made within."""
    return RobotAbout(name, hash_of(limits.as_table()))


class _Version(msgspec.Struct):
    format_version: int


def read_data_set_about(folder: Path) -> DataSetAbout:
    """What the data set in a folder is.

    Raises:
        DataSetError: no such folder, no data set, one of another version, or malformed.
    """
    path = folder / ABOUT_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataSetError(
            f"{folder} is no data set: {ABOUT_FILE} cannot be read ({error.strerror}); "
            "'reflexarc collect' makes one"
        ) from error
    try:
        version = msgspec.json.decode(content, type=_Version).format_version
        if version != FORMAT_VERSION:
            raise DataSetError(f"{path} has format {version}; this version reads {FORMAT_VERSION}")
        return msgspec.json.decode(content, type=DataSetAbout)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise DataSetError(f"{path} is malformed: {error}") from error


def goals_text(goals: tuple[Goal, ...] | None) -> str:
    """Goals of a task for a message; None: it is not there."""
    if goals is None:
        return "no goals"
    return "goals " + ", ".join(f"{n} {goal.text!r}" for n, goal in enumerate(goals))


def _first_difference(name: str, found: Any, wanted: Any) -> str | None:
    """The first place at which two JSON values differ."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = {**found, **wanted}
        parts = [_first_difference(f"{name}.{k}", found.get(k), wanted.get(k)) for k in keys]
        return next(filter(None, parts), None)
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        pairs = enumerate(zip(found, wanted, strict=True))
        parts = [_first_difference(f"{name}[{n}]", *pair) for n, pair in pairs]
        return next(filter(None, parts), None)
    return None if found == wanted else f"{name} = {found!r} and not {wanted!r}"
