"""Processes of this machine as workers of a study, by the standard library alone.

One thread each, because many threads on few cores wait for each other, and because on one thread
equal seeds give equal lives.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence

END_S = 20.0  # that an interrupted process may take to end
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


class Process:
    """A process of its own session: Ctrl-C at the terminal reaches us, and we tell it."""

    def __init__(self, command: Sequence[str], folder: str | None = None) -> None:
        """Starts it; standard error goes where standard output does.

        Args:
            command: the program and its arguments.
            folder: in which it runs; None: that of this process.
        """
        self._process = subprocess.Popen(
            [*command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,
        )

    def lines(self) -> Iterator[str]:
        """What it says, until its last word."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with self._process.stdout as lines:
            for line in lines:  # noqa: UP028 - a file cannot be thrown an interrupt, this can
                yield line

    def code(self) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def wait(self) -> None:
        """Its end, which is made after a while."""
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Processes:
    """Workers on this machine."""

    def start(
        self, command: Sequence[str], hear: Callable[[str], None], ended: Callable[[int], None]
    ) -> Process:
        """A process, and a thread that listens to it."""
        process = Process(command)

        def listen() -> None:
            for line in process.lines():
                hear(line)
            ended(process.code())

        threading.Thread(target=listen, daemon=True).start()
        return process
