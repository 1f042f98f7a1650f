"""Faults on request, in the words of PX4's failure injection, as one table.

A fault stands in a line: between the wire and the actuators, between the sensors and the wire, or
on the link between host and controller. On the command line a fault is `PLACE:WORD@BEGIN-END` in
seconds of the line's time, `sensor:stuck@3.0-5.0`; without an end it stays, without both it is
there from the beginning.

The words: https://docs.px4.io/main/en/debug/failure_injection.html
"""

import math
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from firmware_bridge.emulators import fault_effects as effects
from firmware_bridge.errors import FaultError


class Place(StrEnum):
    """Where a fault stands."""

    SENSOR = "sensor"
    ACTUATOR = "actuator"
    LINK = "link"


class Word(StrEnum):
    """How something fails."""

    OFF = "off"
    STUCK = "stuck"
    GARBAGE = "garbage"
    WRONG = "wrong"
    SLOW = "slow"
    DELAYED = "delayed"
    INTERMITTENT = "intermittent"


class Row(NamedTuple):
    """A row of `FAULTS`."""

    meaning: str
    begin: Callable[[np.random.Generator], effects.Effect]


FAULTS = {
    (Place.SENSOR, Word.OFF): Row("no answer", lambda _: effects.Silent()),
    (Place.SENSOR, Word.STUCK): Row(
        "the same values and efforts", lambda _: effects.Frozen("values", "efforts")
    ),
    (Place.SENSOR, Word.GARBAGE): Row("any values", lambda rng: effects.Random("values", rng)),
    (Place.SENSOR, Word.WRONG): Row("an offset", lambda _: effects.Wrong("values")),
    (Place.SENSOR, Word.SLOW): Row("a lag of 250 ms", lambda _: effects.Slow("values")),
    (Place.SENSOR, Word.DELAYED): Row("answers after 200 ms", lambda _: effects.Delayed()),
    (Place.SENSOR, Word.INTERMITTENT): Row(
        "no answer for 100 ms of 200", lambda _: effects.Intermittent()
    ),
    (Place.ACTUATOR, Word.OFF): Row("no torque", lambda _: effects.WithoutTorque()),
    (Place.ACTUATOR, Word.STUCK): Row("obeys no more", lambda _: effects.Frozen("setpoint")),
    (Place.ACTUATOR, Word.GARBAGE): Row(
        "goes anywhere", lambda rng: effects.Random("setpoint", rng)
    ),
    (Place.ACTUATOR, Word.WRONG): Row("goes beside", lambda _: effects.Wrong("setpoint")),
    (Place.ACTUATOR, Word.SLOW): Row("a lag of 250 ms more", lambda _: effects.Slow("setpoint")),
    (Place.ACTUATOR, Word.DELAYED): Row("obeys after 200 ms", lambda _: effects.LateDrives()),
    (Place.ACTUATOR, Word.INTERMITTENT): Row(
        "no torque for 100 ms of 200",
        lambda _: effects.WithoutTorque(effects.Intermittent()),
    ),
    (Place.LINK, Word.OFF): Row("nothing passes", lambda _: effects.Silent()),
    (Place.LINK, Word.STUCK): Row("the same bytes", lambda _: effects.Repeated()),
    (Place.LINK, Word.GARBAGE): Row("any bytes", lambda rng: effects.Garbled(rng)),
    (Place.LINK, Word.WRONG): Row("a wrong bit", lambda rng: effects.Flipped(rng)),
    (Place.LINK, Word.SLOW): Row("500 bytes/s", lambda _: effects.Throttled()),
    (Place.LINK, Word.DELAYED): Row("passes after 200 ms", lambda _: effects.Delayed()),
    (Place.LINK, Word.INTERMITTENT): Row(
        "nothing passes for 100 ms of 200", lambda _: effects.Intermittent()
    ),
}


class Fault(NamedTuple):
    """A fault and when it is there, in seconds of the line's time."""

    place: Place
    word: Word
    begin_s: float = 0.0
    end_s: float = math.inf

    def is_there(self, now_us: int) -> bool:
        """Whether it is at work."""
        return self.begin_s * 1e6 <= now_us < self.end_s * 1e6


_WRITTEN = re.compile(r"(?P<place>\w+):(?P<word>\w+)(@(?P<begin>[\d.]+)(-(?P<end>[\d.]+))?)?")


def parse_fault(text: str) -> Fault:
    """A fault as it is written on the command line.

    Raises:
        FaultError: another form, an unknown place or word, an end that is not after the beginning.
    """
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise FaultError(f"fault {text!r}: write PLACE:WORD@BEGIN-END, as sensor:stuck@3.0-5.0")
    if written["place"] not in list(Place):
        raise FaultError(f"fault {text!r}: no such place; there are {', '.join(Place)}")
    if written["word"] not in list(Word):
        raise FaultError(f"fault {text!r}: no such word; there are {', '.join(Word)}")
    try:
        begin_s, end_s = float(written["begin"] or 0), float(written["end"] or math.inf)
    except ValueError:
        raise FaultError(f"fault {text!r}: begin and end are seconds, as 3.0-5.0") from None
    if end_s <= begin_s:
        raise FaultError(f"fault {text!r}: its end is not after its beginning")
    return Fault(Place(written["place"]), Word(written["word"]), begin_s, end_s)


class FaultLine:
    """Lets things pass through the faults of its place that are there."""

    def __init__(self, place: Place, faults: Sequence[Fault], seed: int = 0) -> None:
        self._place = place
        self._faults: list[Fault] = []
        self._rng = np.random.default_rng(seed)
        self._working: dict[Fault, effects.Effect] = {}
        for fault in faults:
            self.inject(fault)

    def inject(self, fault: Fault) -> None:
        """Adds a fault, if this is its place."""
        if fault.place is self._place:
            self._faults.append(fault)

    def passes(self, item: Any, now_us: int) -> list[Any]:
        """What comes out for what goes in; a link's line is called also when nothing came (b"")."""
        items = [item]
        for fault in self._faults:
            if not fault.is_there(now_us):
                self._working.pop(fault, None)
                continue
            if fault not in self._working:
                begin = FAULTS[fault.place, fault.word].begin
                self._working[fault] = begin(self._rng)
            effect = self._working[fault]
            items = [out for one in items for out in effect(one, now_us)]
        return items
