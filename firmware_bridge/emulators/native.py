"""The reference firmware without its board, compiled for this computer: a `Board` in C.

It is what the chip runs, apart from `board_stm32f405.c` and the start-up code, and it runs in
virtual time at some hundred times the speed.
"""

import ctypes
from functools import cache
from pathlib import Path

from firmware_bridge.emulators.host_build import FIRMWARE, shared_library
from firmware_bridge.protocol import Link

NAMES = (
    *("configuration", "command_gate", "limits", "monitors", "safety"),
    *("framing", "outbox", "controller"),
)
SOURCES = tuple(FIRMWARE / f"{name}.c" for name in NAMES)

_LINKS = {Link.HOST: 0, Link.PLANT: 1}  # enum rx_link
_TAKEN_BYTES = 4096  # RX_OUTBOX_BYTES: as much as ever waits


class NativeBoard:
    """A `Board`. It is powered up when it is made, at 0 µs of its clock."""

    def __init__(self) -> None:
        """Compiles the firmware unless that was done before.

        Raises:
            FirmwareBuildError: there is no compiler, or the firmware does not build.
        """
        self._library = library()
        size = ctypes.c_size_t.in_dll(self._library, "rx_controller_bytes").value
        self._controller = ctypes.create_string_buffer(size)
        self._taken = ctypes.create_string_buffer(_TAKEN_BYTES)
        self._library.rx_init(self._controller)

    def receive(self, link: Link, data: bytes, now_us: int) -> None:
        """Does what arrives on a wire, whatever that is."""
        self._library.rx_receive(self._controller, _LINKS[link], data, len(data), now_us)

    def step(self, now_us: int) -> None:
        """Runs the ticks that are due."""
        self._library.rx_step(self._controller, now_us)

    def take(self, link: Link) -> bytes:
        """What waits on a wire."""
        return self.take_at_most(link, _TAKEN_BYTES)

    def take_at_most(self, link: Link, room: int) -> bytes:
        """The first bytes of what waits, up to 4096; a chip takes one at a time."""
        size = self._library.rx_take(
            self._controller, _LINKS[link], self._taken, min(room, _TAKEN_BYTES)
        )
        return self._taken.raw[:size]


@cache
def library() -> ctypes.CDLL:
    """The compiled firmware.

    Raises:
        FirmwareBuildError: see `host_build.shared_library`.
    """
    return load(shared_library(SOURCES))


def load(path: Path) -> ctypes.CDLL:
    """A build of the firmware with the types of its functions."""
    loaded = ctypes.CDLL(str(path))
    loaded.rx_init.argtypes = [ctypes.c_void_p]
    loaded.rx_receive.argtypes = [
        *(ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)
    ]
    loaded.rx_step.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    loaded.rx_take.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
    loaded.rx_take.restype = ctypes.c_size_t
    return loaded
