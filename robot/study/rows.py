"""Rows of a study on disk: one small JSON file per finished cell, whole or not there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from perception.quantities import InputError

Row = dict[str, Any]


class Named(Protocol):
    """A measurement of some study."""

    @property
    def name(self) -> str:
        """Of its row; no other cell of the study has it."""
        ...


class RowError(InputError):
    """A row that was measured differently, or is none."""


def row_path(folder: Path, cell: Named) -> Path:
    """Where a cell's row is kept."""
    return folder / f"{cell.name}.json"


def write_row(folder: Path, cell: Named, row: Row) -> None:
    """Writes it at once; a reader sees all of it or nothing, whenever this is interrupted.

    Raises:
        RowError: there is no place for it.
    """
    text = json.dumps(row, indent=1, allow_nan=False) + "\n"
    path = row_path(folder, cell)
    new = path.with_suffix(".new")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new.write_text(text)
        new.replace(path)
    except OSError as error:
        raise RowError(f"{path} cannot be written: {error.strerror}") from error


def is_finished(folder: Path, cell: Named, config_hash: str, *, again: bool = False) -> bool:
    """Whether a cell has a row of this configuration; with `again` none counts.

    Raises:
        RowError: its row is of another configuration, or no row.
    """
    path = row_path(folder, cell)
    if again or not path.is_file():
        return False
    found = _read(path).get("config_hash")
    if found != config_hash:
        raise RowError(
            f"{path} was measured with configuration {found}, now it is {config_hash}; "
            "measure it anew with --again, or give other --rows"
        )
    return True


def read_rows(folder: Path) -> list[Row]:
    """All rows of a folder, in the order of their names.

    Raises:
        RowError: a file that is no row.
    """
    return list(_rows(folder))


def _rows(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob("*.json")):
        yield _read(path)


def _read(path: Path) -> Row:
    try:
        row = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise RowError(f"{path} is no row of a study ({error}); remove it") from error
    if not isinstance(row, dict) or "config_hash" not in row:
        raise RowError(f"{path} is no row of a study: it has no config_hash; remove it")
    return row
