"""Starts boards that run by the clock, for whatever needs one without hardware."""

import pkgutil
import shutil
from typing import Protocol

from firmware_bridge.emulators import RUNNING_BOARDS
from firmware_bridge.errors import EmulatorError
from firmware_bridge.port import DescribedPort
from firmware_bridge.protocol import Link

AUTO = "auto"
_FOR_QEMU = {
    "qemu-system-arm": "sudo apt install qemu-system-arm",
    "arm-none-eabi-gcc": "sudo apt install gcc-arm-none-eabi libnewlib-arm-none-eabi",
}
"""Program -> what installs it."""


class RunningBoard(Protocol):
    """A controller in a process of its own; it ends with who started it."""

    @property
    def pid(self) -> int:
        """Of the process."""
        ...

    def address(self, link: Link) -> str:
        """Where the host's wire is, for `open_port`."""
        ...

    def port(self, link: Link) -> DescribedPort:
        """The plant's wire."""
        ...

    def ended(self) -> str | None:
        """How it ended, in words; None: it runs, though a wire may be closed."""
        ...

    def close(self) -> None:
        """Ends it. A second call does nothing."""
        ...


def missing() -> list[str]:
    """What to install before the firmware can run on an emulated chip."""
    return [cure for program, cure in _FOR_QEMU.items() if shutil.which(program) is None]


def check_board(name: str) -> None:
    """Refuses a board that does not exist.

    Raises:
        EmulatorError: it does not; lists those there are.
    """
    if name not in (AUTO, *RUNNING_BOARDS):
        raise EmulatorError(
            f"board {name!r}: valid boards are {', '.join((AUTO, *RUNNING_BOARDS))}"
        )


def start_board(name: str) -> tuple[str, RunningBoard]:
    """Starts a board; returns which it is.

    Args:
        name: a row of RUNNING_BOARDS, or "auto": the emulated chip where its programs are
            installed, else the controller in Python.

    Raises:
        EmulatorError: no such board, or it does not start.
        FirmwareBuildError: the firmware for the emulated chip does not build.
    """
    check_board(name)
    if name == AUTO:
        name = "python" if missing() else "qemu"
    return name, pkgutil.resolve_name(RUNNING_BOARDS[name])()
