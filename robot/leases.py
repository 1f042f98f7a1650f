"""Who still reads a slot of shared memory, and how the writer hears that somebody let go.

A reader process announces itself by a file that it keeps locked as long as it lives; the kernel
lets go of the lock of a dead process, so its leases are found and taken back whatever killed it,
without trust in process ids. A release travels as one record through a named pipe.

Memory order: no word of shared memory is ever used as a flag. A slot changes hands through a
socket (writer to reader) or a pipe (reader to writer). Both are queues that the kernel guards with
locks, whose release and acquire order all loads and stores before the sending against all after
the receiving. That holds on arm64 as on x86, without a barrier of our own.
"""

import contextlib
import fcntl
import os
import secrets
import struct
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_RELEASE = struct.Struct("<QQ")  # tenant, use; shorter than PIPE_BUF, so never torn
_TENANT = struct.Struct("<Q")
_READ_BYTES = 65536


def _open_pipe(path: Path) -> int:
    """The named pipe, made by whoever comes first; opened both ways, so that no open waits."""
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def _pipe_path(folder: Path, ring: str) -> Path:
    return folder / f"{ring}.released"


def _tenant_path(folder: Path, edge: str) -> Path:
    return folder / f"{edge}.reader"


class Tenancy:
    """A reader's right to hold slots, alive until its last view is gone."""

    def __init__(self, folder: Path, ring: str, edge: str) -> None:
        self.tenant = secrets.randbits(63)
        lock = _claim(folder, edge, self.tenant)
        self._pipe = _open_pipe(_pipe_path(folder, ring))
        weakref.finalize(self, _close, lock, self._pipe).atexit = False

    def release(self, use: int) -> None:
        """Tells the writer that nothing here refers to this use of a slot any more."""
        os.write(self._pipe, _RELEASE.pack(self.tenant, use))


def _claim(folder: Path, edge: str, tenant: int) -> int:
    """Announces a reader; the file is locked and filled before it has its name."""
    unnamed = folder / f"{edge}.{tenant:016x}"
    lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, _TENANT.pack(tenant))
    unnamed.rename(_tenant_path(folder, edge))
    return lock


def _close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)


class _Tenant:
    """One reader process, as the writer knows it."""

    def __init__(self, number: int, lock: int) -> None:
        self.number = number
        self.lock = lock
        self.leases: Counter[int] = Counter()
        """Leases by use."""

    def is_dead(self) -> bool:
        """Whether its process let go of its lock, which it does only by dying or by having read."""
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class LeaseBook:
    """The writer's account of who holds what of one ring."""

    def __init__(self, folder: Path, ring: str, edges: list[str]) -> None:
        self._pipe = _open_pipe(_pipe_path(folder, ring))
        self._tenants: dict[int, _Tenant] = {}
        self._paths = {edge: str(_tenant_path(folder, edge)) for edge in edges}
        self._seen: dict[str, tuple[int, int]] = {}
        """Inode and time of each edge's reader's file."""
        self._current: dict[str, int] = {}
        """The tenant of each edge."""

    def tenant(self, edge: str) -> int:
        """The reader that listens on an edge now; 0 while there is none."""
        path = self._paths[edge]
        try:
            found = os.stat(path)  # noqa: PTH116 - on the way of every large array
        except FileNotFoundError:
            return 0
        stamp = (found.st_ino, found.st_mtime_ns)
        if stamp != self._seen.get(edge):
            self._seen[edge], self._current[edge] = stamp, self._welcome(path)
        tenant = self._current[edge]
        return tenant if tenant in self._tenants else 0

    def _welcome(self, path: str) -> int:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        (number,) = _TENANT.unpack(os.pread(lock, _TENANT.size, 0))
        self._tenants[number] = _Tenant(number, lock)
        return number

    def held(self, tenant: int) -> int:
        """How many leases a reader has."""
        return self._tenants[tenant].leases.total()

    def lease(self, tenant: int, use: int) -> None:
        """Notes that a reader is about to hear of a slot."""
        self._tenants[tenant].leases[use] += 1

    def take_back(self, tenant: int, use: int) -> bool:
        """Ends one lease; False where there is no such lease."""
        known = self._tenants.get(tenant)
        if known is None or not known.leases[use]:
            return False
        known.leases[use] -= 1
        if not known.leases[use]:
            del known.leases[use]
        return True

    def released(self) -> Iterator[int]:
        """The uses of all leases that ended since the last call, one by one."""
        try:
            records = os.read(self._pipe, _READ_BYTES)
        except BlockingIOError:
            return
        for tenant, use in _RELEASE.iter_unpack(records):
            if self.take_back(tenant, use):
                yield use

    def reclaimed(self) -> Iterator[int]:
        """The uses of all leases of readers that have died, one by one."""
        for tenant in [t for t in self._tenants.values() if t.is_dead()]:
            del self._tenants[tenant.number]
            os.close(tenant.lock)
            yield from tenant.leases.elements()

    def close(self) -> None:
        """Lets go of pipe and files."""
        _close(self._pipe, *(tenant.lock for tenant in self._tenants.values()))
        self._tenants.clear()
