"""The 0700 folder of one run: its sockets and its shared memory.

It lies on the shared-memory file system where there is one, so that a mapped file is memory and
nothing else. Its owner holds a lock on the folder itself, which the kernel lets go when the owner
dies, however it dies: neither a reused process id nor a crash can make a dead run look alive, so
the next start removes what an earlier crash left behind.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

SHARED_ROOT = Path("/dev/shm")  # noqa: S108 - tmpfs on every Linux; our folders in it are 0700
PREFIX = "reflexarc-"


def runs_root() -> Path:
    """Where run folders are made: memory where there is such a file system, else the disk."""
    return SHARED_ROOT if os.access(SHARED_ROOT, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


def is_memory(folder: Path) -> bool:
    """Whether files in ``folder`` are memory that processes may share without touching a disk."""
    return folder.is_relative_to(SHARED_ROOT)


class RunFolder:
    """A new folder, held by this process until it is closed."""

    def __init__(self, root: Path | None = None) -> None:
        root = runs_root() if root is None else root
        remove_stale(root)
        self._fd = -1
        while self._fd < 0:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))  # 0700; short, for ipc
            self._fd = _lock(self.path, fcntl.LOCK_EX)

    def close(self) -> None:
        """Removes the folder and all in it; views on its memory stay valid."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._fd)


def remove_stale(root: Path) -> list[Path]:
    """Removes the folders of runs whose owner is dead; returns them."""
    removed = []
    for folder in sorted(root.glob(f"{PREFIX}*")):
        fd = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if fd >= 0:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(fd)
            removed.append(folder)
    return removed


def _lock(folder: Path, how: int) -> int:
    """A descriptor that holds the folder's lock; -1 when it is not to be had.

    A folder that vanished between its making and its lock was taken for a dead run's by a start at
    the same moment.
    """
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # gone, not a folder, or another user's
        return -1
    try:
        fcntl.flock(fd, how)
    except BlockingIOError:
        os.close(fd)
        return -1
    if os.fstat(fd).st_nlink == 0 or os.fstat(fd).st_uid != os.getuid():
        os.close(fd)
        return -1
    return fd
