"""A flight that learned: what both cues saw over time, who flew, and why; read from its log.

A reading that was not valid is NaN, so a camera that is unplugged shows as a gap.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from robot.clock import SECOND_NS
from robot.messages import (
    CollisionEvent,
    HandoverState,
    MonoStatus,
    ProximityReading,
    RoomDescription,
)
from robot.record import LogReader

MINUTE_S = 60.0
LEAST_FAULT_S = 2.0  # a shorter one is no part of the story in words


class Rate(NamedTuple):
    """How often the teacher overrode, in one minute of the flight."""

    from_s: float
    to_s: float
    per_min: float  # of the time in which the student had the controls


class Span(NamedTuple):
    """A stretch of time of one kind."""

    from_s: float
    to_s: float
    name: str


@dataclass
class Story:
    """What the log of a flight says of both cues; seconds from the first decision."""

    teacher: list[tuple[float, float]] = field(default_factory=list)  # s, 1/m; NaN: not valid
    student: list[tuple[float, float]] = field(default_factory=list)
    doubt: list[tuple[float, float]] = field(default_factory=list)  # s, 0..1
    states: list[HandoverState] = field(default_factory=list)
    collisions_s: list[float] = field(default_factory=list)
    rooms_s: list[float] = field(default_factory=list)  # when it came into another room

    @property
    def start_ns(self) -> int:
        """Stamp of the first decision."""
        return self.states[0].captured_ns

    @property
    def length_s(self) -> float:
        """From the first decision to the last."""
        return (self.states[-1].captured_ns - self.start_ns) / SECOND_NS

    def seconds(self, state: HandoverState) -> float:
        """Of a decision, from the first one."""
        return (state.captured_ns - self.start_ns) / SECOND_NS

    def spans(self, field_name: str) -> list[Span]:
        """Stretches of equal content of a field of the state; empty content is none."""
        found: list[Span] = []
        for state in self.states:
            name = str(getattr(state, field_name))
            at_s = self.seconds(state)
            if found:
                found[-1] = found[-1]._replace(to_s=at_s)
            if not found or found[-1].name != name:
                found.append(Span(at_s, at_s, name))
        return [span for span in found if span.name]

    def override_rates(self) -> list[Rate]:
        """Minute by minute, where the student had the controls for some of it."""
        rates: list[Rate] = []
        before = self.states[0].overrides
        for minute in range(math.ceil(self.length_s / MINUTE_S)):
            states = [state for state in self.states if self._minute(state) == minute]
            if not states:
                continue
            flown = sum(state.actor == "student" or state.overriding for state in states)
            overrides, before = states[-1].overrides - before, states[-1].overrides
            to_s = min((minute + 1) * MINUTE_S, self.length_s)
            if flown:
                flown_min = flown / len(states) * (to_s - minute * MINUTE_S) / MINUTE_S
                rates.append(Rate(minute * MINUTE_S, to_s, overrides / flown_min))
        return rates

    def _minute(self, state: HandoverState) -> int:
        return int(self.seconds(state) // MINUTE_S)


def read_story(log: Path) -> Story | None:
    """The story in a log; None when nobody decided between two cues.

    Raises:
        LogError: the log cannot be read.
    """
    reader = LogReader(log)
    teacher, student = (_writer(reader, cue) for cue in ("teacher", "student"))
    story = Story()
    rooms = -1  # the first is where it began
    kinds = (HandoverState, ProximityReading, MonoStatus, CollisionEvent, RoomDescription)
    later: list[tuple[int, str, Any]] = []
    for topic, message, _ in reader.messages(*kinds):
        if isinstance(message, HandoverState):
            story.states.append(message)
        else:
            later.append((message.captured_ns, topic, message))
    if not story.states:
        return None
    for captured_ns, topic, message in later:
        at_s = (captured_ns - story.start_ns) / SECOND_NS
        match message:
            case ProximityReading() if topic == teacher:
                story.teacher.append((at_s, _nearness(message)))
            case ProximityReading() if topic == student:
                story.student.append((at_s, _nearness(message)))
            case MonoStatus() if message.version:
                story.doubt.append((at_s, message.doubt))
            case CollisionEvent():
                story.collisions_s.append(at_s)
            case RoomDescription():
                rooms += 1
                story.rooms_s += [at_s] * (rooms > 0)
            case _:
                pass
    return story


def _writer(reader: LogReader, cue: str) -> str:
    """The topic that a cue of the handover comes from, by the graph in the log."""
    graph = json.loads(reader.metadata().get("graph", "{}"))
    for edge in graph.get("edges", {}):
        writer, _, target = edge.partition(" -> ")
        if target.endswith(f".{cue}"):
            return writer.replace(".", "/")
    return ""


def _nearness(reading: ProximityReading) -> float:
    """1/m of the nearest thing in the corridor; NaN for a reading that is not valid."""
    return 1 / max(reading.corridor_m, 1e-3) if reading.valid else math.nan


def told(story: Story) -> list[str]:
    """The story in a few lines: who earned the controls when, and what each fault led to."""
    lines = [_career(story)]
    for span in story.spans("teacher_fault"):
        length_s = span.to_s - span.from_s
        if length_s < LEAST_FAULT_S:
            continue
        within = [s for s in story.states if span.from_s <= story.seconds(s) < span.to_s]
        share = sum(state.actor == "student" for state in within) / len(within)
        lines.append(
            f"stereo {span.name} from {span.from_s:.0f} to {span.to_s:.0f} s: one camera flew on "
            f"for {share * length_s:.0f} s of it, for {(1 - share) * length_s:.0f} s nobody did"
        )
    return lines


def _career(story: Story) -> str:
    earned_s = [span.from_s for span in story.spans("stage") if span.name == "mono"]
    if not earned_s:
        stage = story.states[-1].stage.upper()
        return f"one camera has not earned the controls; in the end it was in {stage}"
    flown_s = sum(s.to_s - s.from_s for s in story.spans("actor") if s.name == "student")
    return (
        f"one camera earned the controls at {earned_s[0]:.0f} s and flew {flown_s:.0f} s of the "
        f"{story.length_s - earned_s[0]:.0f} s since; stereo overrode it "
        f"{story.states[-1].overrides} times"
    )
