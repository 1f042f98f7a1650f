"""What a person demands of a robot that runs, followed up until it is known what came of it.

A demand is not a command: it changes whether commands are obeyed. It can take several wishes to the
driver (`arm --reset` ends a stop, then arms), and none of them is believed done before the driver's
own mode says so.
"""

from collections import deque
from enum import StrEnum

import msgspec

from firmware_bridge.driver import Driver, DriverState, why_refused
from firmware_bridge.safety_words import Mode, Wish

PATIENCE_NS = 2_000_000_000  # until a controller that does not do as it was asked has not done it
MAX_WAITING = 4  # demands behind the one that is being followed up
MODE_GAUGE = "driver_mode"  # of an actuator's telemetry: the number of a `Mode`
_STOPS = (Mode.PROTECTIVE_STOP, Mode.ESTOP)


class Demand(StrEnum):
    """What may be demanded, as it is typed."""

    ARM = "arm"
    REARM = "arm --reset"
    """Ends a stop first."""
    DISARM = "disarm"
    ESTOP = "estop"


class Asked(msgspec.Struct, tag=True, frozen=True):
    """A demand on its way to the node that has the driver."""

    number: int
    demand: Demand


class Outcome(msgspec.Struct, tag=True, frozen=True):
    """What came of it."""

    number: int
    done: bool
    mode: str
    """In which the controller is now: a member of ``Mode``, in lower case; ``unknown``."""
    text: str
    """One line for the person who asked."""


def words(mode: Mode) -> str:
    """A mode as it is said."""
    return "e-stop" if mode is Mode.ESTOP else mode.name.lower().replace("_", " ")


def as_sentence(faults: tuple[str, ...]) -> str:
    """A driver's faults as they are said."""
    return ", ".join(faults).replace("_", " ")


class Request:
    """One demand, followed up."""

    def __init__(self, asked: Asked, now_ns: int) -> None:
        self._asked = asked
        self._deadline_ns = now_ns + PATIENCE_NS
        self._sent: list[Wish] = []

    def advance(self, state: DriverState, now_ns: int) -> Wish | Outcome | None:
        """What to ask of the driver now, or what came of it all; None: wait."""
        if why := self._refused(state):
            return self._failed(state, f"refused: {why}")
        want = self._wanted(state.mode)
        if want is None:
            return Outcome(
                self._asked.number, True, state.mode.name.lower(), self._done(state.mode)
            )
        if isinstance(want, str):
            return self._failed(state, want)
        if want not in self._sent:
            self._sent.append(want)
            return want
        if want is not self._sent[-1]:  # it was reached, and lost again at once
            return self._failed(state, f"it fell back: {as_sentence(state.faults) or 'no reason'}")
        if now_ns < self._deadline_ns:
            return None
        return self._failed(
            state, f"the controller does not answer; it last said that it is {words(state.mode)}"
        )

    def overtaken(self, state: DriverState) -> Outcome:
        """What came of it when somebody stopped the robot meanwhile."""
        return self._failed(state, "an e-stop came in between")

    def _wanted(self, mode: Mode) -> Wish | str | None:
        """The next wish, why there is none that helps, or None: this is what was demanded."""
        demand = self._asked.demand
        if demand is Demand.ESTOP:  # sent always: what was last heard of the mode may be old
            return None if self._sent and mode is Mode.ESTOP else Wish.ESTOP
        if mode is Mode.BOOT:
            return "the controller is not set up; look at its link with: reflexarc doctor"
        if demand is Demand.DISARM:
            if mode is Mode.ESTOP:
                return "it is stopped by an e-stop, which outlasts a disarming"
            return None if mode is Mode.DISARMED else Wish.DISARM
        if mode.is_engaged:
            return None
        if mode not in _STOPS:
            return Wish.ARM
        if demand is Demand.REARM:
            return Wish.RESET
        what = "an e-stop" if mode is Mode.ESTOP else "a protective stop"
        return f"{what} is latched; when it is safe to go on: reflexarc arm --reset"

    def _refused(self, state: DriverState) -> str | None:
        """Why the driver will not do what it was asked last."""
        if not self._sent:
            return None
        return as_sentence(why_refused(self._sent[-1], state.faults)) or None

    def _failed(self, state: DriverState, text: str) -> Outcome:
        return Outcome(self._asked.number, False, state.mode.name.lower(), text)

    def _done(self, mode: Mode) -> str:
        if mode is Mode.ESTOP:
            return "e-stop, until: reflexarc arm --reset"
        return words(mode) if self._sent else f"already {words(mode)}"


class Requests:
    """The demands on one driver: one at a time, an e-stop before all others."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._waiting: deque[Asked] = deque()
        self._current: Request | None = None
        self.outcomes: list[Outcome] = []
        """What came of them, since somebody last took this."""

    def add(self, asked: Asked, state: DriverState) -> None:
        """Takes in a demand."""
        if asked.demand is Demand.ESTOP:
            if self._current is not None:
                self.outcomes.append(self._current.overtaken(state))
            self.outcomes += [Request(a, 0).overtaken(state) for a in self._waiting]
            self._current = None
            self._waiting.clear()
        if len(self._waiting) == MAX_WAITING:
            text = "too many demands at once; ask again"
            self.outcomes.append(Outcome(asked.number, False, state.mode.name.lower(), text))
            return
        self._waiting.append(asked)

    def serve(self, state: DriverState, now_ns: int) -> DriverState:
        """Asks the driver what is to be asked now; returns its newest state."""
        while self._current or self._waiting:
            if self._current is None:
                self._current = Request(self._waiting.popleft(), now_ns)
            step = self._current.advance(state, now_ns)
            if step is None:
                break
            if isinstance(step, Outcome):
                self.outcomes.append(step)
                self._current = None
            else:
                self._driver.request(step, now_ns)
                state = self._driver.read(now_ns)
        return state
