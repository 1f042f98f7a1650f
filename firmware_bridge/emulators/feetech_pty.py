"""The emulated servo bus behind a pseudo-terminal, in real time: for any program that opens a port.

with ServoBusPty(ServoBusEmulator(servos)) as bus:
    ... a program that opens bus.path as its serial port ...
"""

import os
import select
import threading
import time
import tty
from types import TracebackType

from firmware_bridge.emulators.feetech import ServoBusEmulator

READ_BYTES = 4096
TICK_S = 0.001  # while answers are under way
IDLE_S = 0.02  # while nobody asks: how often the servos move


class ServoBusPty:
    """A thread of its own between entering and leaving; the servos move as the clock does."""

    def __init__(self, bus: ServoBusEmulator) -> None:
        self.bus = bus
        self.lock = threading.Lock()  # hold it to change the servos meanwhile
        self._ending, self._end = os.pipe()
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.path = os.ttyname(self._theirs)
        self._thread = threading.Thread(target=self._serve, name="servo bus", daemon=True)

    def __enter__(self) -> "ServoBusPty":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the thread and closes the terminal."""
        os.write(self._end, b"\0")
        self._thread.join()
        for descriptor in (self._ending, self._end, self._ours, self._theirs):
            os.close(descriptor)

    def _serve(self) -> None:
        unsent, wait_s = b"", IDLE_S
        while True:
            ready, _, _ = select.select([self._ours, self._ending], [], [], wait_s)
            if self._ending in ready:
                return
            data = os.read(self._ours, READ_BYTES) if ready else b""
            with self.lock:
                unsent += self._exchange(data)
            unsent = unsent[_write(self._ours, unsent) :]
            wait_s = TICK_S if unsent or self.bus.answering else IDLE_S

    def _exchange(self, data: bytes) -> bytes:
        now_us = time.monotonic_ns() // 1000
        if data:
            self.bus.receive(data, now_us)
        return self.bus.take(now_us)


def _write(descriptor: int, data: bytes) -> int:
    try:
        return os.write(descriptor, data) if data else 0
    except BlockingIOError:  # the other side does not read: its own time-outs tell it
        return 0
