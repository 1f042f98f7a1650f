"""Weights on their way from a node that learns to one that acts.

They are opened and tried beside the work of the one that acts, and handed over when sound.

By wall clock a thread does it, and the newest announcement that waits replaces an older one, so
that neither a slow disk nor a burst of packages holds up a frame. In lockstep it happens at once,
in the step that was told of them: then the tick at which they apply is the same in every run.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from perception.quantities import InputError
from robot.messages import Weights

T = TypeVar("T")

FOLDER = "weights"  # in a run's folder


class WeightsFolder:
    """Where a learner leaves its packages: the newest of its run, older ones go."""

    def __init__(self, run_dir: Path | None, most: int) -> None:
        """Makes nothing yet.

        Args:
            run_dir: of the run; None: it has none.
            most: packages that are kept.
        """
        self._run_dir = run_dir
        self._most = most
        self._written: deque[Path] = deque()

    def path(self, name: str) -> Path:
        """Where a file of this name goes; makes the folder.

        Raises:
            InputError: the run has no folder.
            OSError: it cannot be made.
        """
        if self._run_dir is None:
            raise InputError("a run without a folder has no place for weights; give --out FOLDER")
        folder = self._run_dir / FOLDER
        folder.mkdir(exist_ok=True)
        return folder / name

    def keep(self, path: Path) -> str:
        """Notes a package that was written, drops the oldest; returns the path to announce."""
        self._written.append(path)
        while len(self._written) > self._most:
            old = self._written.popleft()
            for gone in (old, old.with_name(f"{old.name}.sha256")):
                gone.unlink(missing_ok=True)
        return f"{FOLDER}/{path.name}"


class Opened(NamedTuple, Generic[T]):
    """What became of one announcement."""

    weights: Weights
    item: T | None
    """None: refused."""
    fault: str
    """Why it was refused."""


class WeightsOpener(Generic[T]):
    """Opens announced packages, one at a time."""

    def __init__(self, open_item: Callable[[Weights], T], *, background: bool) -> None:
        """Nothing is opened yet.

        Args:
            open_item: opens and tries a package; raises InputError if it is unsound.
            background: on a thread; else within ``submit``.
        """
        self._open_item = open_item
        self._executor = ThreadPoolExecutor(1, "weights") if background else None
        self._running: Future[Opened[T]] | None = None
        self._waiting: Weights | None = None
        self._done: Opened[T] | None = None

    def submit(self, weights: Weights) -> None:
        """Notes an announcement; it replaces one that still waits."""
        if self._executor is None:
            self._done = self._open(weights)
            return
        self._waiting = weights
        self._go_on(self._executor)

    def take(self) -> Opened[T] | None:
        """What is finished, once; never waits."""
        if self._executor is not None and self._running is not None and self._running.done():
            self._done, self._running = self._running.result(), None
            self._go_on(self._executor)
        done, self._done = self._done, None
        return done

    def close(self) -> None:
        """Waits for the package under way, if any."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def _go_on(self, executor: ThreadPoolExecutor) -> None:
        if self._running is None and self._waiting is not None:
            self._running = executor.submit(self._open, self._waiting)
            self._waiting = None

    def _open(self, weights: Weights) -> Opened[T]:
        try:
            return Opened(weights, self._open_item(weights), "")
        except InputError as error:
            return Opened(weights, None, str(error))


def announced_path(run_dir: Path | None, weights: Weights) -> Path:
    """Where an announced package lies.

    Raises:
        InputError: the run has no folder, or the path leads out of it.
    """
    if run_dir is None:
        raise InputError("a run without a folder has no place for weights; give --out FOLDER")
    path = (run_dir / weights.path).resolve()
    if not path.is_relative_to(run_dir.resolve()):
        raise InputError(f"weights at {weights.path!r} lie outside of the run's folder")
    return path
