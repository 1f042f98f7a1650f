"""Writes a file whole or not at all, whenever the power goes or the disk is full.

The bytes go to a hidden file beside it, wait for the disk and take its name in one step of the file
system. The folder is synced too: until then the name itself can be lost with the power.
"""

import os
import tempfile
from pathlib import Path

READABLE = 0o644  # mkstemp's 0600 would shut out the robot's own user


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces the file at `path`; a reader sees the old content or the new.

    A killed writer can leave its hidden file, named `.NAME.` and chance, which nobody reads.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(READABLE)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
