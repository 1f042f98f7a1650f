"""Which commands may move the robot: whole numbers of their time, each once, in their order.

A command says when it was made, by the controller's clock, so that a link that delays is noticed at
this end too. One that was made before the robot was armed never moves it.
"""

import math
from collections.abc import Sequence

from firmware_bridge.safety_words import Reason

_HALF = 0x8000  # sequence numbers less than this far ahead are newer


class CommandGate:
    """Remembers the last good command and the moment of arming."""

    def __init__(self) -> None:
        self.seq = 0  # of the last good command; telemetry shows it
        self.passed_us = 0  # when that came, or when the gate was opened
        self.has_passed = False  # a good one, since the gate was opened
        self._opened_us = 0

    def open(self, now_us: int) -> None:
        """Forgets what came before: torque came on."""
        self._opened_us = self.passed_us = now_us
        self.has_passed = False

    def refuses(
        self, values: Sequence[float], stamped_us: int, seq: int, now_us: int, max_age_ms: int
    ) -> Reason:
        """Why a command is refused, NONE if it is good.

        Args:
            values: (n,) in the axes' units.
            stamped_us: when it was made.
            seq: number of its frame.
            now_us: the controller's time.
            max_age_ms: how old it may be, and how far in the future.
        """
        if not all(map(math.isfinite, values)):
            return Reason.NON_FINITE
        if abs(now_us - stamped_us) > max_age_ms * 1000 or stamped_us < self._opened_us:
            return Reason.STALE
        if self.has_passed and not is_newer(seq, self.seq):
            return Reason.STALE
        return Reason.NONE

    def passes(self, seq: int, now_us: int) -> None:
        """Remembers a good command."""
        self.seq = seq
        self.passed_us = now_us
        self.has_passed = True


def is_newer(seq: int, last: int) -> bool:
    """Whether a frame was sent after the one with the number `last`."""
    return 0 < ((seq - last) & 0xFFFF) < _HALF
