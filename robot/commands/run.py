"""``reflexarc run``: runs a graph and leaves a run folder behind."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from perception.quantities import InputError
from robot.config import USER_ERRORS, list_configs, read_toml
from robot.console import Console
from robot.executor import RunOptions, RunResult, ShouldStop, run_in_process
from robot.graph import Graph, load_graph
from robot.host_supervisor import HostSupervisor, check_host, part_of
from robot.metrics import serve_metrics
from robot.pictures import draw_run
from robot.record import LogReader
from robot.run_control import controllable
from robot.run_status import StatusBoard
from robot.summary import accounting_fault, summarise, summary_text
from robot.supervisor import Supervisor
from robot.validation import validate


@dataclass(frozen=True)
class Run:
    """Run a graph, one process per node; without a graph, list the graphs there are.

    Example: reflexarc run room_sim --seconds 60 --seed 3 --set simulator.options.obstacles=6
    """

    graph: tyro.conf.Positional[str | None] = None
    """A name under configs/graphs/, or the path of a .toml file."""
    seconds: float | None = None
    """Seconds to run, by the run's own clock; without it until the source ends or Ctrl-C."""
    seed: int = 0
    """Seed of worlds, policies and noise; equal seeds give equal lockstep runs."""
    clock: Literal["wall", "lockstep"] | None = None
    """Real time, or time that waits for every node; default: lockstep where the graph allows."""
    in_process: bool = False
    """Run all nodes in this process: slower on many cores, easier to debug."""
    out: Path | None = None
    """The run folder; default: runs/TIME-GRAPH."""
    host: str | None = None
    """Which host of a graph with [hosts] this is; only its nodes start here."""
    keys: Path | None = None
    """The folder of keys for what leaves this host; default: that of reflexarc keys."""
    set: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NODE.KEY=VALUE")
    ] = ()
    """Overrides a parameter of a node; may be given several times."""
    view: bool = False
    """Serve a live view for Foxglove at ws://127.0.0.1:8765 (--set viewer.port=N for another)."""
    metrics: int | None = None
    """Serve metrics for Prometheus at this port of 127.0.0.1; 0: any that is free."""
    json: bool = False
    """Print the summary as JSON, and no progress."""

    def __call__(self) -> int:
        """Validates, runs, summarises, draws."""
        if self.graph is None:
            return _list_graphs(as_json=self.json)
        if self.seconds is not None and not self.seconds > 0:
            raise InputError(f"--seconds {self.seconds:g}: must be above 0")
        if self.seed < 0:
            raise InputError(f"--seed {self.seed}: must be 0 or more")
        graph = load_graph(self.graph, self.set, ("viewer",) if self.view else ())
        check_host(graph, self.host, seconds=self.seconds, in_process=self.in_process)
        lockstep = graph.makes_lockstep if self.clock is None else self.clock == "lockstep"
        validate(graph, lockstep=lockstep)
        existed = self.out is not None and self.out.exists()
        run_dir = make_run_dir(self.out, graph.name)
        write_resolved(run_dir, graph)
        options = RunOptions(self.seconds, self.seed, lockstep, run_dir, self.host, self.keys)
        console = Console(quiet=self.json)
        try:
            result = self._execute(graph, options, console)
        except USER_ERRORS:
            forget(run_dir, keep_folder=existed)  # nothing ran, so there is nothing to keep
            raise
        if self.host is not None:
            graph = part_of(graph, self.host)
        return _conclude(graph, options, result, console, as_json=self.json)

    def _execute(self, graph: Graph, options: RunOptions, console: Console) -> RunResult:
        """Runs the graph by the chosen executor, with progress, until its end or Ctrl-C."""
        board = StatusBoard(graph, options)
        with (
            interruptible() as interrupted,
            serve_metrics(board, self.metrics) as metrics_port,
            controllable(board, graph.name, options.run_dir) as control,
            console.progress(graph.name, self.seconds) as show_progress,
        ):
            if metrics_port is not None:
                console.say(f"metrics at http://127.0.0.1:{metrics_port}/metrics")

            options = replace(options, control_folder=control.folder)

            def progress(seconds: float) -> None:
                board.progress(seconds)
                show_progress(seconds)

            def should_stop() -> bool:
                return interrupted() or control.stop_asked

            say = console.node_line
            if self.in_process:
                with contextlib.redirect_stdout(sys.stderr):  # what nodes print is no result
                    return run_in_process(graph, options, progress, should_stop, say, board.note)
            if self.host is not None:
                supervisor = HostSupervisor(
                    graph, self.host, self.set, options, say, board.note, board.alert
                )
            else:
                supervisor = Supervisor(graph, self.set, options, say, board.note, board.alert)
            return supervisor.run(progress, should_stop)


