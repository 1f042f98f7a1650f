"""Runs nodes again from a log and compares what they send with what they sent then.

Each step record in the log tells what a node read from outside of itself: the time, the clock's
readings, and which messages it took. So the step can be done again, on any day and in any order
that keeps causes before effects, and must give the same bytes. Worlds and devices are never run
again: their messages are played from the log.

The log is read once, from front to back, and what no step needs any more is let go.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from perception.quantities import InputError
from robot.clock import SECOND_NS
from robot.edges import Arrival
from robot.executor import NodeError, Progress, RunOptions, ShouldStop, node_context
from robot.graph import Edge, Graph, graph_from_resolved
from robot.messages import Message, StepRecord, Telemetry
from robot.record import LogError, Logged, LogReader
from robot.runner import NodeRunner
from robot.wire import Frames, decode, pack, unpack

EXEMPT = (Telemetry,)
"""Not compared: the load of the machine that runs, which no log can foretell."""

WAITING_LIMIT = 2048  # messages of one topic kept for later steps; a recorder's queue is 512
RANGE_LIMIT = 1_000_000  # messages that one step may have taken or sent: no sound log has more

Write = Callable[[Arrival], None]
"""Takes each message of the replay, played or made anew."""


class Difference(NamedTuple):
    """A message that came out otherwise than it stands in the log."""

    topic: str
    seq: int
    time_s: float
    """Since the first message of the log, by the run's clock."""
    field: str
    """The first field that differs; ``message``: one of the two was not sent."""
    logged: str
    replayed: str

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.topic} seq {self.seq} at {self.time_s:.3f} s differs in {self.field}: "
            f"logged {self.logged}, replayed {self.replayed}"
        )


@dataclass(frozen=True)
class Recording:
    """A log that can be replayed."""

    path: Path
    graph: Graph
    seed: int
    lockstep: bool


@dataclass
class ReplayResult:
    """How a replay went."""

    ended_by: str = "log"
    """``log`` (all of it was replayed), ``difference`` or ``interrupt``."""
    seconds: float = 0.0
    """Of the log, by the run's clock."""
    steps: dict[str, int] = field(default_factory=dict)
    """Steps done again, by node."""
    compared: int = 0
    """Messages made anew that stand in the log too."""
    differing: int = 0
    unlogged: int = 0
    """Messages made anew that the recorder had missed."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Steps at the end of a log that lacks what they took, by node."""
    first: Difference | None = None


def open_recording(path: Path, overrides: Sequence[str] = ()) -> Recording:
    """What a log tells of its run.

    Args:
        path: the log.
        overrides: ``node.key=value`` texts, to replay with another parameter.

    Raises:
        InputError: no log, one of another version or without graph, or a wrong override.
        LogError: cut short.
    """
    reader = LogReader(path)
    metadata = reader.metadata()
    if not reader.is_closed:
        raise LogError(f"{path}: is cut short; mend it with: reflexarc recover {path.parent}")
    missing = [key for key in ("graph", "seed", "clock") if key not in metadata]
    if missing:
        raise LogError(
            f"{path}: does not tell the {missing[0]} of its run, so nothing can be run again; "
            "record it anew"
        )
    graph = graph_from_resolved(metadata["graph"], path, overrides)
    if not (metadata["seed"].isdecimal() and metadata["clock"] in ("lockstep", "wall")):
        raise LogError(
            f"{path}: seed {metadata['seed']!r} or clock {metadata['clock']!r} is none; "
            "a seed is a whole number, a clock lockstep or wall"
        )
    return Recording(path, graph, int(metadata["seed"]), metadata["clock"] == "lockstep")


def nodes_to_run(graph: Graph, node: str | None, replace: Sequence[str]) -> frozenset[str]:
    """Nodes that run again: ``node``, or all but those in ``replace``; never a world or device.

    Raises:
        InputError: no such node, one that is only ever played back, or none is left.
    """
    able = [
        spec.name
        for spec in graph.nodes.values()
        if not spec.node_class.is_played_back(spec.config, graph.robot)
    ]
    for name in (*replace, *([] if node is None else [node])):
        if name not in graph.nodes:
            raise InputError(f"no node {name!r} in this log; nodes: {', '.join(graph.nodes)}")
    if node is not None and node not in able:
        raise InputError(
            f"node {node!r} is a world, a device or a watcher and is only ever played back; "
            f"nodes that can run again: {', '.join(able) or 'none'}"
        )
    chosen = frozenset(able if node is None else [node]) - frozenset(replace)
    if not chosen:
        raise InputError("no node is left to run again; name fewer with --replace")
    return chosen


