"""Runs a whole graph in one process: for tests, debuggers and studies.

Lockstep follows the same schedule as one process per node, on the same bytes, so the logs of the
two are equal. By wall clock one loop serves all nodes by their deadlines.
"""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from robot.clock import SECOND_NS, Clock, Pacer, VirtualClock, WallClock
from robot.config import USER_ERRORS
from robot.control import Vitals
from robot.counters import EdgeCounts
from robot.curve import Context
from robot.graph import Edge, Graph
from robot.node import NodeContext, NodeReport, Role
from robot.runner import NodeRunner, Outgoing
from robot.schedule import LockstepSchedule
from robot.validation import step_rate_hz
from robot.wire import snapshot
from robot.wish_channel import WishPort, wish_address


@dataclass(frozen=True)
class RunOptions:
    """How to run a graph."""

    seconds: float | None
    """Time to run, in the run's own clock; None: until the source ends or somebody stops it."""
    seed: int
    lockstep: bool
    run_dir: Path | None
    """Where the recorder writes; None: nothing is recorded."""
    host: str | None = None
    """Which host of the graph this is; None: the graph has one."""
    keys: Path | None = None
    """The folder of keys, for what leaves this host; None: the user's own."""
    control_folder: Path | None = None
    """The 0700 folder of ``robot.run_control``; None: nobody can demand anything of this run."""


@dataclass
class RunResult:
    """How a run went."""

    ended_by: str = "seconds"
    """``seconds``, ``finished`` (the source ended), ``interrupt`` or ``failure``."""
    run_seconds: float = 0.0
    """By the run's own clock."""
    wall_seconds: float = 0.0
    reports: dict[str, NodeReport] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    """Error by node; empty when all went well."""
    restarts: dict[str, int] = field(default_factory=dict)
    """How often a node's process was replaced."""
    alerts: list[str] = field(default_factory=list)
    """What the supervisor found."""
    counts: tuple[EdgeCounts, ...] = ()
    """By edge, what outlived the processes; empty where there was but one."""


class NodeError(RuntimeError):
    """A node threw; the cause is chained."""

    def __init__(self, node: str) -> None:
        super().__init__(f"node {node!r} failed")
        self.node = node


Progress = Callable[[float], None]
"""Told the seconds run so far."""
ShouldStop = Callable[[], bool]
Show = Callable[[str, str], None]
"""Told each line that a node has to say: node, line."""
Note = Callable[[str, Vitals], None]
"""Told how each node is doing, about once a second."""


def nobody_watches(node: str, vitals: Vitals) -> None:
    """A ``Note`` that goes nowhere."""


Tell = Callable[[str], None]
"""Told each alert of the supervisor."""


def nobody_listens(alert: str) -> None:
    """A ``Tell`` that goes nowhere."""


def node_context(
    graph: Graph, name: str, options: RunOptions, clock: Clock, life: int = 0
) -> NodeContext:
    """The context of one node."""
    return NodeContext(
        name=name,
        robot=graph.robot,
        seed=options.seed,
        clock=clock,
        rate_hz=step_rate_hz(graph, graph.nodes[name]),
        lockstep=options.lockstep,
        run_dir=options.run_dir,
        control_folder=options.control_folder,
        life=life,
        graph_json=graph.resolved_json(),
    )


def run_in_process(
    graph: Graph,
    options: RunOptions,
    progress: Progress,
    should_stop: ShouldStop,
    show: Show,
    note: Note = nobody_watches,
) -> RunResult:
    """Runs the graph to its end in this process; a node that throws ends the run.

    Raises:
        InputError: a node refused its parameters; all nodes were closed.
    """
    kind = _LockstepRun if options.lockstep else _WallRun
    run = kind(graph, options, note)
    began = time.monotonic()
    try:
        try:
            result = run.loop(progress, should_stop)
        except NodeError as error:
            result = RunResult(run_seconds=run.ran_s)
            _note_failure(result, error.node, error.__cause__ or error, show)
        run.settle()
    finally:
        not_closed = run.close()
    for name, fault in not_closed.items():
        _note_failure(result, name, fault, show)
    result.wall_seconds = time.monotonic() - began
    result.reports = {name: runner.report() for name, runner in run.runners.items()}
    return result


def _note_failure(result: RunResult, node: str, error: BaseException, show: Show) -> None:
    """Shows the traceback of what no user caused; the first error of a node is its cause."""
    if not isinstance(error, USER_ERRORS):
        for line in "".join(traceback.format_exception(error)).rstrip().splitlines():
            show(node, line)
    result.failures.setdefault(node, str(error))
    result.ended_by = "failure"


