"""MAVLink over UDP: each frame is a datagram, and one of the two ends was there first.

`udpin:HOST:PORT` waits at a port for whoever sends there, as PX4's simulation expects at 14540;
`udpout:HOST:PORT` sends first. A waiting end answers the address that spoke last as the vehicle it
was told to expect (`confirm`): neither a second vehicle nor a stray packet gets its commands.
"""

import errno
import socket
from ipaddress import ip_address

from firmware_bridge.errors import (
    PortBusyError,
    PortError,
    PortLostError,
    PortNotFoundError,
    PortPermissionError,
)

FORMS = "udpin:127.0.0.1:14540, udpout:192.168.4.1:14550"
_LARGEST = 65_535
_MOST_EMPTY = 16  # datagrams that are skipped at once
_Address = tuple[str, int]
_ERRORS: dict[int, tuple[type[PortError], str]] = {
    errno.EADDRINUSE: (PortBusyError, "another program has it: end that, or take another port"),
    errno.EACCES: (PortPermissionError, "this user may not: take a port above 1023"),
    errno.EADDRNOTAVAIL: (PortNotFoundError, "this machine has no such address"),
}


def is_datagrams(address: str) -> bool:
    """Whether an address is one of this module's."""
    return address.partition(":")[0] in ("udpin", "udpout")


def host_and_port(address: str) -> _Address:
    """Of `udpin:` or `udpout:`; hosts are numbers, so that no name server is waited for.

    Raises:
        PortNotFoundError: it is not of that form.
    """
    scheme, _, rest = address.partition(":")
    host, _, port = rest.removeprefix("//").rpartition(":")
    try:
        ip_address(host)
        number = int(port)
    except ValueError as error:
        raise PortNotFoundError(f"port {address!r}: write one like {FORMS}") from error
    if not (0 if scheme == "udpin" else 1) <= number <= 65_535:
        raise PortNotFoundError(f"port {address!r}: the number must be 1 to 65535")
    return host, number


class DatagramPort:
    """A UDP socket that never blocks."""

    def __init__(self, address: str) -> None:
        """Binds, or gets ready to send.

        Raises:
            PortError: the address is malformed, not of this machine, busy, or not permitted.
        """
        host_port = host_and_port(address)
        self._waits = address.startswith("udpin")
        family = socket.AF_INET6 if ":" in host_port[0] else socket.AF_INET
        self._socket: socket.socket | None = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._peer: _Address | None = None if self._waits else host_port
        self._last: _Address | None = None
        if self._waits:
            self._bind(address, host_port)

    def _bind(self, address: str, host_port: _Address) -> None:
        try:
            self._open_socket.bind(host_port)
        except OSError as error:
            self.close()
            kind, cure = _ERRORS.get(error.errno or 0, (PortError, str(error.strerror)))
            raise kind(f"port {address!r}: {cure}") from error

    @property
    def own_port(self) -> int:
        """The number of this end, chosen by the system for `udpin:HOST:0`."""
        return int(self._open_socket.getsockname()[1])

    @property
    def _open_socket(self) -> socket.socket:
        if self._socket is None:
            raise PortLostError("the UDP port is closed")
        return self._socket

    def fileno(self) -> int:
        """For `select`."""
        return self._open_socket.fileno()

    def read(self) -> bytes:
        """One datagram; b"" when there is none."""
        for _ in range(_MOST_EMPTY):
            try:
                data, sender = self._open_socket.recvfrom(_LARGEST)
            except (BlockingIOError, ConnectionRefusedError):  # refused: what we sent found nobody
                return b""
            if data:
                self._last = sender[:2]
                return data
        return b""

    def confirm(self) -> None:
        """What was read last came from the vehicle: answers go there from now on."""
        if self._waits:
            self._peer = self._last

    def write(self, data: bytes) -> int:
        """Sends one datagram; 0 if nobody is known yet or the system takes no more."""
        if self._peer is None:
            return 0
        try:
            return self._open_socket.sendto(data, self._peer)
        except (BlockingIOError, ConnectionRefusedError):
            return 0
        except (
            OSError
        ) as error:  # no route, network down: as lost as a pulled cable, and may return
            if error.errno in (
                errno.ENETUNREACH,
                errno.EHOSTUNREACH,
                errno.ENETDOWN,
                errno.ENOBUFS,
            ):
                return 0
            raise PortLostError(f"UDP to {self._peer[0]}:{self._peer[1]}: {error}") from error

    def close(self) -> None:
        """Frees the port."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
