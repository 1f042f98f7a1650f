"""The process of one node: sockets around a ``NodeRunner``.

It ends when its inputs have ended (each writer's last word is an end marker), when it throws, or
when the supervisor's end of its standard input closes, so that no orphan is left behind. However
the end comes about, an actuator stops the robot first, and a simulated robot's world goes on until
that is seen in it.
"""

import os
import sys
import time
import traceback
from collections import deque
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import zmq

from perception.quantities import InputError
from robot.border import Border
from robot.bus import EdgeReader, EdgeWriter, wrap
from robot.clock import SECOND_NS, Pacer, VirtualClock, WallClock
from robot.config import USER_ERRORS
from robot.control import (
    Announce,
    Bye,
    Done,
    Failed,
    Finished,
    Halt,
    HostTime,
    NodeControl,
    Ready,
    Start,
    Step,
    Stop,
    ToNode,
)
from robot.counters import Counters
from robot.edges import Keep
from robot.executor import RunOptions, node_context
from robot.graph import Edge, Graph, load_graph
from robot.node import Role
from robot.process_load import ProcessLoad
from robot.rings import Rings, edge_name
from robot.runner import NodeRunner, Outgoing

WATCH_PERIOD_MS = 50  # how often a node that nothing wakes looks after its inputs, and beats
END_TIMEOUT_S = 6.0  # how long to wait for end markers on delayed edges
LAST_MESSAGES_S = 1.2  # silence after which no message of a writer that has ended can be under way
UNTIL_SAFE_S = 0.5  # how long a robot that ends may take until it is stopped


class Launch(msgspec.Struct, frozen=True):
    """What a node's process is told on its standard input."""

    node: str
    graph: str
    overrides: tuple[str, ...]
    folder: str
    """The run's 0700 folder of sockets."""
    seed: int
    lockstep: bool
    seconds: float | None
    run_dir: str | None
    watchers: tuple[str, ...] = ()
    """Nodes added to the graph's own."""
    life: int = 0
    """How many processes of this node have died in this run."""
    keys: str | None = None
    """The folder of keys, in a graph of several hosts; None: the user's own."""


def decode_launch(line: bytes) -> Launch:
    """What a node's process was told.

    Raises:
        InputError: not one line of JSON, as the supervisor writes it.
    """
    try:
        return msgspec.json.decode(line, type=Launch)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"robot.worker: standard input tells no node to run: {error}") from error


