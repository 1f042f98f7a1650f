"""The process of one node: the loop around a ``NodeRunner``, from ready to its last word.

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
import zmq

from perception.quantities import InputError
from robot.clock import SECOND_NS, Clock, Pacer, VirtualClock, WallClock
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
from robot.curve import Context
from robot.executor import RunOptions, node_context
from robot.graph import Edge, Graph, load_graph
from robot.launch import Launch, decode_launch
from robot.node import Role
from robot.node_edges import LAST_MESSAGES_S, NodeEdges
from robot.process_load import ProcessLoad
from robot.rings import Rings
from robot.runner import NodeRunner, Outgoing
from robot.wish_channel import WishPort, wish_address
from robot.wishes import Asked, Demand

WATCH_PERIOD_MS = 50  # how often a node that nothing wakes looks after its inputs, and beats
END_TIMEOUT_S = 6.0  # how long to wait for end markers on delayed edges
LEARNING_NICENESS = 19
ORPHAN_LINGER_MS = 100  # for an orphan's last messages; all of the run shall be gone in 2 s
UNTIL_SAFE_S = 0.5  # how long a robot that ends may take until it is stopped
STDIN = 0  # the supervisor writes one line to it, and holds it open as long as it lives


class Worker:
    """One node on the bus."""

    def __init__(
        self, launch: Launch, graph: Graph, context: Context, control: NodeControl
    ) -> None:
        self._launch = launch
        self._virtual = VirtualClock() if launch.lockstep else None
        self._clock: Clock = self._virtual or WallClock()
        folder = Path(launch.folder)
        self.control = control
        options = RunOptions(
            launch.seconds,
            launch.seed,
            launch.lockstep,
            Path(launch.run_dir) if launch.run_dir else None,
            control_folder=Path(launch.control_folder) if launch.control_folder else None,
        )
        spec = graph.nodes[launch.node]
        rings = Rings(folder, graph, spec.name)
        given = replace(
            node_context(graph, spec.name, options, self._clock, launch.life), loan=rings.loan
        )
        self._runner = NodeRunner(spec, graph, given, ProcessLoad())
        self._counters = Counters(folder, len(graph.edges), list(graph.nodes))
        cells = dict(zip(graph.edges, self._counters.edges, strict=True))
        self._pulse = self._counters.nodes[spec.name]
        self._poller = zmq.Poller()
        self._poller.register(self.control.socket, zmq.POLLIN)
        self._poller.register(STDIN, zmq.POLLIN)
        self._edges = NodeEdges(
            context, launch, graph, self._runner, rings, cells, self._clock, self._poller
        )
        if launch.life:
            self._pulse.set_stepped(0, 0, safe=False)  # what stands there is of an earlier life
        self._wishes: WishPort | None = None
        """Where an actuator hears what is demanded of it."""
        if options.control_folder is not None and spec.node_class.role is Role.ACTUATOR:
            self._wishes = WishPort(context, wish_address(options.control_folder), spec.name)
            self._poller.register(self._wishes.socket, zmq.POLLIN)
            if self._wishes.estopped:
                self._runner.ask(Asked(0, Demand.ESTOP))
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
            if self._virtual is not None:
                self._run_lockstep(self._virtual)
            else:
                self._run_wall(start.start_ns)
        self._end()

    def close(self) -> None:
        """Closes node and sockets; an orphan waits for no reader: they are orphans as well."""
        self._runner.node.close()
        if self.orphaned:
            self.control.socket.linger = 0
        if self._wishes is not None:
            self._wishes.close()
        self._edges.close(ORPHAN_LINGER_MS if self.orphaned else None)

    def _next_order(self) -> Start | Step | None:
        """Waits for the supervisor's next order; None when it is to stop."""
        while not self._orders:
            if self._stop is not None:
                return None
            self._poll(WATCH_PERIOD_MS)
        return self._orders.popleft()

    def _run_lockstep(self, clock: VirtualClock) -> None:
        """Steps when told, once everything that the step shall see has come in."""
        edges = self._runner.edges
        while (order := self._next_order()) is not None:
            assert isinstance(order, Step)  # noqa: S101 - Start comes once
            visible = dict(zip(edges, order.visible, strict=True))
            if not self._wait_for_messages(visible):
                return
            clock.set(order.now_ns)
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
                    self._runner.measures.overruns = pacer.overruns
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
        self._pulse.set_stepped(self._runner.measures.steps, time.monotonic_ns(), safe=safe)
        if self._wishes is not None:
            self._wishes.answer(self._runner.node.take_outcomes())
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
        for ready, _ in self._poller.poll(timeout_ms):
            if ready is self.control.socket:
                while (order := self.control.receive()) is not None:
                    self._obey(order)
            elif self._wishes is not None and ready is self._wishes.socket:
                while (asked := self._wishes.receive()) is not None:
                    self._runner.ask(asked)
                    self._woken = True
            elif not isinstance(ready, int):
                self._woken |= self._edges.serve(ready)
            elif not self.orphaned and not os.read(STDIN, 4096):
                self._poller.unregister(STDIN)
                self.orphaned = True
                self._obey(Stop())

    def _beat(self) -> None:
        """Shows that the loop goes round; one that stood still has heard nobody meanwhile."""
        now_s = time.monotonic()
        self._pulse.beat(round(now_s * SECOND_NS))
        if now_s - self._polled_s > LAST_MESSAGES_S / 2:
            self._edges.excuse_silence()
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
            self._edges.gone = frozenset(order.gone)
            self._halt(on=True)
        elif isinstance(order, HostTime):
            self._edges.learn(order)
        else:
            self._orders.append(order)

    def _halt(self, *, on: bool) -> None:
        """Stops an actuator's robot at once, or lets it be commanded again."""
        self._runner.halt(on=on)
        if self._runner.spec.node_class.role is Role.ACTUATOR:
            self._woken = True

    def _send(self, outgoing: list[Outgoing]) -> None:
        """Sends, and tells of lossless edges that lost; who watches the run hears of telemetry."""
        told = any(port == "telemetry" for port, _ in outgoing)
        if told and (vitals := self._runner.vitals()) is not None:
            self.control.offer(vitals)
        if late := self._edges.send(outgoing, self._may_wait):
            self._send(self._runner.alert_late(late))

    def _may_wait(self) -> bool:
        """In lockstep nothing may be lost: waits a moment longer for a reader that has no room."""
        if not self._launch.lockstep or self.orphaned:
            return False
        self._poll(0)
        return True

    def _tell_refusals(self) -> None:
        """An alert for each unknown host that knocked."""
        if alerts := self._edges.refusals():
            self._send(self._runner.tell(self._clock.now_ns(), alerts))

    def _may_end(self) -> bool:
        """Whether nothing is left to do: no input will come, and the robot is stopped."""
        ordered = self._stop is not None and self._edges.have_ended(delayed=False)
        if not (self.orphaned or ordered):
            return False
        late = time.monotonic() - self._stopped_s > UNTIL_SAFE_S
        return late or self._runner.node.safe in (None, True)

    def _end(self) -> None:
        """Says the last word on every edge, hears the others' last words, reports."""
        if self.orphaned:  # nobody is left to report to
            self.close()
            return
        self._tell_refusals()
        self._edges.say_last_words()
        deadline = time.monotonic() + END_TIMEOUT_S
        while time.monotonic() < deadline and not self._edges.have_ended(delayed=True):
            self._poll(10)
            if self.orphaned:  # since the last words
                self.close()
                return
        self._edges.settle()
        self._runner.node.close()
        report = self._runner.report()
        report.gauges |= self._edges.gauges()
        self.control.send(Bye(report))
        # Until the supervisor lets go: ZeroMQ forgets what a slow reader has not yet taken from the
        # kernel when the writer closes, the end marker included.
        while os.read(STDIN, 4096):
            pass
        if self._wishes is not None:
            self._wishes.close()
        self._edges.close()


