"""What bytes go through on their way to a controller; whichever it is, it never keeps one waiting.

A robot's loop has 20 ms for everything. So a port hands over what has come and takes what fits:
whoever uses it keeps the rest, within bounds of his own. The operating system's buffers are the
only ones, and they are bounded too.
"""

import pkgutil
from typing import Protocol

from firmware_bridge.errors import PortNotFoundError
from firmware_bridge.ports import PORTS

READ_BYTES = 4096  # at most at once; what is left comes with the next read
FORMS = "/dev/ttyACM0, tcp://127.0.0.1:5760, unix:/run/board.sock, pty:"


class Port(Protocol):
    """A two-way stream of bytes to one other end."""

    def read(self) -> bytes:
        """What has come, at most `READ_BYTES`; b"" when nothing has.

        Raises:
            PortLostError: the other end is gone. It does not come back: open another port.
        """
        ...

    def write(self, data: bytes) -> int:
        """Hands over the beginning of `data`; says how many bytes of it were taken.

        Raises:
            PortLostError: as `read`.
        """
        ...

    def close(self) -> None:
        """Lets go of it. A second call does nothing."""
        ...


class DescribedPort(Port, Protocol):
    """A port of this machine's: one can wait for its bytes with `select`."""

    def fileno(self) -> int:
        """The descriptor."""
        ...


def open_port(address: str, baud: int) -> Port:
    """Opens the port that an address names.

    Args:
        address: the path of a serial port, or a scheme of `PORTS` with what belongs to it. A TCP
            address without a host is this machine.
        baud: bits per second; only a serial port has any.

    Raises:
        PortError: there is no such port, another program has it, or it is not permitted.
    """
    scheme, colon, rest = address.partition(":")
    if address.startswith("/"):
        scheme, rest = "serial", address
    elif not colon or scheme not in PORTS:
        raise PortNotFoundError(f"port {address!r} is of no known form: write one like {FORMS}")
    return pkgutil.resolve_name(PORTS[scheme])(rest, baud)
