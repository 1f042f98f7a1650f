"""One node that runs again: its runner, fed with what the step records tell."""

from collections import deque
from collections.abc import Sequence

from robot.difference import short
from robot.edges import Arrival
from robot.executor import NodeError, RunOptions, node_context
from robot.graph import Edge
from robot.messages import StepRecord
from robot.record import LogError
from robot.recording import Recording
from robot.runner import NodeRunner
from robot.wire import Frames, decode
from robot.wishes import Asked, Demand

RANGE_LIMIT = 1_000_000  # messages that one step may have taken or sent: no sound log has more


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


class NodeReplay:
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
        if record.halted != runner.halted:
            runner.halt(on=record.halted)
        for demand in record.asked or ():
            runner.ask(Asked(0, Demand(demand)))
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
                return f"has no sound range of messages: {short(ends)}"
        for demand in record.asked or ():
            if demand not in list(Demand):
                return f"was asked for {demand!r}, which cannot be demanded"
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
