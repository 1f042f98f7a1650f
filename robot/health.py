"""Judges who of a run's nodes is alive, and restarts who died where the graph allows it.

The kernel tells of a death at once (a pidfd), the counters file of a node that stands still. When
that concerns the acting path, the first thing to happen is the order to the actuators to stop the
robot; then the dead is named, and replaced or given up.
"""

import time
from collections.abc import Callable

from robot.clock import SECOND_NS, WallClock
from robot.control import Announce, Failed, Start, SupervisorControl
from robot.counters import EdgeCells, NodeCells
from robot.executor import RunResult, Show, Tell
from robot.graph import Edge, Graph
from robot.node import Role
from robot.processes import NodeProcesses
from robot.safe_stop import SafeStop
from robot.supervision import SILENT_SHARE, RestartBudget

LAST_WORD_S = 0.05  # for what a process said before it ended to arrive


class Health:
    """Who is up, who died, who is due to start again; failures and alerts go into the result."""

    def __init__(
        self,
        graph: Graph,
        control: SupervisorControl,
        workers: NodeProcesses,
        edges: dict[Edge, EdgeCells],
        pulses: dict[str, NodeCells],
        result: RunResult,
        show: Show,
        tell: Tell,
        start: Callable[[str, int], None],
        *,
        lockstep: bool,
    ) -> None:
        """``start``: of one node its process; told how many of it have died before."""
        self._graph, self._control, self._workers = graph, control, workers
        self._edges, self._pulses = edges, pulses
        self._result, self._show, self._tell, self._start = result, show, tell, start
        self._lockstep = lockstep
        self._budgets = {n.name: RestartBudget(n.supervision) for n in graph.nodes.values()}
        self._ended_s: dict[str, float] = {}
        """Since when the processes have ended of nodes who may still be heard."""
        self._due_s: dict[str, float] = {}
        """When to start a node again."""
        self.safe_stop = SafeStop(graph, control, lockstep=lockstep)
        self.ready: set[str] = set()
        """Nodes that came up and are not about to be started again."""
        self.begun = False
        """Whether the nodes have got the word; until then none of them sends."""
        self.may_restart = False
        """Whether a node that fails may be replaced: while the run goes on, by wall clock."""
        self.bad_input: str | None = None
        """What a user got wrong, as a node found it."""

    def start_all(self) -> None:
        """Starts the process of every node."""
        for name in self._graph.nodes:
            self._start(name, 0)

    def welcome(self, name: str) -> None:
        """A node is ready."""
        self.ready.add(name)
        if self.may_restart:
            self._control.send(name, Start(WallClock().now_ns()))
            self.safe_stop.judge(name, unfit=False)
            self.safe_stop.tell(name)
            self.alert(f"node {name!r}: runs again, restart {self._budgets[name].count}")

    def note_failed(self, name: str, message: Failed) -> None:
        """A node threw: the traceback is for bugs, one line for what a user got wrong."""
        if message.user_error and name not in self.ready:
            self.bad_input = self.bad_input or message.error
            self._result.failures.setdefault(name, message.error)
            return
        if not message.user_error:
            for line in message.traceback.rstrip().splitlines():
                self._show(name, line)
        self.fail(name, message.error)

    def notice_end(self, pidfd: int) -> None:
        """A process has ended: the robot stops before anybody asks why."""
        name = self._workers.take_end(pidfd)
        if name not in self._result.reports:
            self.safe_stop.judge(name, unfit=True)
            self._ended_s[name] = time.monotonic()

    def bury_the_dead(self) -> None:
        """A process that ended without a word has failed; its last word had time to arrive."""
        for name, ended_s in list(self._ended_s.items()):
            if time.monotonic() - ended_s < LAST_WORD_S:
                continue
            del self._ended_s[name]
            if self._is_given_up(name):
                continue
            code = self._workers.exit_code(name)
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            self.fail(name, f"its process {how} without a word", code)

    def check_starts(self) -> None:
        """A node that is not ready in its time has failed."""
        for name in self._workers.by_name.keys() - self.ready - self._due_s.keys():
            limit_s = self._graph.nodes[name].supervision.start_timeout_s
            late = time.monotonic() - self._workers.started_s[name] > limit_s
            if late and name not in self._result.failures:
                self._workers.kill(name)
                self.fail(name, f"not ready after {limit_s:g} s")

    def watch_pulses(self) -> None:
        """Looks for nodes that live and do nothing."""
        now_ns = time.monotonic_ns()
        silent_s = SILENT_SHARE * self._graph.robot.limits.max_command_age_s
        for name in list(self.ready):
            silence_s = (now_ns - self._pulses[name].read().beat_ns) / SECOND_NS
            if self._is_given_up(name) or name in self._ended_s:
                continue
            if silence_s > self._graph.nodes[name].supervision.hang_timeout_s:
                self._workers.kill(name)
                self.fail(name, f"hangs: no sign of life for {silence_s:.1f} s, so it was killed")
            elif name in self._graph.acting_path:
                self._judge_silence(name, silence_s, silent_s)

    def restart_due(self) -> None:
        """Starts those again whose back-off is over and whose old process has ended."""
        for name, due_s in list(self._due_s.items()):
            ended = self._workers.has_ended(name) and name not in self._ended_s
            if ended and time.monotonic() >= due_s:
                del self._due_s[name]
                self._start(name, self._budgets[name].count)

    def fail(self, name: str, error: str, exit_code: int | None = None) -> None:
        """Notes a failure, or when to start the node again."""
        self.safe_stop.judge(name, unfit=True)
        now_s = time.monotonic()
        delay_s = self._budgets[name].grant(now_s, exit_code) if self.may_restart else None
        if delay_s is None:
            self._result.failures.setdefault(name, error)
            self._result.ended_by = "failure"
            then = "the run ends"
        else:
            self.ready.discard(name)
            self._due_s[name] = now_s + delay_s
            self._result.restarts[name] = self._budgets[name].count
            then = f"starts again in {delay_s:g} s"
        self.alert(f"node {name!r}: {error}; {then}{self._edges_of(name)}")

    def _judge_silence(self, name: str, silence_s: float, limit_s: float) -> None:
        """An acting node that stands still stops the robot until it moves again."""
        silent = silence_s > limit_s
        if silent == (name in self.safe_stop.unfit) or self._lockstep:
            return
        self.safe_stop.judge(name, unfit=silent)
        if silent:
            text = f"no sign of life for {silence_s:.2f} s; the robot is stopped"
            self.alert(f"node {name!r}: {text}{self._edges_of(name)}")
        else:
            self.alert(f"node {name!r}: is back; the robot may move")

    def _is_given_up(self, name: str) -> bool:
        """Whether it is known what became of a node."""
        told = self._result.reports.keys() | self._result.failures.keys() | self._due_s.keys()
        return name in told

    def _is_up(self, name: str) -> bool:
        """Whether a node is ready and nothing bad is known of it."""
        known = self._is_given_up(name) or name in self.safe_stop.unfit
        return name in self.ready and not known

    def alert(self, text: str) -> None:
        """Tells the person, the summary, who watches, and the log if a node can still speak."""
        self._result.alerts.append(text)
        self._show("supervisor", text)
        self._tell(text)
        if not self.begun:
            return
        for edge in self._graph.edges:
            if edge.output == "alerts" and self._is_up(edge.writer) and self._is_up(edge.reader):
                self._control.send(edge.writer, Announce(f"supervisor: {text}"))
                return

    def _edges_of(self, name: str) -> str:
        """What the edges of a node between those that act had counted, for an alert."""
        shown = [
            f"{edge}: sent {self._edges[edge].sent}, taken {self._edges[edge].read().next_seq}"
            for edge in self._graph.edges
            if name in (edge.writer, edge.reader) and not self._is_watcher(edge.reader)
        ]
        return "".join(f"; {text}" for text in shown)

    def _is_watcher(self, name: str) -> bool:
        """Whether a node of this host only watches."""
        node = self._graph.nodes.get(name)
        return node is not None and node.node_class.role is Role.WATCHING
