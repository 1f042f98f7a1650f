"""Whether an input can be relied on: alive, at its rate, valid.

After openpilot's SubMaster: *alive* while the last message is younger than ten periods, *freq_ok*
while the last hundred came at 90 % of the expected rate or more, *valid* while the writer trusts
its own content.
"""

from collections import deque

from robot.clock import SECOND_NS

ALIVE_PERIODS = 10
FREQ_SHARE = 0.9
FREQ_WINDOW = 100


class Liveness:
    """Watches one edge at its reader; times are in ns of the run's clock."""

    def __init__(self, expected_hz: float | None, start_ns: int) -> None:
        self.expected_hz = expected_hz
        self.valid = True
        self._last_ns = start_ns
        self._stamps: deque[int] = deque(maxlen=FREQ_WINDOW + 1)

    def message(self, now_ns: int, *, valid: bool) -> None:
        """Notes a message."""
        self._last_ns = now_ns
        self._stamps.append(now_ns)
        self.valid = valid

    def alive(self, now_ns: int) -> bool:
        """Whether a message came within ten periods; true where no rate is known."""
        if self.expected_hz is None:
            return True
        return (now_ns - self._last_ns) * self.expected_hz < ALIVE_PERIODS * SECOND_NS

    def rate_hz(self) -> float:
        """Messages per second over the last hundred; 0 before the second."""
        if len(self._stamps) < 2 or self._stamps[-1] == self._stamps[0]:
            return 0.0
        return (len(self._stamps) - 1) * SECOND_NS / (self._stamps[-1] - self._stamps[0])

    def freq_ok(self) -> bool:
        """Whether the last hundred came at 90 % of the rate; true before there are so many."""
        if self.expected_hz is None or len(self._stamps) <= FREQ_WINDOW:
            return True
        return self.rate_hz() >= FREQ_SHARE * self.expected_hz

    def silence_s(self, now_ns: int) -> float:
        """Seconds since the last message."""
        return (now_ns - self._last_ns) / SECOND_NS
