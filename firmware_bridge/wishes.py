"""What a person asks of a controller (arm, disarm, stop, ...) until it has answered.

A wish to stop is said again until there is an answer, and the host believes in it at once: should
the controller never hear of it, the heartbeats' disagreement stops it too. A wish for torque is
said once: whoever asked may have changed his mind by the time it would be said again.
"""

from typing import Any

from firmware_bridge.driver import refusal
from firmware_bridge.protocol import BY_NAME
from firmware_bridge.safety_words import Mode, Reason, Wish

AGAIN_NS = 50_000_000
UNANSWERED_NS = 500_000_000
STOPS = {Wish.DISARM: Mode.DISARMED, Wish.STOP: Mode.PROTECTIVE_STOP, Wish.ESTOP: Mode.ESTOP}
"""Wishes that end being engaged, and where they lead."""


class Wishes:
    """At most one wish without an answer; a newer one replaces it unless it is the less safe."""

    def __init__(self) -> None:
        self._wish: Wish | None = None
        self._since_ns = 0
        self._said_ns: int | None = None
        self._refusals: dict[str, None] = {}  # each once, since they were last taken

    @property
    def is_waiting(self) -> bool:
        """Whether a wish has no answer yet."""
        return self._wish is not None

    def ask(self, wish: Wish, now_ns: int) -> None:
        """Wants something; a wish for torque is refused while a stop is not answered."""
        if self._wish in STOPS and wish not in STOPS:
            self.refuse(wish, Reason.WRONG_MODE.name)
            return
        if self._wish is Wish.ESTOP:
            return  # there is no more than that
        self._wish, self._since_ns, self._said_ns = wish, now_ns, None

    def refuse(self, wish: Wish, why: str) -> None:
        """Notes that a wish was not granted."""
        self._refusals[f"{wish.name.lower()}_refused_{why.lower()}"] = None

    def to_say(self, now_ns: int) -> list[Wish]:
        """What is due now."""
        wish = self._wish
        if wish is None:
            return []
        if now_ns - self._since_ns > UNANSWERED_NS:
            self.refuse(wish, "unanswered")
            self._wish = None
            return []
        again = self._said_ns is None or (wish in STOPS and now_ns - self._said_ns >= AGAIN_NS)
        if not again:
            return []
        self._said_ns = now_ns
        return [wish]

    def verdict(self, fields: Any) -> None:
        """Takes the controller's answer to a wish."""
        if fields.about != BY_NAME["wish"].id or fields.index != self._wish:
            return
        if fields.reason != Reason.NONE:
            self._refusals[refusal(Wish(fields.index), Reason(fields.reason))] = None
        self._wish = None

    def believed(self, told: Mode) -> Mode:
        """The mode that the host believes in, where the controller has `told` it this one."""
        return told if self._wish is None else STOPS.get(self._wish, told)

    def forget(self) -> None:
        """The controller cannot be reached: what it did not answer is refused."""
        if self._wish is not None:
            self.refuse(self._wish, "no_link")
            self._wish = None

    def take_refusals(self) -> tuple[str, ...]:
        """The words for what was refused since the last call."""
        taken = tuple(self._refusals)
        self._refusals.clear()
        return taken