class _RecordedClock:
    """Tells the readings of a step record, in their order."""

    def __init__(self) -> None:
        self._now_ns = 0
        self._readings: deque[int] = deque()

    def now_ns(self) -> int:
        """The next reading; after the last one time stands still."""
        if self._readings:
            self._now_ns = self._readings.popleft()
        return self._now_ns

    def feed(self, now_ns: int, readings: Sequence[int] = ()) -> None:
        """Puts the clock to ``now_ns``, to tell ``readings`` from there on."""
        self._now_ns = now_ns
        self._readings = deque(readings)


class _NodeReplay:
    """One node that runs again."""

    def __init__(self, recording: Recording, name: str) -> None:
        self.name = name
        self.pending: deque[StepRecord] = deque()
        self.steps = 0
        self._recording = recording
        self._spec = recording.graph.nodes[name]
        self._clock = _RecordedClock()
        self._next_record = 0
        self._start_ns: int | None = None
        self._newest_start_ns: int | None = None
        self._resume_at: dict[str, int] = {}
        self._runner: NodeRunner | None = None
        self.edges: dict[str, Edge] = {str(e): e for e in recording.graph.edges_into(name)}

    def add(self, record: StepRecord) -> None:
        """Takes in the record of the node's next step.

        Raises:
            LogError: the one before it is missing, or it does not fit the graph.
        """
        began_anew = record.start_ns != self._newest_start_ns  # its last records died with it
        if record.seq < self._next_record or (
            record.seq > self._next_record and not (began_anew and self._next_record)
        ):
            raise LogError(
                f"{self._recording.path}: lacks step record {self._next_record} of node "
                f"{self.name!r} (the recorder was too slow), so later steps cannot be done again"
            )
        if fault := self._fault(record):
            raise LogError(
                f"{self._recording.path}: step record {record.seq} of node {self.name!r} {fault}"
            )
        self._next_record = record.seq + 1
        self._newest_start_ns = record.start_ns
        self.pending.append(record)

    def resume(self, port: str, seq: int) -> None:
        """Counts on from ``seq``: what comes before it was sent in a step without record."""
        self._resume_at[port] = seq

    def do_again(self, record: StepRecord, taken: dict[Edge, list[Frames]]) -> list[Arrival]:
        """One step, on the messages it took then; returns what it sends.

        Raises:
            NodeError: the node threw.
        """
        runner = self._runner_of(record)
        runner.sent.update(self._resume_at)
        self._resume_at.clear()
        for text, heard_ns in record.heard_ns.items():
            edge = self.edges[text]
            self._clock.feed(heard_ns)
            for frames in taken.get(edge, ()):
                runner.push(edge, frames)
            if edge not in taken:
                runner.hear(edge, heard_ns, valid=True)
        now_ns = record.captured_ns
        readings = [now_ns + after_ns for after_ns in record.clock_after_ns]
        self._clock.feed(now_ns, [] if self._recording.lockstep else [*readings, record.sent_ns])
        try:
            if record.stepped:
                outgoing = runner.step(now_ns, woken=record.woken)
            elif record.told:
                outgoing = runner.tell(now_ns, record.told)
            else:
                outgoing = runner.watch(now_ns)
        except Exception as error:
            raise NodeError(self.name) from error
        self.steps += 1
        return [self.arrival(port, frames) for port, frames in outgoing]

    def close(self) -> None:
        """Lets go of what the node holds."""
        if self._runner is not None:
            self._runner.node.close()

    def topic(self, port: str) -> str:
        """The topic of one of its ports."""
        return self._recording.graph.topic(self.name, port)

    def arrival(self, port: str, frames: Frames) -> Arrival:
        """One of its messages."""
        return Arrival(self.topic(port), decode(self._spec.outputs[port].type, frames), frames)

    def _fault(self, record: StepRecord) -> str | None:
        """Why a record cannot be of this node and graph."""
        for edge in (*record.heard_ns, *record.took):
            if edge not in self.edges:
                return f"reads {edge!r}, which its graph does not have"
        for port in record.sent:
            if port not in self._spec.outputs:
                return f"writes {port!r}, which its node does not have"
        for ends in map(list, (*record.took.values(), *record.sent.values())):
            ascending = ends == sorted(ends) and len(ends) >= 2 and len(ends) % 2 == 0
            if not ascending or ends[0] < 0 or ends[-1] - ends[0] > RANGE_LIMIT:
                return f"has no sound range of messages: {_short(ends)}"
        return None

    def _runner_of(self, record: StepRecord) -> NodeRunner:
        """The runner of this step; a node that was started anew then is started anew now."""
        if self._runner is None or record.start_ns != self._start_ns:
            recording = self._recording
            self.close()
            self._clock.feed(record.start_ns)
            options = RunOptions(None, recording.seed, recording.lockstep, None)
            context = node_context(recording.graph, self.name, options, self._clock)
            before = None if self._runner is None else self._runner.sent
            self._runner = NodeRunner(self._spec, recording.graph, context)
            self._runner.sent.update(before or {})
            self._runner.sent["steps"] = record.seq
            self._runner.start(record.start_ns)
            self._start_ns = record.start_ns
        return self._runner