class Worker:
    """One node on the bus."""

    def __init__(
        self,
        launch: Launch,
        graph: Graph,
        context: zmq.Context[zmq.Socket[bytes]],
        control: NodeControl,
    ) -> None:
        self._launch = launch
        self._clock = VirtualClock() if launch.lockstep else WallClock()
        folder = Path(launch.folder)
        self.control = control
        options = RunOptions(
            launch.seconds,
            launch.seed,
            launch.lockstep,
            Path(launch.run_dir) if launch.run_dir else None,
        )
        spec = graph.nodes[launch.node]
        self._rings = Rings(folder, graph, spec.name)
        given = replace(
            node_context(graph, spec.name, options, self._clock, launch.life),
            loan=self._rings.loan,
        )
        self._runner = NodeRunner(spec, graph, given, ProcessLoad())
        self._counters = Counters(folder, len(graph.edges), list(graph.nodes))
        self._cells = dict(zip(graph.edges, self._counters.edges, strict=True))
        self._pulse = self._counters.nodes[spec.name]
        self._readers: dict[zmq.Socket[bytes], EdgeReader] = {}
        self._writers: dict[str, list[EdgeWriter]] = {}
        keys = Path(launch.keys) if launch.keys else None
        self._border = Border(context, graph, spec.name, folder, keys, self._clock)
        for index, edge in enumerate(graph.edges):
            if spec.name not in (edge.reader, edge.writer):
                continue
            way = self._border.way(index, edge)
            if edge.reader == spec.name:
                shared = None if way.keys else self._rings.reader(index, edge)
                reader = EdgeReader(context, way.address, edge, way.keys, ring=shared)
                self._readers[reader.socket] = reader
            if edge.writer == spec.name:
                writer = EdgeWriter(
                    context,
                    way.address,
                    edge,
                    way.keys,
                    way.peer,
                    lossless=launch.lockstep,
                    name=edge_name(index),
                    ring=None if way.keys else self._rings.writer(edge.output),
                )
                self._writers.setdefault(edge.output, []).append(writer)
        self._full: dict[zmq.Socket[bytes], EdgeWriter] = {}
        """Ends of latest edges whose newest message waits for room."""
        self._poller = zmq.Poller()
        for socket in (self.control.socket, *self._readers):
            self._poller.register(socket, zmq.POLLIN)
        self._poller.register(sys.stdin.fileno(), zmq.POLLIN)
        if self._border.socket is not None:
            self._poller.register(self._border.socket, zmq.POLLIN)
        self._handed = {
            port: max((self._cells[w.edge].sent for w in writers), default=0)
            for port, writers in self._writers.items()
        }
        if launch.life:
            counts = {edge: self._cells[edge].read() for edge in self._runner.edges}
            self._runner.resume(self._handed, counts)
            self._pulse.set_stepped(0, 0, safe=False)  # what stands there is of an earlier life
        self._heard_s = dict.fromkeys(self._readers, time.monotonic())
        self._polled_s = time.monotonic()
        self._stop: Stop | None = None
        self._stopped_s = 0.0
        self.orphaned = False
        """Whether the supervisor is gone."""
        self._orders: deque[Start | Step] = deque()  # at most one: the next comes after Done
        self._woken = False

    def run(self) -> None:
        """From ready to bye."""
        self._beat()
        self.control.send(Ready())
        start = self._next_order()
        if isinstance(start, Start):
            self._runner.start(start.start_ns)
            if self._launch.lockstep:
                self._run_lockstep()
            else:
                self._run_wall(start.start_ns)
        self._end()

    def close(self) -> None:
        """Closes node and sockets."""
        self._runner.node.close()
        self._close_sockets()

    def _close_sockets(self) -> None:
        for socket in (*self._readers.values(), *(w for ws in self._writers.values() for w in ws)):
            socket.close()
        self._border.close()
        self._rings.close()

    def _next_order(self) -> Start | Step | None:
        """Waits for the supervisor's next order; None when it is to stop."""
        while not self._orders:
            if self._stop is not None:
                return None
            self._poll(WATCH_PERIOD_MS)
        return self._orders.popleft()

    def _run_lockstep(self) -> None:
        """Steps when told, once everything that the step shall see has come in."""
        assert isinstance(self._clock, VirtualClock)  # noqa: S101
        edges = self._runner.edges
        while (order := self._next_order()) is not None:
            assert isinstance(order, Step)  # noqa: S101 - Start comes once
            visible = dict(zip(edges, order.visible, strict=True))
            if not self._wait_for_messages(visible):
                return
            self._clock.set(order.now_ns)
            self._send(self._step(order.now_ns, visible))
            if self._runner.node.finished:
                self.control.send(Finished())
            self.control.send(Done(self._runner.sent))

    def _wait_for_messages(self, visible: dict[Edge, int]) -> bool:
        """Until all that a step shall see is here; False when a stop came instead."""
        while any(self._runner.newest_seq(edge) < seq for edge, seq in visible.items()):
            if self._stop is not None:
                return False
            self._poll(WATCH_PERIOD_MS)
        return True

    def _run_wall(self, start_ns: int) -> None:
        """Steps by deadline and when woken, until the inputs have ended."""
        rate_hz = self._runner.spec.rate_hz
        pacer = Pacer(rate_hz, start_ns) if rate_hz else None
        told = False
        while not self._may_end():
            self._wait(pacer)
            now_ns = self._clock.now_ns()
            due = pacer is not None and pacer.due(now_ns)
            if due or self._woken:
                self._woken = False
                self._send(self._step(now_ns, woken=pacer is not None and not due))
                if pacer is not None and due:
                    pacer.advance(self._clock.now_ns())
                    self._runner.overruns = pacer.overruns
            else:
                self._send(self._runner.watch(now_ns))
            self._tell_refusals()
            if self._runner.node.finished and not told:
                told = True
                self.control.send(Finished())
        if self._woken:
            self._send(self._step(self._clock.now_ns()))

    def _step(
        self, now_ns: int, visible: dict[Edge, int] | None = None, *, woken: bool = False
    ) -> list[Outgoing]:
        """One step of the node, and its signs of life."""
        outgoing = self._runner.step(now_ns, visible, woken=woken)
        safe = bool(self._runner.node.safe)
        self._pulse.set_stepped(self._runner.steps, time.monotonic_ns(), safe=safe)
        return outgoing

    def _wait(self, pacer: Pacer | None) -> None:
        """Until something comes or the deadline; zmq counts whole ms, a short sleep the rest."""
        if pacer is None:
            self._poll(0 if self._woken else WATCH_PERIOD_MS)
            return
        left_ns = pacer.next_ns - self._clock.now_ns()
        while left_ns > 0 and not self._woken and not self._may_end():
            if left_ns < 1_000_000:
                time.sleep(left_ns / SECOND_NS)
                self._poll(0)
            else:
                self._poll(left_ns // 1_000_000)
            left_ns = pacer.next_ns - self._clock.now_ns()
        self._poll(0)

    def _poll(self, timeout_ms: int) -> None:
        """Takes in messages and orders, waiting at most ``timeout_ms`` for the first."""
        self._beat()
        for socket, _ in self._poller.poll(timeout_ms):
            if socket is self.control.socket:
                while (order := self.control.receive()) is not None:
                    self._obey(order)
            elif socket in self._readers:
                self._drain(self._readers[socket])
            elif socket is self._border.socket:
                self._border.answer()
            elif socket in self._full:
                writer = self._full[socket]
                writer.flush()
                self._await_room(writer)
            elif not os.read(sys.stdin.fileno(), 4096):
                self._poller.unregister(sys.stdin.fileno())
                self.orphaned = True
                self._obey(Stop())

    def _beat(self) -> None:
        """Shows that the loop goes round; one that stood still has heard nobody meanwhile."""
        now_s = time.monotonic()
        self._pulse.beat(round(now_s * SECOND_NS))
        if now_s - self._polled_s > LAST_MESSAGES_S / 2:
            self._heard_s = dict.fromkeys(self._readers, now_s)
        self._polled_s = now_s

    def _obey(self, order: ToNode) -> None:
        """Takes in one order; what stops the robot comes before everything else."""
        if isinstance(order, Halt):
            self._halt(on=order.on)
        elif isinstance(order, Announce):
            self._send(self._runner.tell(self._clock.now_ns(), [order.text]))
        elif isinstance(order, Stop):
            self._stopped_s = self._stopped_s or time.monotonic()
            self._stop = order
            self._halt(on=True)
        elif isinstance(order, HostTime):
            self._border.learn(order)
        else:
            self._orders.append(order)

    def _halt(self, *, on: bool) -> None:
        """Stops an actuator's robot at once, or lets it be commanded again."""
        self._runner.halt(on=on)
        if self._runner.spec.node_class.role is Role.ACTUATOR:
            self._woken = True

    def _drain(self, reader: EdgeReader) -> None:
        """Takes in all messages that wait on one edge."""
        while (frames := reader.receive()) is not None:
            self._runner.push(reader.edge, self._border.localise(reader.edge, frames))
            self._cells[reader.edge].set_taken(*self._runner.counts(reader.edge))
            self._heard_s[reader.socket] = time.monotonic()
            if self._runner.spec.inputs[reader.edge.input].wakes:
                self._woken = True

    def _send(self, outgoing: list[Outgoing]) -> None:
        """Sends to every reader of the port; a full queue shows in the reader's seq gap.

        In lockstep nothing may be lost, so it waits for the reader, unless that one has died.
        """
        late = []
        for port, frames in outgoing:
            if port == "telemetry" and (vitals := self._runner.vitals()) is not None:
                self.control.offer(vitals)
            writers = self._writers.get(port, ())
            if not writers:
                continue
            self._handed[port] += 1
            parcel = wrap(frames, self._rings.writer(port))
            for writer in writers:
                self._cells[writer.edge].set_sent(self._handed[port])
                while not (self._is_gone(writer.edge.reader) or writer.send(parcel)):
                    if not self._launch.lockstep or self.orphaned:
                        late.append(writer.edge)
                        break
                    self._poll(0)
                self._await_room(writer)
        if lossless := [edge for edge in late if edge.policy.keep is Keep.LOSSLESS]:
            self._send(self._runner.alert_late(lossless))

    def _tell_refusals(self) -> None:
        """An alert for each unknown host that knocked."""
        if alerts := self._border.alerts():
            self._send(self._runner.tell(self._clock.now_ns(), alerts))

    def _await_room(self, writer: EdgeWriter) -> None:
        """Wakes this node when a socket can take the message that waits for it, and only then."""
        if writer.pending == (writer.socket in self._full):
            return
        if writer.pending:
            self._full[writer.socket] = writer
            self._poller.register(writer.socket, zmq.POLLOUT)
        else:
            del self._full[writer.socket]
            self._poller.unregister(writer.socket)

    def _is_gone(self, node: str) -> bool:
        """Whether the supervisor said that a node has died."""
        return self._stop is not None and node in self._stop.gone

    def _ended(self, edge: Edge, reader: EdgeReader) -> bool:
        """Whether nothing more can come on an edge.

        A marker may have found no room while this node stood still; the counters tell it as well.
        """
        quiet_s = time.monotonic() - self._heard_s[reader.socket]
        if reader.sent is None and self._cells[edge].ended and quiet_s > LAST_MESSAGES_S:
            reader.sent = self._cells[edge].sent
        return reader.sent is not None or self._is_gone(edge.writer)

    def _inputs_ended(self) -> bool:
        """Whether a stop was ordered and all that leads here without delay has ended."""
        if self.orphaned:
            return True
        return self._stop is not None and all(
            self._ended(reader.edge, reader)
            for reader in self._readers.values()
            if not reader.edge.policy.delayed
        )

    def _may_end(self) -> bool:
        """Whether nothing is left to do: no input will come, and the robot is stopped."""
        if not self._inputs_ended():
            return False
        late = time.monotonic() - self._stopped_s > UNTIL_SAFE_S
        return late or self._runner.node.safe in (None, True)

    def _end(self) -> None:
        """Says the last word on every edge, hears the others' last words, reports."""
        if self.orphaned:  # nobody is left to report to
            self.close()
            return
        self._tell_refusals()
        self._say_last_words()
        deadline = time.monotonic() + END_TIMEOUT_S
        while time.monotonic() < deadline and not all(
            self._ended(reader.edge, reader) for reader in self._readers.values()
        ):
            self._poll(10)
        for reader in self._readers.values():
            if reader.sent is not None:
                self._runner.close_edge(reader.edge, reader.sent)
                self._cells[reader.edge].set_taken(*self._runner.counts(reader.edge))
        self._runner.node.close()
        report = self._runner.report()
        report.gauges |= self._rings.gauges() | self._border.gauges()
        self.control.send(Bye(report))
        # Until the supervisor lets go: ZeroMQ forgets what a slow reader has not yet taken from the
        # kernel when the writer closes, the end marker included.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        self._close_sockets()

    def _say_last_words(self) -> None:
        """Tells every reader how many messages there were, by file first: it waits for nobody."""
        writers = [(port, writer) for port, ends in self._writers.items() for writer in ends]
        for port, writer in writers:
            self._cells[writer.edge].end(self._handed[port])
        for port, writer in writers:
            if not self._is_gone(writer.edge.reader):
                writer.end(self._runner.sent[port])


def _close_after_failure(worker: Worker) -> None:
    """Lets go of devices; a second error is shown, and the first one stays the cause."""
    try:
        worker.close()
    except Exception:  # noqa: BLE001 - shown; the first error is what gets reported
        traceback.print_exc()


def main() -> int:
    """Entry of ``python -m robot.worker``: one line of JSON on standard input tells what to run."""
    line = sys.stdin.buffer.raw.readline()  # pyright: ignore[reportAttributeAccessIssue]
    try:
        launch = decode_launch(line)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    cv2.setNumThreads(2)  # halves the matcher's time; more would take the other nodes' cores
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    control = NodeControl(context, Path(launch.folder), launch.node)
    try:
        orphaned = _run_node(launch, context, control)
    except Exception as error:  # noqa: BLE001 - told to the supervisor, with its traceback
        text = "".join(traceback.format_exception(error))
        control.send(Failed(str(error), text, isinstance(error, USER_ERRORS)))
        return 1
    finally:
        control.socket.close()
        context.destroy(linger=1000)
    return int(orphaned)


def _run_node(
    launch: Launch, context: zmq.Context[zmq.Socket[bytes]], control: NodeControl
) -> bool:
    """Builds and runs the node; closes it after a failure too. Whether its supervisor is gone."""
    graph = load_graph(launch.graph, launch.overrides, launch.watchers)
    worker = Worker(launch, graph, context, control)
    try:
        worker.run()
    except BaseException:
        _close_after_failure(worker)
        raise
    return worker.orphaned


if __name__ == "__main__":
    sys.exit(main())
