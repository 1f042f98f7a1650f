"""A supervised run for tests, and the check that nothing is left of it."""

import os
import signal
import threading
from dataclasses import replace

import psutil

from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.run_control import controllable
from robot.run_status import StatusBoard
from robot.summary import summarise
from robot.supervisor import Supervisor


class Run:
    """One supervised run, and what is left of it."""

    def __init__(self, path, run_dir, *overrides, seconds=0.5, lockstep=True):
        self.graph = load_graph(str(path), overrides)
        self.options = RunOptions(seconds=seconds, seed=0, lockstep=lockstep, run_dir=run_dir)
        self.said = []
        self.told = []
        self.board = StatusBoard(self.graph, self.options)
        self.supervisor = Supervisor(
            self.graph, overrides, self.options, self._show, self.board.note, self.board.alert
        )

    @property
    def result_so_far(self):
        return self.supervisor._result

    def go(self, on_progress=lambda _: None, should_stop=lambda: False, while_ending=None):
        hear = self.supervisor._hear

        def hear_and_act(timeout_ms):
            if while_ending is not None and self.supervisor._stop_order is not None:
                while_ending(self)
            return hear(timeout_ms)

        self.supervisor._hear = hear_and_act

        def progress(seconds):
            self.told.append(seconds)
            on_progress(seconds)

        try:
            self.result = self.supervisor.run(progress, should_stop)
        finally:
            self._nothing_is_left()
        return self.result

    def _show(self, node, line):
        self.said.append((node, line))

    def _nothing_is_left(self):
        processes = self.supervisor._processes.values()
        assert all(process.poll() is not None for process in processes)
        ours = {process.pid for process in processes}
        assert not ours & {child.pid for child in psutil.Process().children(recursive=True)}
        assert not self.supervisor._folder.exists()

    def lines(self, node):
        return [line for name, line in self.said if name == node]

    def kill(self, node, number=signal.SIGKILL):
        os.kill(self.pid(node), number)

    def pulse(self, node):
        """Signs of life of a node."""
        return self.supervisor._counters.nodes[node].read()

    def pid(self, node):
        return self.supervisor._processes[node].pid

    def check_accounts(self):
        """What was sent was received, dropped, or lost with a process that was replaced."""
        summary = summarise(self.graph, self.options, self.result)
        assert len(summary["edges"]) == len(self.graph.edges)
        for edge, counts in summary["edges"].items():
            lost = counts["lost_with_process"]
            assert counts["sent"] == counts["received"] + counts["dropped"] + lost, (edge, counts)
            assert lost == 0 or any(name in edge for name in self.result.restarts), edge
        assert summary["accounting"] == {"holds": True, "unaccounted": {}}


class Going:
    """A run by wall clock that can be armed and stopped, in a thread of the test."""

    def __init__(self, path, run_dir, *overrides, in_process=False, hold=None):
        self.graph = load_graph(str(path), overrides)
        self.said = []
        self.options = options = RunOptions(None, seed=0, lockstep=False, run_dir=run_dir)
        self.board = StatusBoard(self.graph, options)
        self.begun, self.restarted = threading.Event(), threading.Event()
        self.vitals = {}
        self._news = threading.Condition()
        self._hold = hold
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(run_dir, overrides, options, in_process)
        )
        self._thread.start()
        while not self.begun.wait(1):
            assert self._thread.is_alive()

    def end(self):
        self._over.set()
        return self.await_end()

    def await_end(self):
        self._thread.join()
        return self.result

    def until(self, reached):
        """Waits until what the nodes say of themselves, by name, is as it should be."""
        with self._news:
            while not reached(self.vitals):
                assert self._thread.is_alive()
                self._news.wait(1)

    def _note(self, node, vitals):
        self.board.note(node, vitals)
        with self._news:
            self.vitals[node] = vitals
            self._news.notify()

    def _run(self, run_dir, overrides, options, in_process):
        with controllable(self.board, self.graph.name, run_dir) as control:
            options = replace(options, control_folder=control.folder)
            if in_process:
                self.result = run_in_process(
                    self.graph, options, self._progress, self._over.is_set, self._show, self._note
                )
            else:
                self.supervisor = Supervisor(
                    self.graph, overrides, options, self._show, self._note, self.board.alert
                )
                self.result = self.supervisor.run(self._progress, self._over.is_set)

    def _show(self, node, line):
        self.said.append((node, line))
        if "runs again" in line:
            self.restarted.set()

    def _progress(self, seconds):
        if seconds > 0:
            self.begun.set()
            if self._hold is not None:
                self._hold.wait()
