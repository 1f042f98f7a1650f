"""Two ports without an operating system between them: what one is given, the other reads."""

from dataclasses import dataclass, field

from firmware_bridge.errors import PortLostError
from firmware_bridge.port import READ_BYTES

CAPACITY_BYTES = 65536


@dataclass
class _Way:
    """Bytes under way in one direction."""

    capacity: int
    held: bytearray = field(default_factory=bytearray)
    ended: bool = False


class MemoryPort:
    """One of two ends."""

    def __init__(self, inward: _Way, outward: _Way) -> None:
        self._inward = inward
        self._outward = outward
        self._closed = False

    def read(self) -> bytes:
        """What the other end has written."""
        self._check_open()
        held = self._inward.held
        data = bytes(held[:READ_BYTES])
        del held[:READ_BYTES]
        if not data and self._inward.ended:
            raise PortLostError("memory port is gone: the other end has closed it")
        return data

    def write(self, data: bytes) -> int:
        """Hands over what fits into the line."""
        self._check_open()
        if self._inward.ended:
            raise PortLostError("memory port is gone: the other end has closed it")
        taken = data[: self._outward.capacity - len(self._outward.held)]
        self._outward.held += taken
        return len(taken)

    def close(self) -> None:
        """Lets go; the other end reads what is under way, and then is lost."""
        self._closed = self._outward.ended = True

    def _check_open(self) -> None:
        if self._closed:
            raise PortLostError("memory port was closed")


def memory_pair(capacity: int = CAPACITY_BYTES) -> tuple[MemoryPort, MemoryPort]:
    """Two ends of one line that holds `capacity` bytes each way."""
    there, back = _Way(capacity), _Way(capacity)
    return MemoryPort(there, back), MemoryPort(back, there)
