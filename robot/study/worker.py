"""What a process does that measures one cell for `robot.study.conduct`.

It says on standard output how far it is and at last the row, one JSON object per line; standard
error carries a fault as one line. It ends when it is interrupted, or when who started it is gone.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

from robot.commands.run import interruptible
from robot.config import USER_ERRORS
from robot.hooks import Hooks
from robot.study.rows import Row

TELL_EVERY_S = 2.0
DONE, FAILED, INTERRUPTED = 0, 1, 3


def work(measure: Callable[[Hooks], Row | None]) -> int:
    """Measures and tells; returns the exit code of the process.

    Args:
        measure: gives the row, or None if its hooks told it to stop.
    """
    parent = os.getppid()
    with interruptible() as interrupted:
        hooks = Hooks(_Teller(), lambda: interrupted() or os.getppid() != parent)
        try:
            row = measure(hooks)
        except USER_ERRORS as error:
            sys.stderr.write(f"{' '.join(str(error).split())}\n")
            return FAILED
    if row is None:
        return INTERRUPTED
    _tell({"row": row})
    return DONE


class _Teller:
    """Says every few seconds how far it is."""

    def __init__(self) -> None:
        self._next_s = time.monotonic()

    def __call__(self, seconds: float) -> None:
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + TELL_EVERY_S
            _tell({"seconds": round(seconds, 2)})


def _tell(told: dict[str, Any]) -> None:
    assert sys.__stdout__ is not None  # noqa: S101 - a pipe; what nodes print goes elsewhere
    sys.__stdout__.write(msgspec.json.encode(told).decode() + "\n")
    sys.__stdout__.flush()
