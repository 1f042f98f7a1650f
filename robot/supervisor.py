"""Runs a graph as one process per node, shows what they print, and ends only what it started.

The supervisor starts the nodes, waits until all are ready, gives the word, conducts the ticks in
lockstep, and at the end asks the sources to stop: end markers then run down the graph, each node
ends when its inputs have, and reports its counters.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from typing import IO

import msgspec
import zmq

from perception.quantities import InputError
from robot.clock import SECOND_NS, WallClock
from robot.control import (
    Bye,
    Done,
    Failed,
    Finished,
    FromNode,
    Ready,
    Start,
    Step,
    Stop,
    SupervisorControl,
)
from robot.executor import Progress, RunOptions, RunResult, ShouldStop, Show, tick_count
from robot.graph import Graph
from robot.run_folder import RunFolder
from robot.schedule import LockstepSchedule
from robot.worker import Launch

START_TIMEOUT_S = 120.0  # a first start compiles numba kernels on a slow board
STOP_TIMEOUT_S = 8.0  # until a node that does not end is killed
START_LEAD_NS = 50_000_000  # from the word to the first deadline, so that all hear it first
POLL_MS = 20


class Supervisor:
    """One run of one graph."""

    def __init__(
        self, graph: Graph, overrides: tuple[str, ...], options: RunOptions, show: Show
    ) -> None:
        self._graph = graph
        self._overrides = overrides
        self._options = options
        self._show = show
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._run_folder = RunFolder()
        self._folder = self._run_folder.path
        self._control = SupervisorControl(self._context, self._folder)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._printers: list[threading.Thread] = []
        self._ready: set[str] = set()
        self._finished: set[str] = set()
        self._sources = {n.name for n in graph.nodes.values() if n.node_class.role == "source"}
        self._result = RunResult()
        self._stop_order: Stop | None = None
        self._silent: set[str] = set()
        """Nodes whose process has ended and who have not been heard since."""
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
        )
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "robot.worker",
            ],  # -P: no folder here may shadow our packages
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the supervisor; it ends the nodes in order
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(msgspec.json.encode(launch) + b"\n")
        process.stdin.flush()
        self._processes[name] = process
        printer = threading.Thread(target=self._print, args=(name, process.stdout), daemon=True)
        printer.start()
        self._printers.append(printer)

    def _print(self, name: str, stream: IO[bytes]) -> None:
        """Shows what a node prints, line by line, until it closes its output."""
        for line in stream:
            self._show(name, line.decode(errors="replace").rstrip("\n"))

    def _wait_until_ready(self, should_stop: ShouldStop) -> bool:
        """Whether all nodes came up."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._ready < self._graph.nodes.keys():
            self._hear(POLL_MS)
            if self._result.failures:
                return False
            if should_stop():
                self._result.ended_by = "interrupt"
                return False
            if time.monotonic() > deadline:
                for name in self._graph.nodes.keys() - self._ready:
                    self._fail(name, f"not ready after {START_TIMEOUT_S:g} s")
                return False
        return True

    def _run(self, progress: Progress, should_stop: ShouldStop) -> None:
        """From the word to the moment when the run shall end."""
        start_ns = WallClock().now_ns() + START_LEAD_NS
        for name in self._graph.nodes:
            self._control.send(name, Start(0 if self._options.lockstep else start_ns))
        began = time.monotonic()
        run = self._conduct if self._options.lockstep else self._oversee
        self._result.ended_by, self._result.run_seconds = run(start_ns, progress, should_stop)
        self._result.wall_seconds = time.monotonic() - began

    def _oversee(
        self, start_ns: int, progress: Progress, should_stop: ShouldStop
    ) -> tuple[str, float]:
        """By wall clock the nodes pace themselves: wait for an end."""
        while True:
            self._hear(POLL_MS)
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
        if self._sources <= self._finished:
            return "finished"
        return "interrupt" if should_stop() else None

    def _hear(self, timeout_ms: int) -> tuple[str, FromNode] | None:
        """Takes the next word of a node into account, and notices the dead."""
        said = self._control.receive(timeout_ms)
        if said is None:
            self._notice_the_dead()
            return None
        name, message = said
        if isinstance(message, Ready):
            if self._stop_order is None:  # who comes up later is no longer waited for
                self._ready.add(name)
        elif isinstance(message, Finished):
            self._finished.add(name)
        elif isinstance(message, Bye):
            self._result.reports[name] = message.report
        elif isinstance(message, Failed):
            if message.user_error and name not in self._ready:
                self._bad_input = self._bad_input or message.error
            elif not message.user_error:
                for line in message.traceback.rstrip().splitlines():
                    self._show(name, line)
            self._fail(name, message.error)
        return said

    def _notice_the_dead(self) -> None:
        """A process that ended without a word has failed.

        Its last word may still be on the way, so it is listened for once more before.
        """
        for name, process in self._processes.items():
            code = process.poll()
            if code is None or name in self._result.reports or name in self._result.failures:
                continue
            if name not in self._silent:
                self._silent.add(name)
                continue
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            self._fail(name, f"its process {how} without a word")

    def _fail(self, name: str, error: str) -> None:
        """Notes a failure."""
        self._result.failures.setdefault(name, error)
        self._result.ended_by = "failure"

    def _stop(self) -> None:
        """Asks all nodes to end and hears their counters; kills who does not."""
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
        never_ready = self._processes.keys() - self._ready
        self._stop_order = Stop((*self._result.failures, *never_ready))
        for name in self._waiting_for():
            self._control.send(name, self._stop_order)

    def _waiting_for(self) -> set[str]:
        """Nodes that came up and have neither reported nor failed."""
        return self._ready - self._result.reports.keys() - self._result.failures.keys()

    def _clean_up(self) -> None:
        """Ends every process that is still there; removes the sockets."""
        grace = time.monotonic() + 1.0
        for process in self._processes.values():
            if process.stdin is not None:
                process.stdin.close()
        for process in self._processes.values():
            try:
                process.wait(max(0.05, grace - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for printer in self._printers:
            printer.join(timeout=1.0)
        for process in self._processes.values():
            if process.stdout is not None:
                process.stdout.close()
        self._control.socket.close()
        self._context.term()
        self._run_folder.close()
