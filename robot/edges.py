"""Edge policies and the reader's end of an edge, where every loss is counted.

The reader counts for itself: what it took in, and from the gaps in ``seq`` and the writer's end
marker what it never got. The writer counts what it sent. Nobody has to be believed: at shutdown
``sent == received + dropped`` either holds or shows that something was lost unseen.
"""

import re
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from perception.quantities import InputError
from robot.messages import Message
from robot.wire import Frames


class Keep(StrEnum):
    """What a reader keeps when messages come faster than it takes them."""

    LATEST = "latest"
    """Only the newest: for control."""
    QUEUE = "queue"
    """The newest n, oldest dropped first: for recorders and viewers."""
    LOSSLESS = "lossless"
    """All; the writer waits, and a time-out is a counted drop."""


@dataclass(frozen=True)
class EdgePolicy:
    """How one edge treats messages that its reader is too slow for."""

    keep: Keep
    depth: int = 1
    """Messages held for the reader."""
    timeout_s: float = 0.0
    """How long a writer waits for a lossless reader."""
    delayed: bool = False
    """Whether a message reaches its reader one lockstep tick later; closes loops."""

    def __str__(self) -> str:
        """The text of the graph file."""
        text = {
            Keep.LATEST: "latest",
            Keep.QUEUE: f"queue({self.depth})",
            Keep.LOSSLESS: f"lossless({self.timeout_s:g})",
        }[self.keep]
        return text + (", delayed" if self.delayed else "")


MAX_DEPTH = 1_000_000  # ZeroMQ counts in 32 bits
MAX_DIGITS = 4000  # Python refuses to read longer numbers
MAX_WAIT_S = 3600.0  # no robot waits longer; ZeroMQ counts its ms in 32 bits
LOSSLESS_DEPTH = 64  # messages in flight before a lossless writer waits
_POLICY = re.compile(
    r"(latest|queue\((\d+)\)|lossless\((\d+(?:\.\d+)?)\))(\s*,\s*delayed)?", re.ASCII
)


def parse_policy(text: str) -> EdgePolicy:
    """The policy that a graph file's text stands for.

    Raises:
        InputError: not one of the policies there are.
    """
    match = _POLICY.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"edge policy {text[:80]!r} is unknown; choose latest, queue(N) or lossless(SECONDS), "
            "each with ', delayed' behind it if its messages come one tick later"
        )
    word, depth, timeout_s, delayed = match.groups()
    if word == "latest":
        return EdgePolicy(Keep.LATEST, delayed=bool(delayed))
    if depth is not None:
        if len(depth) > MAX_DIGITS or not 1 <= int(depth) <= MAX_DEPTH:
            raise InputError(f"edge policy {text[:80]!r}: a queue holds 1 to {MAX_DEPTH} messages")
        return EdgePolicy(Keep.QUEUE, int(depth), delayed=bool(delayed))
    if float(timeout_s) > MAX_WAIT_S:
        raise InputError(f"edge policy {text[:80]!r}: a writer waits {MAX_WAIT_S:g} s at most")
    return EdgePolicy(Keep.LOSSLESS, LOSSLESS_DEPTH, float(timeout_s), bool(delayed))


class Arrival(NamedTuple):
    """One message as it came in."""

    topic: str
    message: Message
    frames: Frames
    """Its bytes on the wire, for the log."""


class EdgeBuffer:
    """The reader's end of one edge: holds messages for its node and counts losses."""

    def __init__(self, topic: str, policy: EdgePolicy, *, lossless: bool) -> None:
        self.topic = topic
        self._depth = None if lossless or policy.keep is Keep.LOSSLESS else policy.depth
        self._waiting: deque[Arrival] = deque()
        self._newest_seq = -1
        self._revived = False
        """Whether an earlier reader died and nothing has come to this one yet."""
        self._writer_resumed = 0
        """With which ``seq`` the writer's newest process began."""
        self.received = 0
        self.dropped = 0
        self.lost = 0
        """Messages lost with a process that died and was replaced."""

    @property
    def newest_seq(self) -> int:
        """The highest ``seq`` that came in; -1 before the first."""
        return self._newest_seq

    def resume(self, received: int, dropped: int, next_seq: int, lost: int = 0) -> None:
        """Goes on counting where a reader that died has stopped; what was under way is lost."""
        self.received, self.dropped, self.lost = received, dropped, lost
        self._newest_seq = next_seq - 1
        self._revived = True

    def writer_resumed(self, seq: int) -> None:
        """The writer died and was replaced; the new one began with ``seq``."""
        self._writer_resumed = seq

    def push(self, message: Message, frames: Frames) -> None:
        """Takes in one message; overwrites the oldest where the policy says so.

        One that was overtaken by a newer one, as after a restart of its writer, is already counted
        as dropped.
        """
        if message.seq <= self._newest_seq:
            return
        self._count_gap(message.seq)
        self._newest_seq = message.seq
        self.received += 1
        self._waiting.append(Arrival(self.topic, message, frames))
        while self._depth is not None and len(self._waiting) > self._depth:
            self._waiting.popleft()
            self.received -= 1
            self.dropped += 1

    def take(self, up_to_seq: int | None = None) -> list[Arrival]:
        """Hands over what waits, oldest first; ``up_to_seq`` leaves later messages waiting."""
        taken = []
        while self._waiting and (up_to_seq is None or self._waiting[0].message.seq <= up_to_seq):
            taken.append(self._waiting.popleft())
        return taken

    def close(self, sent: int) -> None:
        """Settles the account with the writer's end marker: it sent ``sent`` messages in all."""
        self._count_gap(sent)
        self._newest_seq = sent - 1

    def _count_gap(self, to_seq: int) -> None:
        """Counts what is missing below ``to_seq``: lost up to where a new process began."""
        first = self._newest_seq + 1
        lost = 0
        if self._revived:
            lost = max(0, to_seq - first)
        elif to_seq >= self._writer_resumed:
            lost = max(0, self._writer_resumed - first)
        self._revived = False
        self.lost += lost
        self.dropped += to_seq - first - lost
