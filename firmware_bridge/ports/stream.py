"""A port over a file descriptor that never blocks: sockets and pseudo-terminals."""

import os
from collections.abc import Callable

from firmware_bridge.errors import PortLostError
from firmware_bridge.port import READ_BYTES


class StreamPort:
    """The `Port` interface over `read(2)` and `write(2)`."""

    def __init__(self, descriptor: int, name: str, close: Callable[[], None]) -> None:
        """Takes over a descriptor.

        Args:
            descriptor: is made non-blocking.
            name: for messages.
            close: lets go of it.
        """
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._name = name
        self._close = close
        self._closed = False

    def fileno(self) -> int:
        """The descriptor, to wait for bytes with `select`."""
        return self._descriptor

    def read(self) -> bytes:
        """What has come."""
        self._check_open()
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise PortLostError(f"{self._name} is gone: {error.strerror}") from error
        if not data:
            raise PortLostError(f"{self._name} is gone: the other end has closed it")
        return data

    def write(self, data: bytes) -> int:
        """Hands over what fits."""
        self._check_open()
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise PortLostError(f"{self._name} is gone: {error.strerror}") from error

    def close(self) -> None:
        """Lets go of the descriptor."""
        if not self._closed:
            self._closed = True
            self._close()

    def _check_open(self) -> None:
        if self._closed:
            raise PortLostError(f"{self._name} was closed")