def _close_after_failure(worker: Worker) -> None:
    """Lets go of devices; a second error is shown, and the first one stays the cause."""
    try:
        worker.close()
    except Exception:  # noqa: BLE001 - shown; the first error is what gets reported
        traceback.print_exc()


def main() -> int:
    """Entry of ``python -m robot.worker``: one line of JSON on standard input tells what to run."""
    with open(STDIN, "rb", buffering=0, closefd=False) as stdin:  # unread bytes stay in the pipe
        line = stdin.readline()
    try:
        launch = decode_launch(line)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    cv2.setNumThreads(2)  # halves the matcher's time; more would take the other nodes' cores
    context: Context = zmq.Context()
    control = NodeControl(context, Path(launch.folder), launch.node)
    try:
        orphaned = _run_node(launch, context, control)
    except Exception as error:  # noqa: BLE001 - told to the supervisor, with its traceback
        text = "".join(traceback.format_exception(error))
        control.send(Failed(str(error), text, isinstance(error, USER_ERRORS)))
        return 1
    finally:
        control.socket.close()
        context.destroy()  # each socket lingers as its end of an edge asks
    return int(orphaned)


def _run_node(launch: Launch, context: Context, control: NodeControl) -> bool:
    """Builds and runs the node; closes it after a failure too. Whether its supervisor is gone."""
    graph = load_graph(launch.graph, launch.overrides, launch.watchers)
    if graph.nodes[launch.node].node_class.role is Role.LEARNING and not launch.lockstep:
        _give_way()
    worker = Worker(launch, graph, context, control)
    try:
        worker.run()
    except BaseException:
        _close_after_failure(worker)
        raise
    return worker.orphaned


def _give_way() -> None:
    """Who learns gets what those who act leave of the processor.

    A core on which only an idle-class thread runs counts as free to one that wakes up; beside the
    lowest niceness a node that acts waits for up to a tick of the kernel. Elsewhere than on Linux
    there is only niceness.
    """
    os.nice(LEARNING_NICENESS)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    sys.exit(main())
