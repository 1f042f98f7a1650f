"""A serial port, as of a USB cable to a microcontroller; pyserial knows the operating systems.

The port is locked, so that two programs never command one robot.
"""

import errno
import grp
import os
from pathlib import Path
from typing import NamedTuple

import serial
from serial.tools import list_ports

from firmware_bridge.errors import (
    PortBusyError,
    PortError,
    PortLostError,
    PortNotFoundError,
    PortPermissionError,
)
from firmware_bridge.port import READ_BYTES

_BUSY = (errno.EAGAIN, errno.EBUSY)  # a lock that another has; a driver that opens once


class SerialPort:
    """The `Port` interface over pyserial."""

    def __init__(self, line: serial.Serial) -> None:
        self._line = line

    def fileno(self) -> int:
        """The descriptor, to wait for bytes with `select`."""
        return self._line.fileno()

    def read(self) -> bytes:
        """What has come."""
        try:
            return self._line.read(READ_BYTES)
        except (serial.SerialException, OSError) as error:
            raise self._lost(error) from error

    def write(self, data: bytes) -> int:
        """Hands over what fits; by hand, because pyserial spins until all of it does."""
        try:
            return os.write(self._line.fileno(), data)
        except BlockingIOError:
            return 0
        except (serial.SerialException, OSError) as error:
            raise self._lost(error) from error

    def close(self) -> None:
        """Unlocks the port."""
        self._line.close()

    def _lost(self, error: Exception) -> PortLostError:
        return PortLostError(f"port {self._line.name!r} is gone (unplugged?): {error}")


def open_serial(path: str, baud: int) -> SerialPort:
    """Opens and locks a serial port; drops what has come in before.

    Raises:
        PortNotFoundError: no such port, or it is no serial port; lists those there are.
        PortBusyError: another program has it.
        PortPermissionError: says which group to join.
        PortError: it does not do this baud rate.
    """
    try:
        line = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
    except serial.SerialException as error:
        raise _why(path, error) from error
    except (ValueError, OverflowError) as error:
        raise PortError(f"port {path!r} does not do {baud} baud: {error}") from error
    return SerialPort(line)


class Found(NamedTuple):
    """A serial port of this machine."""

    path: str
    device: str  # what its device says of itself
    cure: str  # how to be permitted to open it; "" = this user is


def find_ports() -> list[Found]:
    """The serial ports of this machine, by path."""
    return [
        Found(
            port.device,
            port.description or "unknown device",
            "" if os.access(port.device, os.R_OK | os.W_OK) else _cure(port.device),
        )
        for port in sorted(list_ports.comports())
    ]


def serial_ports() -> list[str]:
    """The paths of the serial ports of this machine."""
    return sorted(port.device for port in list_ports.comports())


def _why(path: str, error: serial.SerialException) -> PortError:
    number = error.errno
    if number in _BUSY:
        return PortBusyError(f"port {path!r} is busy: another program has it; end that first")
    if number in (errno.EACCES, errno.EPERM):
        return PortPermissionError(f"port {path!r} is not permitted to this user: {_cure(path)}")
    there = ", ".join(serial_ports()) or "none: is the cable in?"
    what = "does not exist" if number == errno.ENOENT else f"is no serial port ({error})"
    return PortNotFoundError(f"port {path!r} {what}; serial ports here: {there}")


def _cure(path: str) -> str:
    try:
        group = grp.getgrgid(Path(path).stat().st_gid).gr_name
    except (OSError, KeyError):
        group = "dialout"
    user = os.environ.get("USER", "$USER")
    return f"sudo usermod -aG {group} {user}, then log in anew"
