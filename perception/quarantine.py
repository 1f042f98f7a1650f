"""Keeps examples back for a while, in case their teacher turns out to have been wrong.

A monitor needs time: 0.4 s for a frozen camera, up to two for one that was bent. What the teacher
said in that time looked valid. Whoever learns takes examples out of quarantine only after so many
more frames that nobody objected to, and forgets all of them when somebody does.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar


class Doubtful(Protocol):
    """An example that its own writer may distrust."""

    @property
    def valid(self) -> bool:
        """False when it must not be learned from."""
        ...


T = TypeVar("T", bound=Doubtful)


class Quarantine(Generic[T]):
    """A queue of fixed length that an objection empties."""

    def __init__(self, frames: int) -> None:
        """frames: that an example waits for; 0 lets it pass at once."""
        self._frames = frames
        self._held: deque[T] = deque()
        self.dropped = 0

    def passed(self, examples: Iterable[T]) -> Iterator[T]:
        """New examples in, oldest first; out come those whose time is over."""
        for example in examples:
            if not example.valid:
                self.dropped += len(self._held)
                self._held.clear()
                continue
            self._held.append(example)
            if len(self._held) > self._frames:
                yield self._held.popleft()
