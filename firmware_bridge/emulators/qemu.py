"""The reference firmware on an emulated STM32F405, without any hardware.

QEMU's `netduinoplus2` is the machine: the host's serial line and the plant's are sockets, and
everything between them is the program that a real chip would run. It runs by the machine's clock,
in real time. What nobody reads fills a socket, and then the chip stands still: read at all times.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from firmware_bridge.emulators import chip_build
from firmware_bridge.emulators.guarded import dies_with_us, how_it_ended
from firmware_bridge.emulators.qmp import Qmp
from firmware_bridge.errors import EmulatorError
from firmware_bridge.port import DescribedPort, open_port
from firmware_bridge.protocol import Link

PROGRAM = "qemu-system-arm"
INSTALL = "sudo apt install qemu-system-arm"
START_S = 30.0  # until QEMU listens; on a busy machine it takes seconds
LINKS = (Link.HOST, Link.PLANT)  # in the order of USART1 and USART2


def hurry(pid: int) -> None:
    """Gives a process real-time priority where that is permitted: a chip waits for nobody."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))


class Qemu:
    """A running chip. `close` ends it, as does the end of the thread that started it.

    Only one program at a time can be connected to each wire; it may go, and another come.
    """

    def __init__(self, elf: Path | None = None) -> None:
        """Powers up.

        Args:
            elf: the firmware; None: that of the sources here, built when it is not there yet.

        Raises:
            FirmwareBuildError: there is no compiler, or the firmware does not build.
            EmulatorError: there is no QEMU, or it does not start.
        """
        program = shutil.which(PROGRAM)
        if program is None:
            raise EmulatorError(f"{PROGRAM} is needed to emulate the chip: {INSTALL}")
        elf = chip_build.cached() if elf is None else elf
        self._folder = tempfile.TemporaryDirectory(prefix="reflexarc-")
        self._orders = Path(self._folder.name) / "qmp.sock"
        self._ports: dict[Link, DescribedPort] = {}
        self._process = subprocess.Popen(
            [*dies_with_us(), program, *self._machine(elf)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for whoever started it
        )
        hurry(self._process.pid)
        try:
            self._qmp = self._connect()
            self._tcp_ports = self._find_ports()
        except BaseException:
            self._end()
            raise

    @property
    def pid(self) -> int:
        """Of QEMU."""
        return self._process.pid

    def ended(self) -> str | None:
        """How the machine ended, in words; None: it runs, though a wire may be closed."""
        return how_it_ended(self._process)

    def address(self, link: Link) -> str:
        """Where a wire of the chip is, for `open_port`."""
        return f"tcp://127.0.0.1:{self._tcp_ports[link]}"

    def port(self, link: Link) -> DescribedPort:
        """A port to a wire; opened when first asked for, closed by `close`."""
        if link not in self._ports:
            self._ports[link] = cast("DescribedPort", open_port(self.address(link), baud=0))
        return self._ports[link]

    def reset(self) -> None:
        """Takes power away and gives it back; ports stay connected.

        Raises:
            EmulatorError: the machine is gone.
        """
        self._qmp.order("system_reset")

    def close(self) -> None:
        """Ends the machine and lets go of its ports. A second call does nothing."""
        for port in self._ports.values():
            port.close()
        self._qmp.close()
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _connect(self) -> Qmp:
        """Waits until QEMU listens; it opens the wires before the socket for orders."""
        give_up = time.monotonic() + START_S
        while True:
            try:
                return Qmp(self._orders)
            except (FileNotFoundError, ConnectionRefusedError, EmulatorError):
                if self._process.poll() is not None:
                    raise EmulatorError(f"{PROGRAM} does not start: {self._complaint()}") from None
                if time.monotonic() > give_up:
                    raise EmulatorError(f"{PROGRAM} did not start in {START_S:g} s") from None
                time.sleep(0.005)

    def _machine(self, elf: Path) -> list[str]:
        """The machine with a socket for each wire and one for orders.

        TCP for the wires, as QEMU writes single bytes: of these a unix socket holds only 278 (each
        takes a buffer of its own), and the chip would stand still whenever nobody reads for 30 ms.
        A multiplexer in front of a wire reads ahead, which halves the time per byte. Its escape
        character must be none that occurs: bytes have no 256.
        """
        options = ["-machine", "netduinoplus2", "-display", "none", "-monitor", "none"]
        options += ["-kernel", str(elf), "-echr", "256"]
        for link in LINKS:
            listens = "host=127.0.0.1,port=0,server=on,wait=off,nodelay=on"
            options += ["-chardev", f"socket,id={link},{listens},mux=on"]
            options += ["-serial", f"chardev:{link}"]
        return [*options, "-qmp", f"unix:{self._orders},server=on,wait=off"]

    def _find_ports(self) -> dict[Link, int]:
        """The TCP ports that the system gave QEMU for its wires."""
        listed = {one["label"]: one["filename"] for one in self._qmp.order("query-chardev")}
        names = {link: listed[f"{link}-base"] for link in LINKS}  # behind the multiplexer
        return {link: int(name.split(":")[-1].split(",")[0]) for link, name in names.items()}

    def _complaint(self) -> str:
        stderr = self._process.stderr
        lines = stderr.read().decode(errors="replace").splitlines() if stderr else []
        return lines[-1] if lines else f"it ended with {self._process.returncode}"

    def _end(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()
        self._folder.cleanup()
