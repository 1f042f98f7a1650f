"""Runs nodes again from a log and compares what they send with what they sent then.

Each step record in the log tells what a node read from outside of itself: the time, the clock's
readings, and which messages it took. So the step can be done again, on any day and in any order
that keeps causes before effects, and must give the same bytes. Worlds and devices are never run
again: their messages are played from the log.

The log is read once, from front to back, and what no step needs any more is let go.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from robot.clock import SECOND_NS
from robot.difference import Difference, place_of_difference
from robot.edges import Arrival
from robot.executor import Progress, ShouldStop
from robot.graph import Edge, Graph
from robot.messages import Message, StepRecord, Telemetry
from robot.node_replay import RANGE_LIMIT, NodeReplay
from robot.record import LogError, Logged, LogReader
from robot.recording import Recording
from robot.wire import Frames, decode, pack, unpack

EXEMPT = (Telemetry,)
"""Not compared: the load of the machine that runs, which no log can foretell."""

WAITING_LIMIT = 2048  # messages of one topic kept for later steps; a recorder's queue is 512

Write = Callable[[Arrival], None]
"""Takes each message of the replay, played or made anew."""


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


class Replay:
    """One pass over a log.

    Raises:
        LogError: the graph did not record the steps of a node that shall run again.
    """

    def __init__(self, recording: Recording, nodes: frozenset[str]) -> None:
        graph = recording.graph
        self._recording = recording
        self._nodes = {name: NodeReplay(recording, name) for name in graph.nodes if name in nodes}
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

    def _is_ready(self, node: NodeReplay, record: StepRecord) -> bool:
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

    def _step(self, node: NodeReplay, record: StepRecord, write: Write) -> None:
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

    def _play_orphans(self, node: NodeReplay, record: StepRecord, write: Write) -> None:
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

    def _take(self, node: NodeReplay, text: str, record: StepRecord) -> list[Frames]:
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
        self, node: NodeReplay, record: StepRecord, made: list[Arrival]
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

    def _compare(self, node: NodeReplay, record: StepRecord, made: Arrival) -> Iterator[Difference]:
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

    def _was_sent(self, node: NodeReplay, record: StepRecord, topic: str, seq: int) -> bool:
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
        return Difference(topic, message.seq, time_s, *place_of_difference(then, message))

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


def _ports(graph: Graph, node: NodeReplay) -> Iterator[str]:
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
