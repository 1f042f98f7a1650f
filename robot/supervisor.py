"""Runs a graph as one process per node, shows what they print, and ends only what it started.

The supervisor starts the nodes, waits until all are ready, gives the word, conducts the ticks in
lockstep, and at the end asks the sources to stop: end markers then run down the graph, each node
ends when its inputs have, and reports its counters.

Who is alive, and who starts again, is judged by ``robot.health``.
"""

import time

import zmq

from perception.quantities import InputError
from robot.clock import SECOND_NS, WallClock
from robot.control import (
    Bye,
    ControlError,
    Done,
    Failed,
    Finished,
    FromNode,
    Ready,
    Start,
    Step,
    Stop,
    SupervisorControl,
    Vitals,
)
from robot.counters import Counters
from robot.executor import (
    Note,
    Progress,
    RunOptions,
    RunResult,
    ShouldStop,
    Show,
    Tell,
    nobody_listens,
    nobody_watches,
    tick_count,
)
from robot.graph import Graph
from robot.health import Health
from robot.launch import Launch
from robot.processes import NodeProcesses
from robot.run_folder import RunFolder, remove_stale, runs_root
from robot.schedule import LockstepSchedule

STOP_TIMEOUT_S = 8.0  # until a node that does not end is killed
START_LEAD_NS = 50_000_000  # from the word to the first deadline, so that all hear it first
POLL_MS = 20


