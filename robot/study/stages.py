"""What is made before the runs of a grid can begin, by command lines that a person could type.

    [prepare]
    shown = "collect {task} --episodes 50 --after 5 --seed {seed} --out {shown}"
    eyes = "export features {shown} --package {eyes}/features.onnx --out {eyes}/data"

A stage is a name and what stands after `reflexarc`. {NAME} is the folder that a stage fills, its
own or that of one above it; {task} and {seed} are those of the run. The folder's name ends in the
hash of the command and of those whose folders it reads, so a command that is changed makes another
folder beside the old one, and so do all that read it.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from perception.quantities import InputError
from policies.data_set_about import hash_of

PLACE = re.compile(r"\{(\w+)\}")
TASK, SEED = "task", "seed"
VERBS = ("collect", "train", "export", "finetune")
DIGITS = 12  # of a hash in a folder's name


class StageError(InputError):
    """Stages that cannot be."""


class Stages(NamedTuple):
    """Those of one task and seed."""

    commands: Mapping[str, str]
    task: str
    seed: int
    root: Path  # in which each task and seed has a folder

    @property
    def folder(self) -> Path:
        """Of all that is made for this task and seed."""
        return self.root / f"{self.task}-{self.seed:04d}"

    def made_from(self, name: str) -> str:
        """Hash of all that a stage hangs on, except the code; its folder ends in its beginning."""
        command = self.commands[name]
        told = PLACE.sub(lambda m: self._said().get(m[1], m[0]), command)
        return hash_of([told, {one: self.made_from(one) for one in self._reads(name)}])

    def token(self, name: str) -> str:
        """Name of the folder of a stage."""
        return f"{name}-{self.made_from(name)[:DIGITS]}"

    def path(self, name: str) -> Path:
        """The folder of a stage."""
        return self.folder / self.token(name)

    def words(self, name: str) -> list[str]:
        """What stands after `reflexarc`."""
        return [self.filled(word) for word in shlex.split(self.commands[name])]

    def filled(self, text: str) -> str:
        """A text with folders, task and seed in their places."""
        return PLACE.sub(lambda m: self._said().get(m[1]) or str(self.path(m[1])), text)

    def needed(self, value: Any) -> list[str]:
        """The stages that a value with places stands on, and those that these read, in order."""
        wanted = set(places(value)) - {TASK, SEED}
        for name in reversed([*self.commands]):
            if name in wanted:
                wanted.update(self._reads(name))
        return [name for name in self.commands if name in wanted]

    def _reads(self, name: str) -> list[str]:
        return [one for one in places(self.commands[name]) if one not in (TASK, SEED, name)]

    def _said(self) -> dict[str, str]:
        return {TASK: self.task, SEED: str(self.seed)}


def spelled_out(commands: Mapping[str, str], words: Mapping[str, str]) -> dict[str, str]:
    """Commands in which the texts that they share stand for their names.

    Raises:
        StageError: a text has the name of a stage, of the task or of the seed; no command says it.
    """
    said = set(places(commands))
    for name in words:
        if name in (TASK, SEED, *commands):
            raise StageError(f"[words] {name}: {{{name}}} is something else; choose another name")
        if name not in said:
            raise StageError(f"[words] {name}: no command of [prepare] says {{{name}}}")
    return replaced(commands, lambda text: PLACE.sub(lambda m: words.get(m[1], m[0]), text))


def check_stages(commands: Mapping[str, str], values: Iterable[Any]) -> None:
    """Passes if stages read what was made before them, and values stand on stages that there are.

    Raises:
        StageError: the first that does not.
    """
    known = [TASK, SEED]
    for name, command in commands.items():
        if name in known:
            raise StageError(
                f"[prepare] {name}: {{{name}}} is that of the run; choose another name"
            )
        known.append(name)
        if (verb := command.partition(" ")[0]) not in VERBS:
            raise StageError(
                f"[prepare] {name}: no stage begins with {verb!r}; {', '.join(VERBS)} do"
            )
        if f"{{{name}}}" not in command:
            raise StageError(f"[prepare] {name}: it must write to its folder, {{{name}}}")
        _refuse_unknown(f"[prepare] {name}", command, known)
    for value in values:
        _refuse_unknown("a method", value, known)


def places(value: Any) -> list[str]:
    """Names in braces in all texts of a value of tables and lists."""
    found: dict[str, None] = {}

    def look(text: str) -> str:
        found.update(dict.fromkeys(PLACE.findall(text)))
        return text

    replaced(value, look)
    return [*found]


def replaced(value: Any, of: Callable[[str], str]) -> Any:
    """A value of tables and lists in which each text is another."""
    if isinstance(value, str):
        return of(value)
    if isinstance(value, Mapping):
        return {key: replaced(one, of) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [replaced(one, of) for one in value]
    return value


def _refuse_unknown(where: str, value: Any, known: list[str]) -> None:
    for name in places(value):
        if name not in known:
            raise StageError(
                f"{where}: {{{name}}} is not made before it; there are: {', '.join(known)}"
            )
