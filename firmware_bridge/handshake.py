"""From hello to a controller that knows its limits: what is said, what is answered, what is wrong.

    host        hello  ->            configure, configure_axis 0..n-1  ->
    controller         <- identity                                      <- a verdict on each

Whatever gets lost is said again. A controller that is engaged or stopped when it is greeted keeps
its configuration: whoever armed it decides when the torque goes. If that was this link, before the
cable was out, the two agree; if not, it must be disarmed before it is told anything.
"""

from enum import Enum
from typing import Any

from firmware_bridge.errors import BridgeInputError, LimitsRefusedError, SchemaMismatchError
from firmware_bridge.mcu_setup import Setup
from firmware_bridge.protocol import BY_ID, BY_NAME, SCHEMA_HASH
from firmware_bridge.refused_limits import Question, not_understood, questions, told
from firmware_bridge.safety_words import Mode, Reason

AGAIN_NS = 100_000_000  # what is not answered by then is said again
DISORDER_US = 50_000  # by which a packet's stamp may be before that of one sent earlier
_CONFIGURE, _CONFIGURE_AXIS = BY_NAME["configure"].id, BY_NAME["configure_axis"].id
_OPEN_TO_SETUP = (Mode.BOOT, Mode.DISARMED)


class Stage(Enum):
    """How far it has come."""

    GREETING = "no answer to hello"
    CONFIGURING = "limits not confirmed"
    ASKING = "which limit it refuses is not known yet"
    FOREIGN = "set up by another host: disarm it first"
    DONE = "it sends no telemetry"
    REFUSED = "refused"


class Handshake:
    """One greeting of one controller. `error` says what is wrong for good, in stage REFUSED."""

    def __init__(self, setup: Setup, where: str) -> None:
        self._setup = setup
        self._where = where
        self._said_ns: int | None = None
        axes = range(len(setup.axes))
        self._asked = {(_CONFIGURE, 0), *((_CONFIGURE_AXIS, index) for index in axes)}
        self._missing: set[tuple[int, int]] = set()  # of these packets, those without a verdict
        self._has_agreed = False  # since the controller's power-up
        self._refused = ("", 0)  # packet and axis
        self._questions: list[Question] = []  # about it, without an answer
        self._beyond: list[str] = []  # keys that are the answer
        self.stage = Stage.GREETING
        self.error: BridgeInputError | None = None
        self.uptime_us = -1  # newest time that the controller told; -1: none yet
        self.resets = 0  # how often that went back

    def begin(self) -> None:
        """Says hello anew, whatever went before."""
        self.stage = Stage.GREETING
        self.error = None
        self._said_ns = None

    def to_say(self, now_ns: int) -> list[tuple[str, dict[str, Any]]]:
        """Packets that are due now, as name and fields."""
        if self._said_ns is not None and now_ns - self._said_ns < AGAIN_NS:
            return []
        self._said_ns = now_ns
        if self.stage is Stage.GREETING:
            return [("hello", {"schema_hash": SCHEMA_HASH})]
        if self.stage is Stage.ASKING:
            return [(self._questions[0].packet, self._questions[0].fields)]
        if self.stage is not Stage.CONFIGURING:
            return []
        self._missing = set(self._asked)
        axes = [("configure_axis", axis) for axis in self._setup.axes]
        return [("configure", self._setup.configure), *axes]

    def identity(self, fields: Any) -> None:
        """Takes the answer to hello."""
        if self.stage is not Stage.GREETING:
            return  # to a hello that was said again
        self.is_at(fields.uptime_us)
        if fields.schema_hash != SCHEMA_HASH:
            self.foreign(fields.schema_hash)
        elif fields.mode in _OPEN_TO_SETUP:
            self._configure()
        else:
            self.stage = Stage.DONE if self._has_agreed else Stage.FOREIGN

    def foreign(self, schema_hash: int) -> None:
        """Meets a controller that has another table of packets."""
        self._refuse(
            SchemaMismatchError(
                f"the firmware at {self._where} speaks schema {schema_hash:08x}, this host "
                f"{SCHEMA_HASH:08x}: reflash the controller (make firmware)"
            )
        )

    def is_at(self, uptime_us: int) -> bool:
        """Notes the controller's time; True if it shows that it was reset.

        Packets are stamped when they are begun and not when they are sent, so one that is a little
        older than the last shows nothing.
        """
        was_reset = uptime_us < self.uptime_us - DISORDER_US
        self.uptime_us = uptime_us if was_reset else max(uptime_us, self.uptime_us)
        if was_reset:
            self.resets += 1
            self._has_agreed = False
        return was_reset

    def mode(self, mode: Mode) -> None:
        """Takes the mode that the controller tells; a foreign one that is disarmed is set up."""
        if self.stage is Stage.FOREIGN and mode in _OPEN_TO_SETUP:
            self._configure()

    def verdict(self, fields: Any) -> None:
        """Takes the answer to one packet of the set-up."""
        if (fields.about, fields.index) not in self._asked:
            return
        if self.stage is Stage.ASKING:
            self._answer(fields)
        elif self.stage is not Stage.CONFIGURING:
            return
        elif fields.reason == Reason.WRONG_MODE:
            self.begin()  # it was disarmed a moment ago
        elif fields.reason == Reason.BEYOND_HARDWARE:
            self._ask(BY_ID[fields.about].name, fields.index)
        elif fields.reason != Reason.NONE:
            packet, index = BY_ID[fields.about].name, fields.index
            line = not_understood(self._setup, packet, index, Reason(fields.reason), self._where)
            self._refuse(LimitsRefusedError(line))
        else:
            self._missing.discard((fields.about, fields.index))
            if not self._missing:
                self.stage = Stage.DONE
                self._has_agreed = True

    def _ask(self, packet: str, index: int) -> None:
        """Goes on to find out which limit of a packet was refused."""
        self.stage = Stage.ASKING
        self._refused = (packet, index)
        self._questions, self._beyond = questions(self._setup, packet, index), []
        self._said_ns = None

    def _answer(self, fields: Any) -> None:
        question = self._questions[0]
        index = question.fields.get("index", 0)
        if (fields.about, fields.index) != (BY_NAME[question.packet].id, index):
            return  # to a packet of the set-up
        if question.key and fields.reason == Reason.BEYOND_HARDWARE:
            self._beyond.append(question.key)
        del self._questions[0]
        self._said_ns = None
        if not self._questions:
            line = told(self._setup, *self._refused, self._beyond, self._where)
            self._refuse(LimitsRefusedError(line))

    def _configure(self) -> None:
        self.stage = Stage.CONFIGURING
        self._has_agreed = False
        self._said_ns = None

    def _refuse(self, error: BridgeInputError) -> None:
        self.stage = Stage.REFUSED
        self.error = error
