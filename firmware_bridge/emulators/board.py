"""The one interface of controllers that run here, in Python, compiled, or on an emulated chip."""

from typing import Protocol

from firmware_bridge.protocol import Link


class Board(Protocol):
    """A controller with two wires; `now_us` is its own monotonic clock, which never goes back."""

    def receive(self, link: Link, data: bytes, now_us: int) -> None:
        """Hands it what arrived on a wire."""
        ...

    def step(self, now_us: int) -> None:
        """Runs every tick that is due."""
        ...

    def take(self, link: Link) -> bytes:
        """What it wants to send since the last call; bounded: what is not taken is lost."""
        ...
