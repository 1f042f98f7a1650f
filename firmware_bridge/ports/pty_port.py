"""A pseudo-terminal: its other end looks to any program like a serial port.

It is what a controller made of software hangs on. Programs may come and go at the other end, as at
a real serial line; bytes that nobody fetches fill the terminal's buffer and are not taken any more.
"""

import os
import pty
import tty

from firmware_bridge.ports.stream import StreamPort


class PtyPort(StreamPort):
    """The controller's end of a new pseudo-terminal; `path` is the serial port for the host."""

    def __init__(self) -> None:
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        self.path = os.ttyname(theirs)
        self._theirs = theirs  # kept open, or reading fails whenever no program has opened it

        def close() -> None:
            os.close(ours)
            os.close(theirs)

        super().__init__(ours, f"pseudo-terminal {self.path}", close)


def open_pty(rest: str, baud: int) -> PtyPort:
    """A new pseudo-terminal."""
    del rest, baud
    return PtyPort()
