"""What single faults do to what passes a line: packets of actuators and sensors, bytes of a link.

An effect begins with its fault, and is called with each item (an empty piece of a link's bytes if
nothing came) and the line's time; it says what comes out instead. Packets are named tuples.
"""

from collections import deque
from typing import Any, Protocol

import numpy as np

DELAY_US = 200_000
PERIOD_US = 100_000  # of what is intermittent: as long away as there
OFFSET = 0.3  # in the unit of each axis
SLOW_GAIN = 0.02  # of a new value in each packet of 200 Hz: a lag of a quarter of a second
SLOW_BYTES_PER_S = 500
MOST_WAITING = 4096  # items, or bytes of a link, that a line remembers
GARBAGE = 10.0  # garbage is anywhere up to this, in the unit of each axis


class Effect(Protocol):
    """A fault at work."""

    def __call__(self, item: Any, now_us: int) -> list[Any]:
        """What comes out for what goes in."""
        ...


class Silent:
    """Nothing comes out."""

    def __call__(self, item: Any, now_us: int) -> list[Any]:
        """Nothing."""
        del item, now_us
        return []


class Delayed:
    """All comes out, later."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Any]] = deque(maxlen=MOST_WAITING)

    def __call__(self, item: Any, now_us: int) -> list[Any]:
        """What came long enough ago."""
        self._waiting.append((now_us, item))
        out: list[Any] = []
        while self._waiting[0][0] <= now_us - DELAY_US:
            out.append(self._waiting.popleft()[1])
        return out


class Intermittent:
    """Away, then there, in turns."""

    def __init__(self) -> None:
        self._began_us: int | None = None

    def __call__(self, item: Any, now_us: int) -> list[Any]:
        """The item, or nothing."""
        return [] if self.is_away(now_us) else [item]

    def is_away(self, now_us: int) -> bool:
        """Whether it is away now; it begins with that."""
        if self._began_us is None:
            self._began_us = now_us
        return (now_us - self._began_us) // PERIOD_US % 2 == 0


class Frozen:
    """These fields of the first packet, again and again."""

    def __init__(self, *fields: str) -> None:
        self._fields = fields
        self._first: dict[str, Any] | None = None

    def __call__(self, item: Any, now_us: int) -> list[Any]:
        """The packet with old values."""
        del now_us
        if self._first is None:
            self._first = {field: getattr(item, field) for field in self._fields}
        return [item._replace(**self._first)]


class Random:
    """Any values in a field."""

    def __init__(self, field: str, rng: np.random.Generator) -> None:
        self._field = field
        self._rng = rng

    def __call__(self, item: Any, now_us: int) -> list[Any]:
        """The packet with random values."""
        del now_us
        n = len(getattr(item, self._field))
        values = self._rng.uniform(-GARBAGE, GARBAGE, n).tolist()
        return [item._replace(**{self._field: tuple(values)})]


class Wrong:
    """Values that are plausible, and not true."""

    def __init__(self, field: str) -> None:
        self._field = field

    def __call__(self, item: Any, now_us: int) -> list[Any]:
        """The packet with an offset."""
        del now_us
        values = tuple(value + OFFSET for value in getattr(item, self._field))
        return [item._replace(**{self._field: values})]


class Slow:
    """Values that lag behind."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._values: list[float] | None = None

    def __call__(self, item: Any, now_us: int) -> list[Any]:
        """The packet with low-passed values."""
        del now_us
        new = getattr(item, self._field)
        old = list(new) if self._values is None else self._values
        self._values = [a + SLOW_GAIN * (b - a) for a, b in zip(old, new, strict=True)]
        return [item._replace(**{self._field: tuple(self._values)})]


class WithoutTorque:
    """Drives that do not reach their actuators: always, or in turns."""

    def __init__(self, turns: Intermittent | None = None) -> None:
        self._turns = turns

    def __call__(self, item: Any, now_us: int) -> list[Any]:
        """The drive, without torque."""
        is_away = self._turns is None or self._turns.is_away(now_us)
        return [item._replace(torque=0) if is_away else item]


class LateDrives:
    """Drives that are obeyed later; until the first is, those before the fault are."""

    def __init__(self) -> None:
        self._delayed = Delayed()
        self._obeyed: Any = None

    def __call__(self, item: Any, now_us: int) -> list[Any]:
        """The newest drive that has come through."""
        if self._obeyed is None:
            self._obeyed = item
        for late in self._delayed(item, now_us):
            self._obeyed = late
        return [self._obeyed]


class Repeated:
    """The first bytes that come, again whenever some come."""

    def __init__(self) -> None:
        self._first = b""

    def __call__(self, item: bytes, now_us: int) -> list[bytes]:
        """The first bytes."""
        del now_us
        self._first = self._first or item
        return [self._first] if item else []


class Garbled:
    """Random bytes, as many as come."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def __call__(self, item: bytes, now_us: int) -> list[bytes]:
        """Other bytes."""
        del now_us
        return [self._rng.bytes(len(item))]


class Flipped:
    """One bit of each piece is another."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def __call__(self, item: bytes, now_us: int) -> list[bytes]:
        """The bytes with one bit changed."""
        del now_us
        changed = bytearray(item)
        if item:
            changed[self._rng.integers(len(item))] ^= 1 << int(self._rng.integers(8))
        return [bytes(changed)]


class Throttled:
    """Bytes pass slowly; what does not fit into the memory of the line is lost."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._allowance = 0.0  # bytes that may pass now
        self._before_us: int | None = None

    def __call__(self, item: bytes, now_us: int) -> list[bytes]:
        """As many bytes as the time allows."""
        before_us = now_us if self._before_us is None else self._before_us
        self._before_us = now_us
        self._waiting += item[: MOST_WAITING - len(self._waiting)]
        self._allowance += (now_us - before_us) / 1e6 * SLOW_BYTES_PER_S
        count = min(int(self._allowance), len(self._waiting))
        passed = bytes(self._waiting[:count])
        del self._waiting[:count]
        self._allowance = min(self._allowance - count, 1.0)
        return [passed]