class Replay:
    """One pass over a log.

    Raises:
        LogError: the graph did not record the steps of a node that shall run again.
    """

    def __init__(self, recording: Recording, nodes: frozenset[str]) -> None:
        graph = recording.graph
        self._recording = recording
        self._nodes = {name: _NodeReplay(recording, name) for name in graph.nodes if name in nodes}
        self._made_by = {
            node.topic(port): node for node in self._nodes.values() for port in _ports(graph, node)
        }
        self._recorded = {
            edge.topic for edge in graph.edges if graph.nodes[edge.reader].class_name == "recorder"
        }
        unseen = [n.name for n in self._nodes.values() if n.topic("steps") not in self._recorded]
        if unseen:
            raise LogError(
                f"{recording.path}: holds no step records of {', '.join(unseen)}; play what it "
                f"lacks (--replace {' '.join(unseen)}), or record with an edge '* -> recorder.log'"
            )
        self._readers: dict[str, list[Edge]] = {}
        for edge in graph.edges:
            if edge.reader in nodes:
                self._readers.setdefault(edge.topic, []).append(edge)
        self._waiting: dict[str, dict[int, Frames]] = {topic: {} for topic in self._readers}
        """Messages that some step may still take, by topic and seq."""
        self._logged: dict[str, dict[int, bytes]] = {topic: {} for topic in self._made_by}
        """What nodes that run again sent then, until they send it again."""
        self._newest: dict[str, int] = {}
        """Newest seq read from the log, by topic."""
        self._remade: dict[str, int] = {}
        """Newest seq that the steps done again had sent then, by topic."""
        self._lost: dict[str, set[int]] = {topic: set() for topic in self._made_by}
        """Messages that a node sent before it died and that died with it, by topic."""
        self._taken: dict[Edge, int] = {}
        self._first_ns: int | None = None
        self._log_has_ended = False
        self._result = ReplayResult()

    def run(
        self,
        write: Write,
        progress: Progress,
        should_stop: ShouldStop,
        *,
        stop_at_difference: bool,
    ) -> ReplayResult:
        """Replays the log to its end, or to the first difference.

        Raises:
            LogError: the log is damaged, or lacks what a step took.
            NodeError: a node threw.
        """
        result = self._result
        try:
            result.ended_by = self._loop(write, progress, should_stop, stop_at_difference)
        finally:
            for node in self._nodes.values():
                node.close()
        result.steps = {name: node.steps for name, node in self._nodes.items()}
        result.left_out = {n.name: len(n.pending) for n in self._nodes.values() if n.pending}
        return result

    def _loop(
        self, write: Write, progress: Progress, should_stop: ShouldStop, stop_at_difference: bool
    ) -> str:
        """Reads and steps; tells how it ended."""
        reader = LogReader(self._recording.path)
        for entry in reader.messages():
            self._take_in(entry, write)
            for _ in self._steps(write):
                if stop_at_difference and self._result.first is not None:
                    return "difference"
            progress(self._result.seconds)
            if should_stop():
                return "interrupt"
        self._refuse_damage(reader)
        self._log_has_ended = True
        for _ in self._steps(write):
            if stop_at_difference and self._result.first is not None:
                return "difference"
        self._refuse_unrecorded()
        return "log"

    def _take_in(self, entry: Logged, write: Write) -> None:
        """One message of the log: to be played, to be compared with, or a step to be done."""
        topic, message = entry.topic, entry.message
        if self._first_ns is None:
            self._first_ns = message.sent_ns
        self._result.seconds = max(self._result.seconds, self._since_first_s(message.sent_ns))
        self._newest[topic] = message.seq
        node = self._made_by.get(topic)
        if node is None:
            frames = unpack(entry.record)
            if topic in self._readers:
                _keep(self._waiting[topic], message.seq, frames)
            write(Arrival(topic, message, frames))
            return
        if isinstance(message, StepRecord):
            node.add(message)
        if not isinstance(message, EXEMPT):
            _keep(self._logged[topic], message.seq, entry.record)

    def _steps(self, write: Write) -> Iterator[None]:
        """Does every step whose causes are there; yields after each."""
        moved = True
        while moved:
            moved = False
            for node in self._nodes.values():
                while node.pending and self._is_ready(node, node.pending[0]):
                    moved = True
                    self._step(node, node.pending.popleft(), write)
                    yield

    def _is_ready(self, node: _NodeReplay, record: StepRecord) -> bool:
        """Whether all that the step took is there, and what it sent then, to compare with."""
        for text, ranges in record.took.items():
            topic = node.edges[text].topic
            seen = self._remade if topic in self._made_by else self._newest
            if seen.get(topic, -1) < ranges[-1]:
                return False
        return self._log_has_ended or all(
            self._newest.get(node.topic(port), -1) >= last
            for port, (_, last) in record.sent.items()
            if node.topic(port) in self._recorded
        )

    def _step(self, node: _NodeReplay, record: StepRecord, write: Write) -> None:
        """Does one step again, compares, and hands on what it sent."""
        self._play_orphans(node, record, write)
        taken = {node.edges[text]: self._take(node, text, record) for text in record.took}
        made = node.do_again(record, taken)
        for difference in self._differences(node, record, made):
            self._result.differing += 1
            self._result.first = self._result.first or difference
        for port, (_, last) in record.sent.items():
            self._remade[node.topic(port)] = last
        for arrival in made:
            self._hand_on(arrival, write)
        for edge in taken:
            self._taken[edge] = record.took[str(edge)][-1]
            self._let_go(edge.topic)

    def _hand_on(self, arrival: Arrival, write: Write) -> None:
        """Gives a message to those who will take it."""
        if arrival.topic in self._readers:
            _keep(self._waiting[arrival.topic], arrival.message.seq, arrival.frames)
        write(arrival)

    def _play_orphans(self, node: _NodeReplay, record: StepRecord, write: Write) -> None:
        """Plays what a node had sent in steps whose records died with it, before this one.

        Raises:
            LogError: there are more of them than there can be.
        """
        for port, (first, _) in record.sent.items():
            topic = node.topic(port)
            expected = self._remade.get(topic, -1) + 1
            if first - expected > RANGE_LIMIT:
                raise LogError(
                    f"{self._recording.path}: {topic} jumps from seq {expected} to {first}"
                )
            for seq in range(expected, first):
                logged = self._logged[topic].pop(seq, None)
                if logged is None:
                    self._lost[topic].add(seq)
                else:
                    self._hand_on(node.arrival(port, unpack(logged)), write)
            if first > expected:
                node.resume(port, first)

    def _take(self, node: _NodeReplay, text: str, record: StepRecord) -> list[Frames]:
        """The messages that a step took from one edge.

        Raises:
            LogError: the recorder had lost one of them.
        """
        topic = node.edges[text].topic
        waiting = self._waiting[topic]
        found = []
        for seq in _each(record.took[text]):
            if seq in waiting:
                found.append(waiting[seq])
            elif topic not in self._made_by or seq in self._lost[topic]:
                raise LogError(
                    f"{self._recording.path}: lacks {topic} seq {seq}, which node {node.name!r} "
                    "took (the recorder was too slow), so its step cannot be done again"
                )
            # else it is a message that was not sent this time
        return found

    def _let_go(self, topic: str) -> None:
        """Forgets the messages that all readers have passed."""
        passed = min(self._taken.get(edge, -1) for edge in self._readers[topic])
        waiting = self._waiting[topic]
        for seq in [seq for seq in waiting if seq <= passed]:
            del waiting[seq]

    def _differences(
        self, node: _NodeReplay, record: StepRecord, made: list[Arrival]
    ) -> Iterator[Difference]:
        """How the messages of one step differ from those in the log, in the order of sending."""
        told = [arrival for arrival in made if isinstance(arrival.message, StepRecord)]
        for arrival in made:
            if not isinstance(arrival.message, (*EXEMPT, StepRecord)):
                yield from self._compare(node, record, arrival)
        for port, (first, last) in record.sent.items():
            topic = node.topic(port)
            for seq in range(first, last + 1):
                if self._logged[topic].pop(seq, None) is not None:
                    yield self._one_sided(topic, seq, record, "sent", "not sent")
        for arrival in told:  # last: it repeats what the others have shown
            yield from self._compare(node, record, arrival)

    def _compare(
        self, node: _NodeReplay, record: StepRecord, made: Arrival
    ) -> Iterator[Difference]:
        """How one message differs from that in the log."""
        topic, message, frames = made
        logged = self._logged[topic].pop(message.seq, None)
        if logged is not None:
            self._result.compared += 1
            if logged != pack(frames):
                yield self._difference(topic, message, logged)
        elif self._was_sent(node, record, topic, message.seq):
            self._result.unlogged += 1
        else:
            yield self._one_sided(topic, message.seq, record, "not sent", "sent")

    def _one_sided(
        self, topic: str, seq: int, record: StepRecord, logged: str, replayed: str
    ) -> Difference:
        """A message that only one of the two sent."""
        time_s = self._since_first_s(record.captured_ns)
        return Difference(topic, seq, time_s, "message", logged, replayed)

    def _was_sent(self, node: _NodeReplay, record: StepRecord, topic: str, seq: int) -> bool:
        """Whether the step had sent a message then, as its record tells."""
        if seq == record.seq and topic == node.topic("steps"):
            return True
        return any(
            node.topic(port) == topic and first <= seq <= last
            for port, (first, last) in record.sent.items()
        )

    def _difference(self, topic: str, message: Message, logged: bytes) -> Difference:
        """Where a message differs from its bytes in the log."""
        then = decode(type(message), unpack(logged))
        time_s = self._since_first_s(then.sent_ns)
        for name in message.__struct_fields__:
            ours, theirs = getattr(message, name), getattr(then, name)
            if not _same(ours, theirs):
                return Difference(topic, message.seq, time_s, *_first_unequal(name, theirs, ours))
        return Difference(topic, message.seq, time_s, "its bytes", "equal values", "equal values")

    def _since_first_s(self, now_ns: int) -> float:
        return (now_ns - (now_ns if self._first_ns is None else self._first_ns)) / SECOND_NS

    def _refuse_damage(self, reader: LogReader) -> None:
        """Raises a LogError for a log that could be read in part only, or tells of no step."""
        path = self._recording.path
        if reader.truncated:
            raise LogError(f"{path}: is damaged; mend it with: reflexarc recover {path.parent}")
        without = [n.name for n in self._nodes.values() if n.topic("steps") not in self._newest]
        if len(without) == len(self._nodes):
            raise LogError(
                f"{path}: holds no step records of {', '.join(without)}, so none can run again"
            )

    def _refuse_unrecorded(self) -> None:
        """Raises a LogError for a topic that a node took and nobody recorded."""
        for node in self._nodes.values():
            for text in node.pending[0].took if node.pending else ():
                topic = node.edges[text].topic
                if topic not in self._made_by and topic not in self._newest:
                    raise LogError(
                        f"{self._recording.path}: {topic}, which node {node.name!r} read, was not "
                        "recorded; record with an edge '* -> recorder.log'"
                    )


