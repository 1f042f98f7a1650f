"""Runs a graph as one process per node, shows what they print, and ends only what it started.

The supervisor starts the nodes, waits until all are ready, gives the word, conducts the ticks in
lockstep, and at the end asks the sources to stop: end markers then run down the graph, each node
ends when its inputs have, and reports its counters.

The kernel tells of a death at once (a pidfd), the counters file of a node that stands still. When
that concerns the acting path, the first thing to happen is the order to the actuators to stop the
robot; then the dead is named, and replaced if its graph allows it.
"""

import time

import zmq

from perception.quantities import InputError
from robot.clock import SECOND_NS, WallClock
from robot.control import (
    Announce,
    Bye,
    ControlError,
    Done,
    Failed,
    Finished,
    FromNode,
    Halt,
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
    nobody_watches,
    tick_count,
)
from robot.graph import Graph
from robot.launch import Launch
from robot.node import Role
from robot.processes import NodeProcesses
from robot.run_folder import RunFolder, remove_stale, runs_root
from robot.schedule import LockstepSchedule
from robot.supervision import SILENT_SHARE, RestartBudget

STOP_TIMEOUT_S = 8.0  # until a node that does not end is killed
START_LEAD_NS = 50_000_000  # from the word to the first deadline, so that all hear it first
POLL_MS = 20
LAST_WORD_S = 0.05  # for what a process said before it ended to arrive


