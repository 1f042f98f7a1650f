"""TCP and unix sockets: a controller that runs as a program, such as an emulated chip.

Both connect without waiting: a refusal by this machine is known at once, one by another machine
shows when the port is used. Names of hosts are not looked up, because that may take seconds.
"""

import errno
import ipaddress
import os
import select
import socket

from firmware_bridge.errors import (
    PortBusyError,
    PortError,
    PortNotFoundError,
    PortPermissionError,
)
from firmware_bridge.ports.stream import StreamPort

_OWN_ANSWER_S = 0.02  # s, in which this machine says whether anyone listens; it takes microseconds


def open_tcp(rest: str, baud: int) -> StreamPort:
    """Connects to `//ADDRESS:PORT`, or to this machine for `//:PORT`.

    Raises:
        PortNotFoundError: it is of another form, or nobody listens there.
    """
    del baud
    host, _, number = rest.removeprefix("//").rpartition(":")
    host = {"": "127.0.0.1", "localhost": "127.0.0.1"}.get(host, host.strip("[]"))
    name = f"port 'tcp:{rest}'"
    try:
        ip = ipaddress.ip_address(host)
        number = int(number)
        if not 0 < number < 1 << 16:
            raise ValueError(f"{number} is no TCP port")  # noqa: TRY301 - told with the others
    except ValueError as error:
        raise PortNotFoundError(
            f"{name} is not understood ({error}): write tcp://127.0.0.1:5760"
        ) from error
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    end = socket.socket(family, socket.SOCK_STREAM)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    port = _connected(end, (host, number), name)
    if ip.is_loopback:
        select.select([], [end], [], _OWN_ANSWER_S)
        refused = end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if refused:
            port.close()
            raise _why(OSError(refused, os.strerror(refused)), name)
    return port


def open_unix(path: str, baud: int) -> StreamPort:
    """Connects to the unix socket at a path.

    Raises:
        PortError: it is not there, nobody listens, it is full or not permitted.
    """
    del baud
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    return _connected(end, path, f"port 'unix:{path}'")


def _connected(end: socket.socket, address: str | tuple[str, int], name: str) -> StreamPort:
    end.setblocking(False)
    try:
        end.connect(address)
    except BlockingIOError as error:
        if error.errno != errno.EINPROGRESS:  # a full queue of a unix socket
            end.close()
            raise PortBusyError(f"{name} is busy: another program is connected to it") from error
    except OSError as error:
        end.close()
        raise _why(error, name) from error
    return StreamPort(end.fileno(), name, end.close)


def _why(error: OSError, name: str) -> PortError:
    if isinstance(error, PermissionError):
        return PortPermissionError(f"{name} is not permitted to this user: see who owns it")
    return PortNotFoundError(f"{name} has nobody listening ({error.strerror}): start that first")
