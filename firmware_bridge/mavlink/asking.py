"""Commands that a vehicle must answer: asked again until it does, within bounds.

MAVLink may lose either the question or the answer. So a COMMAND_LONG is repeated with a growing
`confirmation` until its COMMAND_ACK comes or its patience ends (mavlink.io, "Command Protocol").
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

RETRY_NS: Final = 300_000_000
ACCEPTED, IN_PROGRESS = 0, 5  # MAV_RESULT
RESULTS: Final = {
    1: "temporarily_rejected",
    2: "denied",
    3: "unsupported",
    4: "failed",
    6: "cancelled",
}
"""MAV_RESULT -> the word for it; any other number is "rejected"."""


@dataclass
class _Question:
    """One command that waits for its answer."""

    params: tuple[float, ...]  # up to seven
    asked_ns: int | None  # None: not yet
    patience: int  # times that it is still sent
    sent: int = 0


class Asker:
    """At most one question per command is open; each ends in an answer."""

    def __init__(self, send: Callable[[int, int, tuple[float, ...]], None]) -> None:
        """Begins without questions.

        Args:
            send: sends a command, its confirmation counter and up to seven parameters.
        """
        self._send = send
        self._open: dict[int, _Question] = {}
        self._answers: dict[int, str] = {}

    def ask(self, command: int, params: tuple[float, ...], patience: int = 5) -> None:
        """Asks; an older question of the same command is forgotten, as is its answer."""
        self._answers.pop(command, None)
        self._open[command] = _Question(params, None, patience)

    def forget(self, command: int) -> None:
        """Stops asking."""
        self._open.pop(command, None)
        self._answers.pop(command, None)

    def is_open(self, command: int) -> bool:
        """Whether it still waits."""
        return command in self._open

    def answer(self, command: int) -> str | None:
        """How it ended, once: accepted, no_answer or a word of `RESULTS`; None: not yet."""
        return self._answers.pop(command, None)

    def hear(self, acknowledgement: Any) -> None:
        """Takes a COMMAND_ACK; one that nobody asked for changes nothing."""
        command, result = acknowledgement.command, acknowledgement.result
        if command not in self._open or result == IN_PROGRESS:
            return
        del self._open[command]
        word = "accepted" if result == ACCEPTED else RESULTS.get(result, "rejected")
        self._answers[command] = word

    def tick(self, now_ns: int) -> None:
        """Sends what is due."""
        for command, question in list(self._open.items()):
            if question.asked_ns is not None and now_ns - question.asked_ns < RETRY_NS:
                continue
            if question.sent >= question.patience:
                del self._open[command]
                self._answers[command] = "no_answer"
                continue
            self._send(command, min(question.sent, 255), question.params)
            question.asked_ns = now_ns
            question.sent += 1
