"""The 0700 folder of a run's sockets and counters, and the removal of those nobody owns any more.

The supervisor holds a lock on a file in it. The kernel lets go of the lock when the process dies,
however it dies, so a folder whose lock can be taken was left behind by a supervisor that was
killed. A number of the process would need more care: it is soon given to another one.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

PREFIX = "reflexarc-"
OWNER_FILE = "owner"


def make_socket_folder() -> tuple[Path, IO[bytes]]:
    """A new folder, and the locked file that marks it as owned until it is closed."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # 0700; short, as ipc needs it
    marked = folder / f"{OWNER_FILE}.new"
    owner = marked.open("xb")
    owner.write(f"{os.getpid()}\n".encode())
    owner.flush()
    fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    marked.rename(folder / OWNER_FILE)  # never visible under this name without its lock
    return folder, owner


def remove_stale_folders() -> list[Path]:
    """Removes folders of supervisors that were killed; returns them."""
    stale = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or removed by another start just now
            if folder.stat().st_uid == os.getuid() and _is_abandoned(folder):
                shutil.rmtree(folder)
                stale.append(folder)
    return stale


def _is_abandoned(folder: Path) -> bool:
    """Whether the folder has an owner's file that nobody holds.

    Raises:
        OSError: there is no such file.
    """
    with (folder / OWNER_FILE).open("rb") as owner:
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
