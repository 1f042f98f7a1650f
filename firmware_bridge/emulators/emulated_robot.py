"""A whole robot that is not there: a controller, its actuators and sensors, behind a port.

The host at the other end of the port cannot tell it from a real one. Time is passed in, so it runs
as fast as it is called in tests, and by the clock behind a pseudo-terminal.
"""

from collections.abc import Sequence
from typing import Protocol

from firmware_bridge.emulators.board import Board
from firmware_bridge.emulators.faults import Fault, FaultLine, Place
from firmware_bridge.emulators.plant import Plant
from firmware_bridge.port import Port
from firmware_bridge.protocol import Link

WAITING_BYTES = 4096  # for a host that fetches nothing; what is more is lost, as at a UART


class ByteLine(Protocol):
    """What bytes pass on their way, such as a `FaultLine`."""

    def passes(self, item: bytes, now_us: int) -> list[bytes]:
        """What comes out for what goes in."""
        ...

    def inject(self, fault: Fault) -> None:
        """Adds a fault."""
        ...


class EmulatedRobot:
    """Moves bytes between a port, a board and its plant. `board` may be replaced: a power cycle."""

    def __init__(
        self, board: Board, plant: Plant, port: Port, faults: Sequence[Fault] = (), seed: int = 0
    ) -> None:
        """Joins them.

        Args:
            board: the controller.
            plant: what hangs on its second wire; its faults are its own.
            port: the end that is not the host's.
            faults: those of the link stand between port and board, the same both ways.
            seed: of what the link's faults draw.
        """
        self.board = board
        self.plant = plant
        self._port = port
        self._waiting = bytearray()
        self.inward: ByteLine = FaultLine(Place.LINK, faults, seed)
        self.outward: ByteLine = FaultLine(Place.LINK, faults, seed + 1)

    def step(self, now_us: int) -> None:
        """Runs until `now_us` of the controller's clock; to be called every millisecond or so.

        Raises:
            PortLostError: the host's end is gone.
        """
        for data in self.inward.passes(self._port.read(), now_us):
            self.board.receive(Link.HOST, data, now_us)
        self.board.step(now_us)
        answers = self.plant.receive(self.board.take(Link.PLANT))
        self.board.receive(Link.PLANT, answers, now_us)
        for data in self.outward.passes(self.board.take(Link.HOST), now_us):
            self._waiting += data[: WAITING_BYTES - len(self._waiting)]
        if self._waiting:
            del self._waiting[: self._port.write(bytes(self._waiting))]
