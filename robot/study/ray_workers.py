"""A Ray cluster as workers of a study: the same processes, wherever Ray finds a free core.

A task of Ray starts the process that this machine would have started and hands on what it says,
line by line; so a cell is the same wherever it is measured, and a crash of a worker is no more than
a cell without a row. All machines must see the same folders, as on a shared disk. Without an
address in RAY_ADDRESS a cluster is begun on this machine. Ray listens on all interfaces whatever it
is told, so that cluster asks for a token that is drawn anew each time and never leaves this user.
"""

import logging
import os
import queue
import secrets
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from perception.quantities import InputError
from robot.study.processes import Process

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # otherwise it warns about accelerators
}
NO_METRICS: dict[str, Any] = {"_system_config": {"enable_metrics_collection": False}}  # a port less
WAIT_S = 0.2  # between two looks at whether a task is cancelled
LOST = -1  # exit code of a process that went down with its worker


class RayError(InputError):
    """A cluster that cannot be had."""


class RayWorkers:
    """Workers of a cluster; a context manager."""

    def __init__(self, jobs: int) -> None:
        """Joins the cluster of RAY_ADDRESS, or begins one with so many cores.

        Raises:
            RayError: Ray is not installed, or the cluster does not answer.
        """
        address = os.environ.get("RAY_ADDRESS")
        for name, value in (QUIET if address else {**QUIET, **_token()}).items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ModuleNotFoundError as error:
            raise RayError(
                f"--workers ray needs {error.name}: run 'pip install reflexarc[scale]', or measure "
                "with --workers processes"
            ) from error
        self._ray = ray
        own: dict[str, Any] = {"num_cpus": jobs, "include_dashboard": False, **NO_METRICS}
        try:
            ray.init(
                address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **({} if address else own),
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RayError(f"no Ray cluster at {address or 'this machine'}: {reason}") from error
        self._measure = ray.remote(num_cpus=1, max_retries=0)(_measure)

    def __enter__(self) -> "RayWorkers":
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the cluster; one that was begun here ends."""
        self._ray.shutdown()

    def start(
        self, command: Sequence[str], hear: Callable[[str], None], ended: Callable[[int], None]
    ) -> "Task":
        """A task, and a thread that listens to it."""
        lines = self._measure.remote([*command], str(Path.cwd()))
        return Task(self._ray, lines, hear, ended)


def _token() -> dict[str, str]:
    """What shuts everybody else out of a cluster that is begun here."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


class Task:
    """One process somewhere in the cluster."""

    def __init__(
        self, ray: Any, lines: Any, hear: Callable[[str], None], ended: Callable[[int], None]
    ) -> None:
        self._ray, self._lines = ray, lines
        self._thread = threading.Thread(target=self._listen, args=(hear, ended), daemon=True)
        self._thread.start()

    def interrupt(self) -> None:
        """Ctrl-C to the task, which hands it on."""
        self._ray.cancel(self._lines)

    def wait(self) -> None:
        """Its end."""
        self._thread.join()

    def _listen(self, hear: Callable[[str], None], ended: Callable[[int], None]) -> None:
        code = LOST
        try:
            for reference in self._lines:
                told = self._ray.get(reference)
                if isinstance(told, int):
                    code = told
                else:
                    hear(told)
        except self._ray.exceptions.RayError as error:
            hear(f"its worker was lost: {' '.join(str(error).split())[:200]}")
        ended(code)


def _measure(command: list[str], folder: str) -> Iterator[str | int]:
    """Runs the process in a worker of Ray: its lines, then its exit code.

    Ray's cancelling is seen between two steps of Python alone, so nothing here waits for long.
    """
    shut = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    process = Process(command, folder)  # would have inherited that Ray's workers hear no Ctrl-C
    signal.pthread_sigmask(signal.SIG_SETMASK, shut)
    said: queue.Queue[str | int] = queue.Queue()
    thread = threading.Thread(target=lambda: _listen(process, said), daemon=True)
    thread.start()
    try:
        while thread.is_alive() or not said.empty():
            try:
                yield said.get(timeout=WAIT_S)
            except queue.Empty:
                continue
    finally:  # also if the task is cancelled
        process.interrupt()
        process.wait()


def _listen(process: Process, said: "queue.Queue[str | int]") -> None:
    for line in process.lines():
        said.put(line)
    said.put(process.code())
