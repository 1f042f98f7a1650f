"""Which runs are going on: a small folder per run in the user's own runtime folder.

A folder of files, not a daemon and not a port: nothing to start, nobody else can read it, and what
a killed run leaves behind is told by its dead process and removed by whoever looks next.
"""

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from perception.quantities import InputError

_ENTRY = "run.json"


class RuntimeFolderError(InputError):
    """The user's runtime folder is not the user's alone."""


class NoRunError(InputError):
    """No such run is going on."""


class RunEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One run that is going on."""

    graph: str
    pid: int
    started_ticks: int
    """When the kernel started the process: tells it from a later one of the same number."""
    run_dir: str | None
    folder: str
    """The run's 0700 folder, which holds its control socket."""

    @property
    def alive(self) -> bool:
        """Whether the process that wrote this still runs."""
        return _started_ticks(self.pid) == self.started_ticks


def runtime_folder() -> Path:
    """The user's folder of runs, made if need be, closed to everybody else.

    Raises:
        RuntimeFolderError: somebody else owns it or may look into it.
    """
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if base and os.access(base, os.W_OK | os.X_OK):
        folder = Path(base) / "reflexarc"
    else:
        folder = Path(tempfile.gettempdir()) / f"reflexarc-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise RuntimeFolderError(
            f"{folder}: must be a folder of your own with mode 0700, as it holds the control "
            f"sockets of your runs; remove it, or chmod 700 it if it is yours"
        )
    return folder


@contextmanager
def registered(graph: str, run_dir: Path | None) -> Iterator[Path]:
    """Lists this process's run while it lasts; yields the run's 0700 folder for its sockets."""
    remove_stale()
    folder = runtime_folder() / f"{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    entry = RunEntry(
        graph=graph,
        pid=os.getpid(),
        started_ticks=_started_ticks(os.getpid()) or 0,
        run_dir=str(run_dir.resolve()) if run_dir else None,
        folder=str(folder),
    )
    try:
        unfinished = folder / f"{_ENTRY}.new"
        unfinished.write_bytes(msgspec.json.encode(entry))
        unfinished.rename(folder / _ENTRY)  # a reader sees all of it or nothing
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def running() -> list[RunEntry]:
    """The runs of this user that are going on, the oldest first."""
    entries = [entry for entry in map(_read, runtime_folder().iterdir()) if entry is not None]
    return sorted((e for e in entries if e.alive), key=lambda e: (e.started_ticks, e.folder))


def remove_stale() -> None:
    """Removes what runs left behind that were killed."""
    for folder in runtime_folder().iterdir():
        pid, _, _ = folder.name.partition("-")
        entry = _read(folder)
        dead = not entry.alive if entry else pid.isdigit() and _started_ticks(int(pid)) is None
        if dead:
            shutil.rmtree(folder, ignore_errors=True)


def find_run(which: str | None) -> RunEntry:
    """The run that a process number, a graph or a run folder stands for; None: the only one.

    Raises:
        NoRunError: none fits, or more than one does; the line lists those there are.
    """
    remove_stale()
    entries = running()
    if not entries:
        raise NoRunError("no run is going on; start one with reflexarc run GRAPH")
    fitting = [entry for entry in entries if which is None or _fits(entry, which)]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"{entry.pid} ({entry.graph})" for entry in fitting or entries)
    if fitting:
        raise NoRunError(f"{len(fitting)} runs are going on; name one by its number: {listed}")
    raise NoRunError(f"no run {which!r} is going on; there are: {listed}")


def _fits(entry: RunEntry, which: str) -> bool:
    if which in (str(entry.pid), entry.graph):
        return True
    return entry.run_dir is not None and Path(which).resolve() == Path(entry.run_dir)


def _read(folder: Path) -> RunEntry | None:
    """The entry in a run's folder; None where there is none, or none that we wrote."""
    try:
        return msgspec.json.decode((folder / _ENTRY).read_bytes(), type=RunEntry)
    except (OSError, msgspec.DecodeError):
        return None


def _started_ticks(pid: int) -> int | None:
    """When a process was started, in the kernel's ticks since boot; None: there is none."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] == "Z" else int(after_name[19])
