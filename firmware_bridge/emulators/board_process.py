"""The controller in Python as a process of its own, behind a pseudo-terminal: a board on a cable.

It stands in for the emulated chip where that is not installed. Whoever starts it has the plant's
wire; the host opens the pseudo-terminal as it would a serial port.

    python -m firmware_bridge.emulators.board_process OURS THEIRS PLANT

serves a board until its plant's wire ends: OURS and THEIRS are descriptors of the two ends of the
pseudo-terminal (the second is only kept open, or reading would fail whenever no host has it open),
PLANT is one of a socket.
"""

import os
import pty
import select
import socket
import subprocess
import sys
import time
import tty

from firmware_bridge.configuration import TICK_US
from firmware_bridge.emulators.board import Board
from firmware_bridge.emulators.controller import PythonBoard
from firmware_bridge.emulators.guarded import dies_with_us, how_it_ended
from firmware_bridge.errors import PortLostError
from firmware_bridge.port import DescribedPort, Port
from firmware_bridge.ports.stream import StreamPort
from firmware_bridge.protocol import Link

WAITING_BYTES = 4096  # for a reader that fetches nothing; what is more is lost, as at a UART


class BoardProcess:
    """A running board."""

    def __init__(self) -> None:
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        self._path = os.ttyname(theirs)
        here, there = socket.socketpair()
        descriptors = (ours, theirs, there.fileno())
        self._process = subprocess.Popen(
            [*dies_with_us(), sys.executable, "-m", __name__, *map(str, descriptors)],
            stdin=subprocess.DEVNULL,
            pass_fds=descriptors,
            start_new_session=True,  # Ctrl-C is for whoever started it
        )
        for descriptor in (ours, theirs):
            os.close(descriptor)
        there.close()
        self._plant = StreamPort(here.fileno(), "the emulated board's plant wire", here.close)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def address(self, link: Link) -> str:
        """Where the host's wire is, for `open_port`; the plant's has none."""
        assert link is Link.HOST  # noqa: S101 - the plant's wire is a socket without a name
        return self._path

    def port(self, link: Link) -> DescribedPort:
        """The plant's wire."""
        assert link is Link.PLANT  # noqa: S101 - the host opens its own
        return self._plant

    def ended(self) -> str | None:
        """How it ended, in words; None: it runs, though a wire may be closed."""
        return how_it_ended(self._process)

    def close(self) -> None:
        """Ends it. A second call does nothing."""
        self._plant.close()
        self._process.kill()
        self._process.wait()


class _Wire:
    """One wire of the board: a port, and what it has not taken yet."""

    def __init__(self, link: Link, port: Port) -> None:
        self._link, self._port = link, port
        self._waiting = bytearray()

    def exchange(self, board: Board, now_us: int) -> None:
        """Hands over what has come, and sends what the board has to say."""
        if data := self._port.read():
            board.receive(self._link, data, now_us)
        said = board.take(self._link)
        self._waiting += said[: WAITING_BYTES - len(self._waiting)]
        if self._waiting:
            del self._waiting[: self._port.write(bytes(self._waiting))]


def serve(ours: int, theirs: int, plant: int) -> None:
    """Runs a board by the clock until its plant's wire has ended."""
    board, began_ns = PythonBoard(), time.monotonic_ns()
    wires = [
        _Wire(Link.HOST, StreamPort(ours, "host wire", lambda: os.close(theirs))),
        _Wire(Link.PLANT, StreamPort(plant, "plant wire", lambda: None)),
    ]
    while True:
        now_us = (time.monotonic_ns() - began_ns) // 1000
        try:
            for wire in wires:
                wire.exchange(board, now_us)
            board.step(now_us)
            for wire in wires:
                wire.exchange(board, now_us)
        except PortLostError:
            return
        left_us = TICK_US - (time.monotonic_ns() - began_ns) // 1000 % TICK_US
        select.select([ours, plant], [], [], left_us / 1e6)


if __name__ == "__main__":
    serve(*map(int, sys.argv[1:]))