def _conclude(
    graph: Graph, options: RunOptions, result: RunResult, console: Console, *, as_json: bool
) -> int:
    """Writes summary and pictures, tells the user, and says how it ended."""
    run_dir = options.run_dir
    assert run_dir is not None  # noqa: S101 - the command gives every run a folder
    summary = summarise(graph, options, result)
    if as_json:
        sys.stdout.write(json.dumps({**summary, "run_dir": str(run_dir)}) + "\n")
    else:
        sys.stdout.write(summary_text(summary) + f"run folder: {run_dir}\n")
    try:
        (run_dir / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
        _draw(run_dir, console)
    except OSError as error:
        console.say(f"{run_dir}: {error.strerror}; the summary above is all that is left to see")
        return 1
    for node, error in result.failures.items():
        reason = " ".join(error.split()) or "no reason given"
        sys.stderr.write(f"reflexarc: run: node {node!r} failed: {reason}\n")
    if not summary["accounting"]["holds"]:
        sys.stderr.write(f"reflexarc: run: {accounting_fault(summary)}\n")
        return 1
    return 1 if result.failures else 0


def _draw(run_dir: Path, console: Console) -> None:
    """Draws the pictures of a run and names them."""
    log = run_dir / "log.mcap"
    if log.is_file():
        if not LogReader(log).is_closed:
            console.say(f"{log} is cut short; mend it with: reflexarc recover {run_dir}")
        with console.progress("pictures", None):
            drawn = draw_run(run_dir)
        for line in [*drawn.words, *(f"  {path.name}" for path in drawn.files)]:
            console.say(line)


def _list_graphs(*, as_json: bool) -> int:
    """Prints the graphs there are, with what they do."""
    rows = {
        name: str(read_toml(path).get("description", ""))
        for name, path in list_configs("graphs").items()
    }
    if as_json:
        sys.stdout.write(json.dumps(rows) + "\n")
    else:
        sys.stdout.write("graphs (run one with reflexarc run GRAPH):\n")
        sys.stdout.writelines(f"  {name:<16} {text}\n" for name, text in rows.items())
    return 0


def make_run_dir(out: Path | None, graph_name: str) -> Path:
    """A new folder for the run.

    Raises:
        InputError: it exists and is not empty, or cannot be made or written.
    """
    if out is None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        out = Path("runs") / f"{stamp}-{graph_name}"
        for again in range(2, 100):
            if not out.exists():
                break
            out = Path("runs") / f"{stamp}-{graph_name}-{again}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise InputError(f"run folder {out} is not empty; give another --out")
    except OSError as error:
        raise InputError(
            f"run folder {out} cannot be made: {error.strerror}; give a writable --out"
        ) from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise InputError(f"run folder {out} cannot be written; give a writable --out")
    return out


def forget(run_dir: Path, *, keep_folder: bool) -> None:
    """Removes what was put into the run folder, and the folder unless it was there before."""
    for path in run_dir.iterdir():
        path.unlink()
    if not keep_folder:
        run_dir.rmdir()


def write_resolved(run_dir: Path, graph: Graph) -> None:
    """Keeps the graph as it was resolved.

    Raises:
        InputError: the run folder cannot be written.
    """
    try:
        (run_dir / "resolved.json").write_text(graph.resolved_json() + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"run folder {run_dir} cannot be written: {error.strerror}; give a writable --out"
        ) from error


@contextlib.contextmanager
def interruptible() -> Iterator[ShouldStop]:
    """Turns the first Ctrl-C or SIGTERM into a polite request; yields a test for it."""
    asked = []

    def ask(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
