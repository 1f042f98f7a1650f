"""Serves the wires of a running board by a thread of its own.

An emulated chip stands still while nobody fetches what it says, which no real one does: its serial
line has no way to make it wait. So somebody must be there at all times, whatever the node that owns
the board is doing. It also answers the board at once.
"""

import select
import threading
import time
from collections.abc import Sequence

from firmware_bridge.emulators.faulty_link import FaultyLink
from firmware_bridge.emulators.plant_wire import PlantWire
from firmware_bridge.errors import PortLostError
from firmware_bridge.port import DescribedPort

WAITING_BYTES = 4096  # for a board that fetches nothing; what is more is lost, as at a UART
LOOK_S = 0.005  # a fault of the link may let go of something without anything coming in


class WireThread:
    """Serves until it is closed, or the board is gone.

    The machine behind the wire is called from this thread.
    """

    def __init__(self, plant: DescribedPort, wire: PlantWire, cable: FaultyLink | None) -> None:
        """Begins.

        Args:
            plant: the board's second wire.
            wire: answers what comes on it.
            cable: stands between host and board, if faults shall.
        """
        self._plant, self._wire, self._cable = plant, wire, cable
        self._waiting = bytearray()
        self._closing = threading.Event()
        self.spoke = threading.Event()
        """Set once the board has told its actuators something: it runs."""
        self.lost: PortLostError | None = None
        """Why the board is no longer served."""
        self._thread = threading.Thread(target=self._serve, name="plant-wire", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; the ports stay open."""
        self._closing.set()
        self._thread.join()

    def _serve(self) -> None:
        ports: Sequence[DescribedPort] = (self._plant, *(self._cable.ports if self._cable else ()))
        began_s = time.monotonic()
        try:
            while not self._closing.is_set():
                select.select(ports, [], [], LOOK_S)
                if self._cable is not None:
                    self._cable.step(round((time.monotonic() - began_s) * 1e6))
                self._answer()
        except PortLostError as error:
            self.lost = error
            self.spoke.set()

    def _answer(self) -> None:
        answers = self._wire.receive(self._plant.read())
        if self._wire.drives:
            self.spoke.set()
        self._waiting += answers[: WAITING_BYTES - len(self._waiting)]
        if self._waiting:
            del self._waiting[: self._plant.write(bytes(self._waiting))]