def _ports(graph: Graph, node: _NodeReplay) -> Iterator[str]:
    yield from graph.nodes[node.name].outputs


def _keep(store: dict[int, Any], seq: int, content: Any) -> None:
    """Stores a message for later; the oldest gives way if nobody ever takes them."""
    store[seq] = content
    if len(store) > WAITING_LIMIT:
        del store[next(iter(store))]


def _each(ranges: tuple[int, ...]) -> Iterator[int]:
    """Every number of first, last, first, last, ..."""
    for first, last in zip(ranges[::2], ranges[1::2], strict=True):
        yield from range(first, last + 1)


def _same(ours: Any, theirs: Any) -> bool:
    """Whether two fields are equal; not-a-number equals itself."""
    if isinstance(ours, np.ndarray):
        return ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()
    return msgspec.msgpack.encode(ours) == msgspec.msgpack.encode(theirs)


def _first_unequal(name: str, logged: Any, replayed: Any) -> tuple[str, str, str]:
    """The place and both values, as short as they can be told."""
    if isinstance(logged, np.ndarray):
        if logged.shape != replayed.shape:
            return name, f"shape {logged.shape}", f"shape {replayed.shape}"
        sizes = (logged.size, logged.itemsize)
        raw = [np.frombuffer(a.tobytes(), np.uint8).reshape(sizes) for a in (logged, replayed)]
        at = int(np.flatnonzero((raw[0] != raw[1]).any(axis=1))[0])
        index = ", ".join(str(i) for i in np.unravel_index(at, logged.shape))
        return f"{name}[{index}]", f"{logged.flat[at]}", f"{replayed.flat[at]}"
    return name, _short(logged), _short(replayed)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
