"""Faults on the wire between a host and a board that runs: a cable with a fault in it.

It offers the host a pseudo-terminal and hands on what passes. Only a run that asks for such faults
has it in its way: it adds the time between two steps, each way.
"""

from collections.abc import Sequence

from firmware_bridge.emulators.faults import Fault, FaultLine, Place
from firmware_bridge.port import DescribedPort, Port
from firmware_bridge.ports.pty_port import PtyPort

WAITING_BYTES = 4096  # that the reader has not fetched; what is more is lost


class FaultyLink:
    """One cable; `address` is the host's end."""

    def __init__(self, board: DescribedPort, faults: Sequence[Fault], seed: int = 0) -> None:
        """Takes over the board's end, and makes the host's."""
        self._host, self._board = PtyPort(), board
        self.address = self._host.path
        self.ports = (self._host, self._board)
        """To wait for bytes with `select`."""
        self._ways = (
            _Way(self._host, self._board, FaultLine(Place.LINK, faults, seed)),
            _Way(self._board, self._host, FaultLine(Place.LINK, faults, seed + 1)),
        )

    def step(self, now_us: int) -> None:
        """Hands on what came; to be called every few milliseconds.

        Raises:
            PortLostError: the board is gone.
        """
        for way in self._ways:
            way.step(now_us)

    def close(self) -> None:
        """Lets go of both ends."""
        self._host.close()
        self._board.close()


class _Way:
    """One direction."""

    def __init__(self, source: Port, target: Port, line: FaultLine) -> None:
        self._source, self._target, self._line = source, target, line
        self._waiting = bytearray()

    def step(self, now_us: int) -> None:
        for data in self._line.passes(self._source.read(), now_us):
            self._waiting += data[: WAITING_BYTES - len(self._waiting)]
        if self._waiting:
            del self._waiting[: self._target.write(bytes(self._waiting))]