class _InProcessRun:
    """What both clocks share: building, stepping, delivering, closing."""

    def __init__(self, graph: Graph, options: RunOptions, clock: Clock, note: Note) -> None:
        self.graph = graph
        self._note = note
        self.options = options
        self.clock = clock
        self.ran_s = 0.0
        """Seconds run so far, by the run's clock."""
        self.runners: dict[str, NodeRunner] = {}
        self._sockets: Context = zmq.Context()
        self._wishes: dict[str, WishPort] = {}
        """Where each actuator hears what is demanded of it."""
        for name, spec in graph.nodes.items():
            try:
                context = node_context(graph, name, options, clock)
                self.runners[name] = NodeRunner(spec, graph, context)
                if options.control_folder is not None and spec.node_class.role is Role.ACTUATOR:
                    address = wish_address(options.control_folder)
                    self._wishes[name] = WishPort(self._sockets, address, name)
            except BaseException:
                self.close()
                raise
        self._readers: dict[tuple[str, str], list[Edge]] = {}
        for edge in graph.edges:
            self._readers.setdefault((edge.writer, edge.output), []).append(edge)

    def step(
        self, name: str, visible: dict[Edge, int] | None = None, *, woken: bool = False
    ) -> list[Edge]:
        """Steps a node and delivers what it sent; returns the edges that carried something."""
        runner, wishes = self.runners[name], self._wishes.get(name)
        while wishes is not None and (asked := wishes.receive()) is not None:
            runner.ask(asked)
        try:
            outgoing = runner.step(self.clock.now_ns(), visible, woken=woken)
        except Exception as error:
            raise NodeError(name) from error
        if wishes is not None:
            wishes.answer(runner.node.take_outcomes())
        return self.deliver(name, outgoing)

    def deliver(self, name: str, outgoing: list[Outgoing]) -> list[Edge]:
        """Hands messages to all readers of their ports."""
        used = []
        for port, views in outgoing:
            if port == "telemetry" and (vitals := self.runners[name].vitals()) is not None:
                self._note(name, vitals)
            edges = self._readers.get((name, port), ())
            frames = snapshot(views) if edges else ()  # the node may change its arrays
            for edge in edges:
                self.runners[edge.reader].push(edge, frames)
                used.append(edge)
        return used

    def settle(self) -> None:
        """Gives every reader its writers' end markers."""
        for edge in self.graph.edges:
            self.runners[edge.reader].close_edge(edge, self.runners[edge.writer].sent[edge.output])

    def close(self) -> dict[str, Exception]:
        """Closes every node, actuators first; returns the errors of those that threw."""
        errors: dict[str, Exception] = {}
        order = sorted(self.runners.values(), key=lambda r: r.node.role is not Role.ACTUATOR)
        for runner in order:
            try:
                runner.node.close()
            except Exception as error:  # noqa: BLE001 - the others are still to be closed
                errors[runner.spec.name] = error
        for wishes in self._wishes.values():
            wishes.close()
        self._sockets.term()
        return errors

    @property
    def sources_finished(self) -> bool:
        """Whether no source has anything more to say."""
        sources = [r.node for r in self.runners.values() if r.node.role is Role.SOURCE]
        return bool(sources) and all(node.finished for node in sources)


class _LockstepRun(_InProcessRun):
    """Virtual time, moved by the schedule."""

    def __init__(self, graph: Graph, options: RunOptions, note: Note) -> None:
        self._virtual = VirtualClock()
        super().__init__(graph, options, self._virtual, note)
        self._schedule = LockstepSchedule(graph)

    def loop(self, progress: Progress, should_stop: ShouldStop) -> RunResult:
        """Ticks until the time is over, the source has ended, or somebody stops it."""
        schedule = self._schedule
        ticks = tick_count(self.options.seconds, schedule.tick_ns)
        while ticks is None or ticks > 0:
            schedule.begin()
            self._virtual.set(schedule.now_ns)
            while steps := schedule.ready():
                for name, visible in steps:
                    self.step(name, visible)
                    schedule.done(name, self.runners[name].sent)
            self.ran_s = (schedule.now_ns + schedule.tick_ns) / SECOND_NS
            progress(self.ran_s)
            if self.sources_finished:
                return RunResult("finished", self.ran_s)
            if should_stop():
                return RunResult("interrupt", self.ran_s)
            ticks = None if ticks is None else ticks - 1
        return RunResult("seconds", self.options.seconds or 0.0)


class _WallRun(_InProcessRun):
    """Real time: one loop, each node by its deadline or when something wakes it."""

    def __init__(self, graph: Graph, options: RunOptions, note: Note) -> None:
        super().__init__(graph, options, WallClock(), note)
        start_ns = self.clock.now_ns()
        self._start_ns = start_ns
        self._pacers = {
            name: Pacer(spec.rate_hz, start_ns)
            for name, spec in graph.nodes.items()
            if spec.rate_hz
        }
        for runner in self.runners.values():
            runner.start(start_ns)

    def loop(self, progress: Progress, should_stop: ShouldStop) -> RunResult:
        """Serves deadlines until the time is over, the source has ended, or a stop."""
        while True:
            now_ns = self.clock.now_ns()
            self.ran_s = (now_ns - self._start_ns) / SECOND_NS
            for name, pacer in self._pacers.items():
                if pacer.due(now_ns):
                    self._serve(name)
                    pacer.advance(self.clock.now_ns())
                    self.runners[name].measures.overruns = pacer.overruns
            progress(self.ran_s)
            if self.options.seconds is not None and self.ran_s >= self.options.seconds:
                return RunResult("seconds", self.ran_s)
            if self.sources_finished:
                return RunResult("finished", self.ran_s)
            if should_stop():
                return RunResult("interrupt", self.ran_s)
            next_ns = min(pacer.next_ns for pacer in self._pacers.values())
            time.sleep(max(0.0, (next_ns - self.clock.now_ns()) / SECOND_NS))

    def _serve(self, name: str) -> None:
        """Steps a node and, one after the other, all that its messages wake."""
        paced = name
        pending = [name]
        while pending:
            name = pending.pop(0)
            woken_early = name != paced and name in self._pacers
            woken = {
                edge.reader
                for edge in self.step(name, woken=woken_early)
                if not edge.policy.delayed
                and self.runners[edge.reader].spec.inputs[edge.input].wakes
            }
            pending += sorted(woken - set(pending))


def tick_count(seconds: float | None, tick_ns: int) -> int | None:
    """Whole ticks in ``seconds``; None for no end."""
    return None if seconds is None else max(1, round(seconds * SECOND_NS / tick_ns))
