"""The proof of life: set-points without a pause, or the autopilot takes the controls back.

PX4 hands them over only when more than two set-points a second have come for more than a second,
and takes them back COM_OF_LOSS_T after the last one (its page "Offboard Mode").
"""

from typing import Final

PROOF_NS: Final = 1_200_000_000  # of streaming before the mode is asked for: 1 s and a margin
LONGEST_GAP_NS: Final = 400_000_000  # of a stream that counts: 2.5 Hz
SLOWEST_HZ: Final = 5.0  # so that one lost set-point of two still leaves more than 2 Hz


class Stream:
    """When the next set-point is due, and since when there was no pause."""

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = round(1e9 / rate_hz)
        self._due_ns: int | None = None
        self._sent_ns: int | None = None
        self._since_ns: int | None = None

    def is_due(self, now_ns: int) -> bool:
        """Whether to send now."""
        return self._due_ns is None or now_ns >= self._due_ns

    def sent(self, now_ns: int) -> None:
        """A set-point went out; whoever was away for long does not catch up by a burst."""
        if self._sent_ns is None or now_ns - self._sent_ns > LONGEST_GAP_NS:
            self._since_ns = now_ns
        due_ns = now_ns if self._due_ns is None else self._due_ns
        self._due_ns = max(due_ns + self._period_ns, now_ns + self._period_ns // 2)
        self._sent_ns = now_ns

    def is_proof(self, now_ns: int) -> bool:
        """Whether it has gone on for long enough, and goes on."""
        if self._since_ns is None or self._sent_ns is None:
            return False
        return now_ns - self._sent_ns <= LONGEST_GAP_NS and now_ns - self._since_ns >= PROOF_NS
