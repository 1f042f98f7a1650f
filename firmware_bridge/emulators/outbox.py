"""What a controller wants to send on one wire: numbered frames, in bounded memory."""

from typing import Any

from firmware_bridge.framing import Encoder
from firmware_bridge.protocol import BY_NAME, pack

CAPACITY = 4096  # bytes that nobody has taken yet


class Outbox:
    """Keeps whole frames; one that does not fit is dropped and counted."""

    def __init__(self) -> None:
        self._encoder = Encoder()
        self._waiting = bytearray()
        self.overflows = 0

    def put(self, name: str, **values: Any) -> None:
        """Appends a packet of the table."""
        frame = self._encoder.encode(BY_NAME[name].id, pack(name, **values))
        if len(self._waiting) + len(frame) > CAPACITY:
            self.overflows += 1
        else:
            self._waiting += frame

    def take(self) -> bytes:
        """All that waits; then nothing does."""
        waiting = bytes(self._waiting)
        self._waiting.clear()
        return waiting
