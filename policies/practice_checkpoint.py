"""Where a practice run stands, on disk: whole or not there, so that a crash costs minutes.

    checkpoints/
      latest                 "step_00010000", replaced in one move
      step_00010000/
        state.json           counts, goals, chance: nested JSON, arrays by number
        arrays.npz           those arrays
        learner, online.npz, offline.npz     as the learner and its buffers write them

A folder is complete before `latest` names it, and the one before is removed after. Nothing in it is
ever unpickled.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from perception.quantities import InputError

FORMAT_VERSION = 1
ARRAY = "__array__"  # key of the object that stands for an array, its value the number
LATEST = "latest"


class PracticeCheckpointError(InputError):
    """A checkpoint that is damaged, of another run or version, or a state that none can hold."""


def write_checkpoint(
    folder: Path, step: int, state: Any, write_rest: Callable[[Path], None]
) -> None:
    """Writes a checkpoint and makes it the latest.

    Args:
        folder: of the checkpoints; made if there is none.
        step: names it.
        state: JSON values and arrays, nested.
        write_rest: called with the new folder, writes what has a file of its own.

    Raises:
        PracticeCheckpointError: a value that is neither.
    """
    new = folder / f"step_{step:08d}"
    shutil.rmtree(new, ignore_errors=True)  # of a run that died here
    new.mkdir(parents=True)
    arrays: list[NDArray[Any]] = []
    text = json.dumps({"format_version": FORMAT_VERSION, "state": _without(state, arrays)})
    (new / "state.json").write_text(text)
    np.savez(
        new / "arrays.npz",
        allow_pickle=False,
        **{str(number): array for number, array in enumerate(arrays)},
    )
    write_rest(new)
    unnamed = folder / f".{LATEST}"
    unnamed.write_text(new.name)
    unnamed.replace(folder / LATEST)
    for old in folder.glob("step_*"):
        if old != new:
            shutil.rmtree(old)


def latest_checkpoint(folder: Path) -> Path | None:
    """The folder of the newest complete checkpoint; None if there is none."""
    name = folder / LATEST
    return folder / name.read_text() if name.is_file() else None


def read_state(checkpoint: Path) -> Any:
    """What `write_checkpoint` was given.

    Raises:
        PracticeCheckpointError: it is missing, damaged or of another version.
    """
    try:
        with (checkpoint / "arrays.npz").open("rb") as stream:  # np.load leaks what it cannot read
            arrays = dict(np.load(stream, allow_pickle=False))
        content = json.loads((checkpoint / "state.json").read_text())
        version = content["format_version"]
        if version == FORMAT_VERSION:
            return _with(content["state"], arrays)
    except (OSError, KeyError, ValueError, TypeError, BadZipFile, EOFError) as error:
        raise PracticeCheckpointError(
            f"{checkpoint} cannot be read as a checkpoint ({error}); begin anew in another folder"
        ) from error
    raise PracticeCheckpointError(
        f"{checkpoint} has format {version}; this version reads {FORMAT_VERSION}: begin anew"
    )


def _without(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """The value with numbers in place of arrays, which are appended."""
    match value:
        case np.ndarray():
            arrays.append(value)
            return {ARRAY: len(arrays) - 1}
        case dict():
            return {str(key): _without(part, arrays) for key, part in value.items()}
        case list() | tuple():
            return [_without(part, arrays) for part in value]
        case np.generic():
            return value.item()
        case bool() | int() | float() | str() | None:
            return value
    raise PracticeCheckpointError(
        f"a checkpoint holds no {type(value).__name__}; give arrays, numbers, text, lists or dicts"
    )


def _with(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """The reverse; tuples come back as lists."""
    match value:
        case dict() if ARRAY in value:
            return arrays[str(value[ARRAY])]
        case dict():
            return {key: _with(part, arrays) for key, part in value.items()}
        case list():
            return [_with(part, arrays) for part in value]
    return value