class Supervisor:
    """One run of one graph."""

    def __init__(
        self,
        graph: Graph,
        overrides: tuple[str, ...],
        options: RunOptions,
        show: Show,
        note: Note = nobody_watches,
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
        self._ready: set[str] = set()
        self._finished: set[str] = set()
        self._sources = {n.name for n in graph.nodes.values() if n.node_class.role == "source"}
        self._result = RunResult()
        self._stop_order: Stop | None = None
        self._ended_s: dict[str, float] = {}
        """Since when the processes have ended of nodes who may still be heard."""
        self._budgets = {n.name: RestartBudget(n.supervision) for n in graph.nodes.values()}
        self._due_s: dict[str, float] = {}
        """When to start a node again."""
        self._may_restart = False
        self._unfit: set[str] = set()
        """Nodes because of which the robot is stopped."""
        self._bad_input: str | None = None
        """What a user got wrong, as a node found it."""

    def run(self, progress: Progress, should_stop: ShouldStop) -> RunResult:
        """Runs to the end; nothing of it is left behind, whatever happens.

        Raises:
            InputError: a node refused its parameters, or what they name.
        """
        try:
            for name in self._graph.nodes:
                self._launch(name)
            if self._wait_until_ready(should_stop):
                self._run(progress, should_stop)
            self._stop()
        finally:
            self._clean_up()
        if self._bad_input is not None:
            raise InputError(self._bad_input)
        return self._result

    def _launch(self, name: str) -> None:
        """Starts the process of one node."""
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
            life=self._budgets[name].count,
            keys=str(self._options.keys.resolve()) if self._options.keys else None,
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
            self._check_starts()
        return True

    def _check_starts(self) -> None:
        """A node that is not ready in its time has failed."""
        for name in self._processes.keys() - self._ready - self._due_s.keys():
            limit_s = self._graph.nodes[name].supervision.start_timeout_s
            late = time.monotonic() - self._workers.started_s[name] > limit_s
            if late and name not in self._result.failures:
                self._workers.kill(name)
                self._fail(name, f"not ready after {limit_s:g} s")

    def _run(self, progress: Progress, should_stop: ShouldStop) -> None:
        """From the word to the moment when the run shall end."""
        start_ns = self._start_at()
        for name in self._graph.nodes:
            self._control.send(name, Start(0 if self._options.lockstep else start_ns))
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
        self._may_restart = True
        while True:
            self._hear(POLL_MS)
            self._watch_pulses()
            self._check_starts()
            self._restart_due()
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
                self._watch_pulses()
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
                self._notice_end(fd)
        said = self._listen(0)
        if said is None:
            self._bury_the_dead()
            return None
        name, message = said
        if isinstance(message, Ready):
            self._welcome(name)
        elif isinstance(message, Vitals):
            self._note(name, message)
        elif isinstance(message, Finished):
            self._finished.add(name)
        elif isinstance(message, Bye):
            self._result.reports[name] = message.report
        elif isinstance(message, Failed):
            self._note_failed(name, message)
        return said

    def _listen(self, timeout_ms: int) -> tuple[str, FromNode] | None:
        """The next word of a node; what no node of this run could say is shown and not heard."""
        try:
            said = self._control.receive(timeout_ms)
        except ControlError as error:
            self._show("control", str(error))
            return None
        if said is not None and said[0] not in self._graph.nodes:
            self._show("control", f"{said[0]!r} is no node of this run")
            return None
        return said

    def _note_failed(self, name: str, message: Failed) -> None:
        """A node threw: the traceback is for bugs, one line for what a user got wrong."""
        if message.user_error and name not in self._ready:
            self._bad_input = self._bad_input or message.error
            self._result.failures.setdefault(name, message.error)
            return
        if not message.user_error:
            for line in message.traceback.rstrip().splitlines():
                self._show(name, line)
        self._fail(name, message.error)

    def _welcome(self, name: str) -> None:
        """A node is ready."""
        if self._stop_order is not None:  # who comes up later is no longer waited for
            return
        self._ready.add(name)
        if self._may_restart:
            self._control.send(name, Start(WallClock().now_ns()))
            self._set_unfit(name, unfit=False)
            if self._unfit and self._graph.nodes[name].node_class.role is Role.ACTUATOR:
                self._control.send(name, Halt(on=True))  # it has not heard of the others
            self._alert(f"node {name!r}: runs again, restart {self._budgets[name].count}")

    def _notice_end(self, pidfd: int) -> None:
        """A process has ended: the robot stops before anybody asks why."""
        name = self._workers.take_end(pidfd)
        if name not in self._result.reports:
            self._set_unfit(name, unfit=True)
            self._ended_s[name] = time.monotonic()

    def _bury_the_dead(self) -> None:
        """A process that ended without a word has failed; its last word had time to arrive."""
        for name, ended_s in list(self._ended_s.items()):
            if time.monotonic() - ended_s < LAST_WORD_S:
                continue
            del self._ended_s[name]
            if self._is_given_up(name):
                continue
            code = self._workers.exit_code(name)
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            self._fail(name, f"its process {how} without a word", code)

    def _is_given_up(self, name: str) -> bool:
        """Whether it is known what became of a node."""
        told = self._result.reports.keys() | self._result.failures.keys() | self._due_s.keys()
        return name in told

    def _fail(self, name: str, error: str, exit_code: int | None = None) -> None:
        """Notes a failure, or when to start the node again."""
        self._set_unfit(name, unfit=True)
        now_s = time.monotonic()
        delay_s = self._budgets[name].grant(now_s, exit_code) if self._may_restart else None
        if delay_s is None:
            self._result.failures.setdefault(name, error)
            self._result.ended_by = "failure"
            then = "the run ends"
        else:
            self._ready.discard(name)
            self._due_s[name] = now_s + delay_s
            self._result.restarts[name] = self._budgets[name].count
            then = f"starts again in {delay_s:g} s"
        self._alert(f"node {name!r}: {error}; {then}{self._edges_of(name)}")

    def _edges_of(self, name: str) -> str:
        """What the edges of a node between those that act had counted, for an alert."""
        shown = [
            f"{edge}: sent {self._cells[edge].sent}, taken {self._cells[edge].read().next_seq}"
            for edge in self._graph.edges
            if name in (edge.writer, edge.reader) and not self._is_watcher(edge.reader)
        ]
        return "".join(f"; {text}" for text in shown)

    def _is_watcher(self, name: str) -> bool:
        """Whether a node of this host only watches."""
        node = self._graph.nodes.get(name)
        return node is not None and node.node_class.role is Role.WATCHING

    def _alert(self, text: str) -> None:
        """Tells the person, the summary and, through a node that can still speak, the log."""
        self._result.alerts.append(text)
        self._show("supervisor", text)
        for edge in self._graph.edges:
            if edge.output == "alerts" and self._is_up(edge.writer) and self._is_up(edge.reader):
                self._control.send(edge.writer, Announce(f"supervisor: {text}"))
                return

    def _is_up(self, name: str) -> bool:
        """Whether a node is ready and nothing bad is known of it."""
        return name in self._ready and not self._is_given_up(name) and name not in self._unfit

    def _set_unfit(self, name: str, *, unfit: bool) -> None:
        """Stops the robot while a node is dead or silent that acts, or whose end is the run's."""
        ends_run = self._graph.nodes[name].supervision.restart == "never"
        if self._options.lockstep or not (ends_run or name in self._graph.acting_path):
            return
        before = bool(self._unfit)
        (self._unfit.add if unfit else self._unfit.discard)(name)
        if bool(self._unfit) != before:
            for node in self._graph.nodes.values():
                if node.node_class.role is Role.ACTUATOR:
                    self._control.send(node.name, Halt(on=unfit))

    def _watch_pulses(self) -> None:
        """Looks for nodes that live and do nothing."""
        now_ns = time.monotonic_ns()
        silent_s = SILENT_SHARE * self._graph.robot.limits.max_command_age_s
        for name in list(self._ready):
            beat_ns = self._counters.nodes[name].read().beat_ns
            silence_s = (now_ns - beat_ns) / SECOND_NS
            if self._is_given_up(name) or name in self._ended_s:
                continue
            if silence_s > self._graph.nodes[name].supervision.hang_timeout_s:
                self._workers.kill(name)
                self._fail(name, f"hangs: no sign of life for {silence_s:.1f} s, so it was killed")
            elif name in self._graph.acting_path:
                self._judge_silence(name, silence_s, silent_s)

    def _judge_silence(self, name: str, silence_s: float, limit_s: float) -> None:
        """An acting node that stands still stops the robot until it moves again."""
        silent = silence_s > limit_s
        if silent == (name in self._unfit) or self._options.lockstep:
            return
        self._set_unfit(name, unfit=silent)
        if silent:
            text = f"no sign of life for {silence_s:.2f} s; the robot is stopped"
            self._alert(f"node {name!r}: {text}{self._edges_of(name)}")
        else:
            self._alert(f"node {name!r}: is back; the robot may move")

    def _restart_due(self) -> None:
        """Starts those again whose back-off is over and whose old process has ended."""
        for name, due_s in list(self._due_s.items()):
            ended = self._workers.has_ended(name) and name not in self._ended_s
            if ended and time.monotonic() >= due_s:
                del self._due_s[name]
                self._launch(name)

    def _stop(self) -> None:
        """Asks all nodes to end and hears their counters; kills who does not."""
        self._may_restart = False
        self._order_stop()
        told = len(self._result.failures)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self._waiting_for() and time.monotonic() < deadline:
            self._hear(POLL_MS)
            if len(self._result.failures) > told:
                told = len(self._result.failures)
                self._order_stop()
        for name in self._waiting_for():
            self._fail(name, f"did not end within {STOP_TIMEOUT_S:g} s and was killed")

    def _order_stop(self) -> None:
        """Tells all nodes that are left to end, and from whom nothing more will come."""
        never_ready = self._processes.keys() - self._ready  # those about to be restarted too
        self._stop_order = Stop((*self._result.failures, *never_ready, *self._unreachable()))
        for name in self._waiting_for():
            self._control.send(name, self._stop_order)

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
