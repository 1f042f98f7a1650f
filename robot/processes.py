"""The processes of a run's nodes: started, heard, watched for their end, and all ended at last."""

import os
import signal
import subprocess
import sys
import threading
import time
from typing import IO

import msgspec
import zmq

from robot.executor import Show
from robot.launch import Launch

END_GRACE_S = 1.0  # for all processes together to end by themselves


class NodeProcesses:
    """One process per node; ends only what it has started."""

    def __init__(self, poller: zmq.Poller, show: Show) -> None:
        """Their ends will wake ``poller``: the kernel makes a descriptor of each readable."""
        self._poller = poller
        self._show = show
        self.by_name: dict[str, subprocess.Popen[bytes]] = {}
        """The newest process of each node."""
        self.started_s: dict[str, float] = {}
        self._pidfds: dict[int, str] = {}
        self._printers: list[threading.Thread] = []

    def start(self, launch: Launch) -> None:
        """Starts the process of one node; an earlier one of it has ended."""
        if launch.node in self.by_name:
            _close_streams(self.by_name[launch.node])
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "robot.worker"],  # -P: no folder here may shadow ours
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the supervisor; it ends the nodes in order
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        process.stdin.write(msgspec.json.encode(launch) + b"\n")
        process.stdin.flush()
        self.by_name[launch.node] = process
        self.started_s[launch.node] = time.monotonic()
        pidfd = os.pidfd_open(process.pid)
        self._pidfds[pidfd] = launch.node
        self._poller.register(pidfd, zmq.POLLIN)
        printer = threading.Thread(
            target=self._print, args=(launch.node, process.stdout), daemon=True
        )
        printer.start()
        self._printers.append(printer)

    def take_end(self, pidfd: int) -> str:
        """The node whose process has ended, as its descriptor told."""
        self._poller.unregister(pidfd)
        os.close(pidfd)
        return self._pidfds.pop(pidfd)

    def has_ended(self, name: str) -> bool:
        """Whether the end of a node's newest process has been taken."""
        return name not in self._pidfds.values()

    def exit_code(self, name: str) -> int:
        """Of a process whose end has been taken; below 0 the signal that killed it."""
        return self.by_name[name].wait()

    def kill(self, name: str) -> None:
        """Ends a process that would not end itself, also one that is stopped."""
        if self.by_name[name].poll() is None:
            os.killpg(self.by_name[name].pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends all that are left: their standard input closes, then comes SIGKILL."""
        grace = time.monotonic() + END_GRACE_S
        for process in self.by_name.values():
            if process.stdin is not None:
                process.stdin.close()
        for name, process in self.by_name.items():
            try:
                process.wait(max(0.05, grace - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.kill(name)
                process.wait()
        for printer in self._printers:
            printer.join(timeout=1.0)
        for process in self.by_name.values():
            _close_streams(process)
        for pidfd in self._pidfds:
            os.close(pidfd)

    def _print(self, name: str, stream: IO[bytes]) -> None:
        """Shows what a node prints, line by line, until it closes its output."""
        for line in stream:
            self._show(name, line.decode(errors="replace").rstrip("\n"))


def _close_streams(process: subprocess.Popen[bytes]) -> None:
    """Closes our ends of a process's pipes."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