class Supervisor:
    """One run of one graph."""

    def __init__(
        self,
        graph: Graph,
        overrides: tuple[str, ...],
        options: RunOptions,
        show: Show,
        note: Note = nobody_watches,
        tell: Tell = nobody_listens,
        whole: Graph | None = None,
    ) -> None:
        """``whole``: the graph that the workers load, if ``graph`` is one host's part of it."""
        self._graph = graph
        self._overrides = overrides
        self._options = options
        self._show = show
        self._note = note
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        for stale in remove_stale(runs_root()):
            show("supervisor", f"removed {stale}, left behind by a run whose supervisor was killed")
        self._run_folder = RunFolder()
        self._folder = self._run_folder.path
        all_edges = (whole or graph).edges
        self._counters = Counters.create(self._folder, len(all_edges), list((whole or graph).nodes))
        self._cells = dict(zip(all_edges, self._counters.edges, strict=True))
        self._control = SupervisorControl(self._context, self._folder)
        self._poller = zmq.Poller()
        self._poller.register(self._control.socket, zmq.POLLIN)
        self._workers = NodeProcesses(self._poller, show)
        self._processes = self._workers.by_name
        self._finished: set[str] = set()
        self._sources = {n.name for n in graph.nodes.values() if n.node_class.role == "source"}
        self._result = RunResult()
        self._stop_order: Stop | None = None
        self._health = Health(
            graph,
            self._control,
            self._workers,
            self._cells,
            self._counters.nodes,
            self._result,
            show,
            tell,
            self._launch,
            lockstep=options.lockstep,
        )
        self._ready = self._health.ready

    def run(self, progress: Progress, should_stop: ShouldStop) -> RunResult:
        """Runs to the end; nothing of it is left behind, whatever happens.

        Raises:
            InputError: a node refused its parameters, or what they name.
        """
        try:
            self._health.start_all()
            if self._wait_until_ready(should_stop):
                self._run(progress, should_stop)
            self._stop()
        finally:
            self._clean_up()
        if self._health.bad_input is not None:
            raise InputError(self._health.bad_input)
        return self._result

    def _launch(self, name: str, life: int) -> None:
        """Starts the process of one node, of which ``life`` processes have died."""
        run_dir = self._options.run_dir
        launch = Launch(
            node=name,
            graph=str(self._graph.path.resolve()),
            overrides=self._overrides,
            folder=str(self._folder),
            seed=self._options.seed,
            lockstep=self._options.lockstep,
            seconds=self._options.seconds,
            run_dir=str(run_dir.resolve()) if run_dir else None,
            watchers=self._graph.watchers,
            life=life,
            keys=str(self._options.keys.resolve()) if self._options.keys else None,
            control_folder=str(folder) if (folder := self._options.control_folder) else None,
        )
        self._workers.start(launch)

    def _wait_until_ready(self, should_stop: ShouldStop) -> bool:
        """Whether all nodes came up."""
        while self._ready < self._graph.nodes.keys():
            self._hear(POLL_MS)
            if self._result.failures:
                return False
            if should_stop():
                self._result.ended_by = "interrupt"
                return False
            self._health.check_starts()
        return True

    def _run(self, progress: Progress, should_stop: ShouldStop) -> None:
        """From the word to the moment when the run shall end."""
        start_ns = self._start_at()
        for name in self._graph.nodes:
            self._control.send(name, Start(0 if self._options.lockstep else start_ns))
        self._health.begun = True
        began = time.monotonic()
        run = self._conduct if self._options.lockstep else self._oversee
        self._result.ended_by, self._result.run_seconds = run(start_ns, progress, should_stop)
        self._result.wall_seconds = time.monotonic() - began

    def _start_at(self) -> int:
        """When the run begins, by the host's clock."""
        return WallClock().now_ns() + START_LEAD_NS

    def _unreachable(self) -> tuple[str, ...]:
        """Nodes elsewhere from which nothing more will come."""
        return ()

    def _oversee(
        self, start_ns: int, progress: Progress, should_stop: ShouldStop
    ) -> tuple[str, float]:
        """By wall clock the nodes pace themselves: wait for an end, replace who died."""
        self._health.may_restart = True
        while True:
            self._hear(POLL_MS)
            self._health.watch_pulses()
            self._health.check_starts()
            self._health.restart_due()
            ran_s = max(0.0, (WallClock().now_ns() - start_ns) / SECOND_NS)
            progress(ran_s)
            if ended_by := self._ended_by(should_stop):
                return ended_by, ran_s
            if self._options.seconds is not None and ran_s >= self._options.seconds:
                return "seconds", self._options.seconds

    def _conduct(self, _: int, progress: Progress, should_stop: ShouldStop) -> tuple[str, float]:
        """In lockstep: announce each tick, give out steps as writers get done."""
        schedule = LockstepSchedule(self._graph)
        ticks = tick_count(self._options.seconds, schedule.tick_ns)
        while ticks is None or ticks > 0:
            schedule.begin()
            self._give_out_steps(schedule)
            while not schedule.complete:
                said = self._hear(POLL_MS)
                self._health.watch_pulses()
                if self._result.failures:
                    return "failure", schedule.now_ns / SECOND_NS
                if should_stop():
                    return "interrupt", schedule.now_ns / SECOND_NS
                if said is not None and isinstance(said[1], Done):
                    schedule.done(said[0], said[1].sent)
                    self._give_out_steps(schedule)
            ran_s = (schedule.now_ns + schedule.tick_ns) / SECOND_NS
            progress(ran_s)
            if self._sources <= self._finished:
                return "finished", ran_s
            ticks = None if ticks is None else ticks - 1
        return "seconds", self._options.seconds or 0.0

    def _give_out_steps(self, schedule: LockstepSchedule) -> None:
        """Tells every node that may step now to do so."""
        for name, visible in schedule.ready():
            self._control.send(name, Step(schedule.now_ns, tuple(visible.values())))

    def _ended_by(self, should_stop: ShouldStop) -> str | None:
        """Why the run should end now, if it should."""
        if self._result.failures:
            return "failure"
        if self._sources and self._sources <= self._finished:
            return "finished"
        return "interrupt" if should_stop() else None

    def _hear(self, timeout_ms: int) -> tuple[str, FromNode] | None:
        """Takes the next word of a node into account, and notices the dead."""
        for fd, _ in self._poller.poll(timeout_ms):
            if isinstance(fd, int):  # of a process; the others are sockets
                self._health.notice_end(fd)
        said = self._listen()
        if said is None:
            self._health.bury_the_dead()
            return None
        name, message = said
        if isinstance(message, Ready):
            if self._stop_order is None:  # who comes up later is no longer waited for
                self._health.welcome(name)
        elif isinstance(message, Vitals):
            self._note(name, message)
        elif isinstance(message, Finished):
            self._finished.add(name)
        elif isinstance(message, Bye):
            self._result.reports[name] = message.report
        elif isinstance(message, Failed):
            self._health.note_failed(name, message)
        return said

    def _listen(self) -> tuple[str, FromNode] | None:
        """The next word of a node; what no node of this run could say is shown and not heard."""
        try:
            said = self._control.receive()
        except ControlError as error:
            self._show("control", str(error))
            return None
        if said is not None and said[0] not in self._graph.nodes:
            self._show("control", f"{said[0]!r} is no node of this run")
            return None
        return said

    def _stop(self) -> None:
        """Asks all nodes to end and hears their counters; kills who does not."""
        self._health.may_restart = False
        self._order_stop()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self._waiting_for() and time.monotonic() < deadline:
            self._hear(POLL_MS)
            self._order_stop()
        for name in self._waiting_for():
            self._health.fail(name, f"did not end within {STOP_TIMEOUT_S:g} s and was killed")

    def _order_stop(self) -> None:
        """Tells all nodes that are left to end, and from whom nothing more will come; once."""
        order = Stop((*self._gone(), *self._unreachable()))
        if order == self._stop_order:
            return
        self._stop_order = order
        for name in self._waiting_for():
            self._control.send(name, order)

    def _gone(self) -> tuple[str, ...]:
        """Nodes here from which nothing more will come: failed, or about to be restarted."""
        never_ready = self._processes.keys() - self._ready
        return tuple(sorted(never_ready | self._result.failures.keys() & self._graph.nodes.keys()))

    def _waiting_for(self) -> set[str]:
        """Nodes that came up and have neither reported nor failed."""
        return self._ready - self._result.reports.keys() - self._result.failures.keys()

    def _clean_up(self) -> None:
        """Ends every process that is still there; removes the sockets."""
        self._workers.close()
        self._result.counts = tuple(self._cells[edge].read() for edge in self._graph.edges)
        self._control.socket.close()
        self._context.term()
        self._run_folder.close()
