"""Orders to QEMU over its machine protocol: a line of JSON there, a line of JSON back.

https://www.qemu.org/docs/master/interop/qmp-spec.html
"""

import json
import socket
from pathlib import Path
from typing import Any

from firmware_bridge.errors import EmulatorError

TIMEOUT_S = 10.0


class Qmp:
    """One connection to a machine."""

    def __init__(self, path: Path) -> None:
        """Connects.

        Raises:
            OSError: nobody listens at the path.
            EmulatorError: who does is silent, or no QEMU.
        """
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_S)
        self._lines = self._socket.makefile("rb")
        try:
            self._socket.connect(str(path))
            self._hear()  # its greeting
            self.order("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def order(self, command: str) -> Any:
        """Gives an order, and returns its outcome.

        Raises:
            EmulatorError: it was refused, or the machine is gone.
        """
        try:
            self._socket.sendall(json.dumps({"execute": command}).encode() + b"\n")
        except OSError as error:
            raise EmulatorError(f"QEMU is gone: {error}") from error
        answer = self._hear()
        while "event" in answer:  # tells what happens, whoever asked for it
            answer = self._hear()
        if "return" not in answer:
            raise EmulatorError(f"QEMU refused {command}: {answer}")
        return answer["return"]

    def close(self) -> None:
        """Lets go of the machine, which runs on."""
        self._lines.close()
        self._socket.close()

    def _hear(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
            return json.loads(line)
        except (OSError, ValueError) as error:
            raise EmulatorError(f"QEMU is gone or says what is no JSON: {error}") from error
