"""Where two messages differ, for a person: the field, and both values."""

from typing import Any, NamedTuple

import msgspec
import numpy as np

from robot.messages import Message


class Difference(NamedTuple):
    """A message that came out otherwise than it stands in the log."""

    topic: str
    seq: int
    time_s: float
    """Since the first message of the log, by the run's clock."""
    field: str
    """The first field that differs; ``message``: one of the two was not sent."""
    logged: str
    replayed: str

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.topic} seq {self.seq} at {self.time_s:.3f} s differs in {self.field}: "
            f"logged {self.logged}, replayed {self.replayed}"
        )


def place_of_difference(logged: Message, replayed: Message) -> tuple[str, str, str]:
    """The first field in which two messages of one type differ, and both values."""
    for name in logged.__struct_fields__:
        ours, theirs = getattr(replayed, name), getattr(logged, name)
        if not _same(ours, theirs):
            return _first_unequal(name, theirs, ours)
    return "its bytes", "equal values", "equal values"


def _same(ours: Any, theirs: Any) -> bool:
    """Whether two fields are equal; not-a-number equals itself."""
    if isinstance(ours, np.ndarray):
        return ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()
    return msgspec.msgpack.encode(ours) == msgspec.msgpack.encode(theirs)


def _first_unequal(name: str, logged: Any, replayed: Any) -> tuple[str, str, str]:
    """The place and both values, as short as they can be told."""
    if isinstance(logged, np.ndarray):
        if logged.shape != replayed.shape:
            return name, f"shape {logged.shape}", f"shape {replayed.shape}"
        sizes = (logged.size, logged.itemsize)
        raw = [np.frombuffer(a.tobytes(), np.uint8).reshape(sizes) for a in (logged, replayed)]
        at = int(np.flatnonzero((raw[0] != raw[1]).any(axis=1))[0])
        index = ", ".join(str(i) for i in np.unravel_index(at, logged.shape))
        return f"{name}[{index}]", f"{logged.flat[at]}", f"{replayed.flat[at]}"
    return name, short(logged), short(replayed)


def short(value: Any) -> str:
    """A value as text of at most 120 characters."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
