"""Runs one node: decodes what comes in, stamps what goes out, counts, measures, warns.

Both executors and the process of a node use this class, so a node behaves alike in all of them.
So does replay: all that a node reads from outside passes here and goes into a step record.
"""

import dataclasses
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from robot.clock import SECOND_NS, Clock
from robot.control import Vitals
from robot.counters import EdgeCounts
from robot.edges import Arrival, EdgeBuffer
from robot.graph import Edge, Graph, NodeSpec
from robot.liveness import Liveness
from robot.measures import Measures
from robot.messages import Alert, Message, StepRecord, Telemetry
from robot.node import Inputs, NodeContext, NodeReport
from robot.process_load import ProcessLoad
from robot.validation import stream_rate_hz
from robot.wire import Frames, decode, encode
from robot.wishes import Asked

TOLD_ALERTS = 20  # newest alerts told with each telemetry to whom watches the run


class Outgoing(NamedTuple):
    """One message on its way out."""

    port: str
    frames: Frames


class _ReadClock:
    """The run's clock, which remembers what it told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.readings: list[int] = []

    def now_ns(self) -> int:
        """Nanoseconds of the run's clock."""
        now_ns = self._clock.now_ns()
        self.readings.append(now_ns)
        return now_ns


class NodeRunner:
    """A node with its buffers, counters and clocks."""

    def __init__(
        self,
        spec: NodeSpec,
        graph: Graph,
        context: NodeContext,
        load: ProcessLoad | None = None,
    ) -> None:
        self.spec = spec
        self.telemetry: Telemetry | None = None
        """What the node last said of itself."""
        self._unread_clock = context.clock  # for what no message depends on
        self._clock = _ReadClock(context.clock)
        context = dataclasses.replace(context, clock=self._clock)
        self.node = spec.node_class(spec.config, context)
        self._context = context
        self._records_steps = any(e.output == "steps" for e in graph.edges_from(spec.name))
        self._buffers = {
            edge: EdgeBuffer(edge.topic, edge.policy, lossless=context.lockstep)
            for edge in graph.edges_into(spec.name)
        }
        self._expected_hz = {
            edge: stream_rate_hz(graph, graph.nodes[edge.writer], edge.output)
            for edge in self._buffers
        }
        self._liveness: dict[Edge, Liveness] = {}
        self._heard_ns: dict[Edge, int] = {}
        self._news: set[Edge] = set()
        """Edges that brought something since the last step record."""
        self._dead: set[Edge] = set()
        self.measures = Measures(self._buffers, load)
        self._alerts: deque[str] = deque(maxlen=100)
        self.sent: dict[str, int] = dict.fromkeys(spec.outputs, 0)
        self._sent_before = dict(self.sent)
        self.halted = False
        """Whether the steps from now on are told to stop the robot."""
        self._asked: list[Asked] = []
        """What a person demanded since the last step."""
        self._start_ns = 0
        self.start(context.clock.now_ns())

    def start(self, now_ns: int) -> None:
        """Sets the zero of liveness and telemetry: the run begins now."""
        self._liveness = {edge: Liveness(hz, now_ns) for edge, hz in self._expected_hz.items()}
        self._start_ns = now_ns
        self.measures.start(now_ns)

    @property
    def edges(self) -> list[Edge]:
        """Edges that the node reads."""
        return list(self._buffers)

    def push(self, edge: Edge, frames: Frames) -> None:
        """Takes in one message from the bus."""
        message = decode(edge.type, frames)
        self._buffers[edge].push(message, frames)
        if not self._context.lockstep:
            self.hear(edge, self._clock.now_ns(), valid=message.valid)

    def hear(self, edge: Edge, now_ns: int, *, valid: bool) -> None:
        """Notes that an edge is alive; in lockstep at the step that sees the message."""
        self._liveness[edge].message(now_ns, valid=valid)
        self._heard_ns[edge] = now_ns
        self._news.add(edge)

    def resume(self, sent: Mapping[str, int], counts: Mapping[Edge, EdgeCounts]) -> None:
        """Goes on counting where an earlier process of this node has stopped."""
        self.sent.update(sent)
        self._sent_before = dict(self.sent)
        for edge, buffer in self._buffers.items():
            buffer.resume(*counts[edge][1:5])

    def writer_resumed(self, edge: Edge, seq: int) -> None:
        """The writer of an edge died and was replaced; the new one began with ``seq``."""
        self._buffers[edge].writer_resumed(seq)

    def counts(self, edge: Edge) -> tuple[int, int, int, int]:
        """Messages received and dropped on an edge, the ``seq`` that comes next, and the lost."""
        buffer = self._buffers[edge]
        return buffer.received, buffer.dropped, buffer.newest_seq + 1, buffer.lost

    def halt(self, *, on: bool) -> None:
        """From the next step on the robot stops, or may be commanded again."""
        self.halted = on
        self.node.halt(on=on)

    def ask(self, asked: Asked) -> None:
        """Hands what a person demands to the next step."""
        self._asked.append(asked)

    def newest_seq(self, edge: Edge) -> int:
        """The highest ``seq`` that came in on an edge."""
        return self._buffers[edge].newest_seq

    def close_edge(self, edge: Edge, sent: int) -> None:
        """Takes in the writer's end marker."""
        self._buffers[edge].close(sent)

    def step(
        self, now_ns: int, visible: Mapping[Edge, int] | None = None, *, woken: bool = False
    ) -> list[Outgoing]:
        """One step of the node.

        Args:
            now_ns: the run's time.
            visible: the newest ``seq`` that it may see by edge (lockstep); None: all there is.
            woken: a message made it step between two deadlines of its own rate.
        """
        arrivals = {
            edge: buffer.take(None if visible is None else visible[edge])
            for edge, buffer in self._buffers.items()
        }
        if self._context.lockstep:
            self._hear_all(arrivals)
        self._begin_record()
        outgoing = self._watch(now_ns)
        demands, self._asked = self._asked, []
        for asked in demands:
            self.node.ask(asked)
        began = time.perf_counter_ns()
        emissions = self.node.step(now_ns, self._inputs(arrivals, now_ns))
        self.measures.add_step((time.perf_counter_ns() - began) / 1e6, woken=woken)
        self._alerts.extend(said.text for _, said in emissions if isinstance(said, Alert))
        outgoing += [self._stamp(port, message) for port, message in emissions]
        outgoing += self._telemetry(now_ns)
        outgoing += self._record(now_ns, arrivals, woken=woken, asked=demands)
        self._measure_ages(arrivals)
        return outgoing

    def watch(self, now_ns: int) -> list[Outgoing]:
        """Alerts and telemetry due now, for a node that is not stepping because nothing comes."""
        self._begin_record()
        outgoing = self._watch(now_ns) + self._telemetry(now_ns)
        return outgoing + self._record(now_ns) if outgoing else []

    def vitals(self) -> Vitals | None:
        """What the node last said of itself, for who watches the run; None before the first."""
        if self.telemetry is None:
            return None
        return Vitals(self.telemetry, tuple(self._alerts)[-TOLD_ALERTS:])

    def tell(self, now_ns: int, texts: Sequence[str]) -> list[Outgoing]:
        """Alerts about what happened outside of the node, where no replay could know of it."""
        self._begin_record()
        outgoing = [self._alert(text) for text in texts]
        return outgoing + self._record(now_ns, told=texts) if outgoing else []

    def alert_late(self, edges: list[Edge]) -> list[Outgoing]:
        """An alert for each lossless edge whose reader let the writer's time run out."""
        texts = [
            f"{edge}: message {self.sent[edge.output] - 1} was not taken within "
            f"{edge.policy.timeout_s:g} s and is dropped"
            for edge in edges
            if edge.output not in ("alerts", "steps")  # or each would bring about the next
        ]
        return self.tell(self._unread_clock.now_ns(), texts)

    def report(self) -> NodeReport:
        """All counters, at the end."""
        end_ns = self._unread_clock.now_ns()
        if self._context.lockstep and self._context.rate_hz:
            end_ns += round(SECOND_NS / self._context.rate_hz)  # the last period counts too
        return self.measures.report(end_ns, self.node.gauges(), self.sent, list(self._alerts))

    def _inputs(self, arrivals: Mapping[Edge, list[Arrival]], now_ns: int) -> Inputs:
        """What came in, by port; a shared port is in the order (sent, source, topic, seq)."""
        by_port: dict[str, list[Arrival]] = {}
        alive: dict[str, bool] = {}
        for edge, items in arrivals.items():
            by_port.setdefault(edge.input, []).extend(items)
            edge_alive = self._liveness[edge].alive(now_ns)
            alive[edge.input] = alive.get(edge.input, True) and edge_alive
        for port, items in by_port.items():
            if self.spec.inputs[port].many:
                items.sort(key=_total_order)
        return Inputs(by_port, alive)

    def _stamp(self, port: str, message: Message) -> Outgoing:
        """Fills the header that the bus owns, and encodes."""
        stamped = msgspec.structs.replace(
            message,
            seq=self.sent[port],
            sent_ns=self._clock.now_ns(),
            source=self.spec.name,
        )
        self.sent[port] += 1
        return Outgoing(port, encode(stamped))

    def _watch(self, now_ns: int) -> list[Outgoing]:
        """An alert for each input that fell silent or came back."""
        outgoing = []
        for edge, liveness in self._liveness.items():
            alive = liveness.alive(now_ns)
            if alive == (edge not in self._dead):
                continue
            (self._dead.discard if alive else self._dead.add)(edge)
            text = (
                f"{edge}: messages are back"
                if alive
                else f"{edge}: silent for {liveness.silence_s(now_ns):.2f} s, "
                f"expected {liveness.expected_hz:g} Hz"
            )
            outgoing.append(self._alert(text))
        return outgoing

    def _alert(self, text: str) -> Outgoing:
        """Something a person should know, for the bus and for the report."""
        self._alerts.append(text)
        alert = Alert(captured_ns=self._clock.now_ns(), text=text)
        return self._stamp("alerts", alert)

    def _telemetry(self, now_ns: int) -> list[Outgoing]:
        """Once a second, how the node is doing."""
        if not self.measures.is_due(now_ns):
            return []
        gauges = self.node.gauges()
        self.telemetry = self.measures.telemetry(now_ns, self._liveness, gauges, self.sent)
        return [self._stamp("telemetry", self.telemetry)]

    def _hear_all(self, arrivals: Mapping[Edge, list[Arrival]]) -> None:
        """Notes what a lockstep step sees as heard when it was sent, whenever it came in."""
        for edge, items in arrivals.items():
            for arrival in items:
                self.hear(edge, arrival.message.sent_ns, valid=arrival.message.valid)

    def _begin_record(self) -> None:
        """From here on everything is read and sent in one step."""
        self._clock.readings.clear()
        self._sent_before = dict(self.sent)

    def _record(
        self,
        now_ns: int,
        arrivals: Mapping[Edge, list[Arrival]] | None = None,
        *,
        woken: bool = False,
        told: Sequence[str] = (),
        asked: Sequence[Asked] = (),
    ) -> list[Outgoing]:
        """The step record, where somebody reads it; without arrivals it was no step."""
        if not self._records_steps:
            return []
        took = {edge: items for edge, items in (arrivals or {}).items() if items}
        heard = [edge for edge in self._buffers if edge in self._news or edge in took]
        self._news.clear()
        readings = () if self._context.lockstep else self._clock.readings
        record = StepRecord(
            captured_ns=now_ns,
            start_ns=self._start_ns,
            stepped=arrivals is not None,
            woken=woken,
            halted=self.halted,
            heard_ns={str(edge): self._heard_ns[edge] for edge in heard},
            took={str(edge): _ranges(items) for edge, items in took.items()},
            clock_after_ns=tuple(reading - now_ns for reading in readings),
            told=tuple(told),
            sent={
                port: (before, self.sent[port] - 1)
                for port, before in self._sent_before.items()
                if self.sent[port] > before
            },
            asked=tuple(str(a.demand) for a in asked) or msgspec.UNSET,
        )
        return [self._stamp("steps", record)]

    def _measure_ages(self, arrivals: Mapping[Edge, list[Arrival]]) -> None:
        """How old each message was when the step that used it had ended."""
        if self._context.lockstep:
            return
        now_ns = self._unread_clock.now_ns()
        for edge, items in arrivals.items():
            self.measures.add_ages(edge, [(now_ns - a.message.captured_ns) / 1e6 for a in items])


def _ranges(arrivals: Sequence[Arrival]) -> tuple[int, ...]:
    """Their ``seq`` as first, last, first, last, ..."""
    ends: list[int] = []
    for arrival in arrivals:
        seq = arrival.message.seq
        if ends and seq == ends[-1] + 1:
            ends[-1] = seq
        else:
            ends += (seq, seq)
    return tuple(ends)


def _total_order(arrival: Arrival) -> tuple[int, str, str, int]:
    """The order in which a reader of several writers sees their messages."""
    message = arrival.message
    return (message.sent_ns, message.source, arrival.topic, message.seq)
