"""What happens when a process of a flying robot is killed or stopped: how soon it is safe.

Each cell flies the room by wall clock through the command line, the only run on the machine, and at
a random moment sends SIGKILL to a random process, the supervisor included, or
SIGSTOP to one on the acting path. "Safe" is what the plant itself writes into the run's counters
file, with its own monotonic stamp: it hovers on its watchdog, or a stop order has reached it. Where
the plant is the victim, it is the actuator that must have stopped its driver. This program maps the
file before the kill, and the mapping outlives the run.

Each cell is one small JSON row, written at once; a study that is interrupted goes on where it
stopped. The table is made from the rows.

    python -m benchmarks.kill_study
    python -m benchmarks.kill_study --cells kill-003 stop-001
"""

import argparse
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.results import commit, hardware
from robot.accounting import settle, unaccounted
from robot.counters import FILE_NAME, Counters
from robot.executor import RunResult
from robot.graph import Graph, load_graph
from robot.record import LogError, LogReader
from robot.run_folder import PREFIX, remove_stale, runs_root

ROWS = Path("docs/results/kill_study")
GRAPH = "room_sim"
ACTING = ("simulator", "stereo", "policy", "actuator")
VICTIMS = (*ACTING, "recorder", "supervisor")
KILLS, STOPS = 200, 40
FLIGHT_S = (2.0, 6.0)  # from the first movement to the fault
CELL_S = 14.0  # what a cell takes on an idle machine of two cores
START_S, END_S = 120.0, 30.0  # how long a run may take to begin and to end
LEFT_AFTER_S = 2.0
ASKED_MS = {"SIGKILL": 100.0, "SIGSTOP": 300.0}
COMMAND = "python -m benchmarks.kill_study"
HEAD = f"""# Kill study

`{GRAPH}` by wall clock; the victim and the moment are drawn from each cell's seed; one row per cell
in `kill_study/`. Safe: the plant hovers on its own watchdog or a stop has reached it, by its own
stamp; where the plant is the victim, the actuator has stopped. Asked: after SIGKILL safe within
100 ms in at least 198 of 200 and within 250 ms always; after SIGSTOP within 300 ms (a cell above
100 or 300 ms counts as late); at most 1 s of log lost; all messages accounted for; nothing left.

| signal | victim | cells | safe ms: median (max) | late | log lost s, max | sum fails | left |
|---|---|---|---|---|---|---|---|
"""


class StudyError(Exception):
    """A cell could not be measured."""


@dataclass(frozen=True)
class Cell:
    """One fault."""

    name: str
    number: int
    """Seed of the flight and of the choice of victim and moment."""
    victims: tuple[str, ...]
    signal: signal.Signals

    @property
    def row(self) -> Path:
        """Where its result is kept."""
        return ROWS / f"{self.name}.json"


CELLS = {
    cell.name: cell
    for cell in (
        *(Cell(f"kill-{n:03d}", n, VICTIMS, signal.SIGKILL) for n in range(KILLS)),
        *(Cell(f"stop-{n:03d}", 1000 + n, ACTING, signal.SIGSTOP) for n in range(STOPS)),
    )
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measures what is missing, then writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", nargs="+", choices=CELLS, metavar="CELL", default=list(CELLS))
    parser.add_argument("--again", action="store_true", help="measure also what has a row")
    args = parser.parse_args(argv)
    graph = load_graph(GRAPH)
    ROWS.mkdir(parents=True, exist_ok=True)
    cells = [c for c in map(CELLS.__getitem__, args.cells) if args.again or not _done(c, graph)]
    print(f"{len(cells)} cells; takes about {len(cells) * CELL_S / 60:.1f} min", flush=True)
    for cell in cells:
        row = measure(cell, graph)
        cell.row.write_text(json.dumps(row, indent=2) + "\n")
        print(f"{cell.name}: {row['victim']}, safe after {row['safe_ms']:.1f} ms", flush=True)
    Path(f"{ROWS}.md").write_text(table())
    print(table())
    return 0


def measure(cell: Cell, graph: Graph) -> dict[str, Any]:
    """Flies one cell; its row."""
    rng = np.random.default_rng(cell.number)
    victim = str(rng.choice(cell.victims))
    after_s = float(rng.uniform(*FLIGHT_S))
    with tempfile.TemporaryDirectory(prefix="rx") as folder:
        flight = Flight(cell, graph, Path(folder))
        try:
            flight.wait_until_it_moves(after_s)
            fault_ns = flight.strike(victim)
            safe_ms = flight.safe_after_ms(victim, fault_ns)
            exit_code = flight.wait_for_end(victim)
            row = {
                "victim": victim,
                "signal": cell.signal.name,
                "seed": cell.number,
                "after_s": round(after_s, 3),
                "safe_ms": round(safe_ms, 3),
                "exit_code": exit_code,
                "log_lost_s": flight.log_lost_s(fault_ns),
                "unaccounted": flight.unaccounted(),
                "left": flight.left_behind(),
            }
        finally:
            flight.close()
    return row | {
        "load": os.getloadavg()[0],
        "commit": commit(),
        "config_hash": config_hash(graph),
        "hardware": hardware(),
    }


class Flight:
    """One run of the graph as a user starts it."""

    def __init__(self, cell: Cell, graph: Graph, folder: Path) -> None:
        self._cell = cell
        self._graph = graph
        self._folder = folder
        self._run_dir = folder / "run"
        self._before = set(runs_root().glob(f"{PREFIX}*"))
        command = [
            *(sys.executable, "-m", "robot.cli", "run", GRAPH, "--clock", "wall"),
            *("--seed", str(cell.number), "--seconds", "60", "--out", str(self._run_dir)),
        ]
        self._log = (folder / "output").open("wb")
        self._supervisor = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        self._counters: Counters | None = None
        self._workers: list[psutil.Process] = []

    def wait_until_it_moves(self, after_s: float) -> None:
        """Until the robot has been commanded for so long, and is commanded now."""
        sizes = len(self._graph.edges), list(self._graph.nodes)
        (folder,) = self._until(START_S, "the run to begin", self._folders_with_counters)
        self._counters = Counters(folder, *sizes)
        self._until_true("the robot to move", lambda: not self._safe("simulator"))
        time.sleep(after_s)
        self._until_true("the robot to move again", lambda: not self._safe("simulator"))
        self._workers = psutil.Process(self._supervisor.pid).children(recursive=True)

    def strike(self, victim: str) -> int:
        """Sends the signal; returns when, in monotonic ns."""
        pid = self._supervisor.pid if victim == "supervisor" else self._pid_of(victim)
        fault_ns = time.monotonic_ns()
        os.kill(pid, self._cell.signal)
        return fault_ns

    def safe_after_ms(self, victim: str, fault_ns: int) -> float:
        """From the fault until the robot was safe, by the stamp of who made it so."""
        witness = "actuator" if victim == "simulator" else "simulator"
        self._until_true("the robot to be safe", lambda: self._safe(witness))
        assert self._counters is not None
        return (self._counters.nodes[witness].read().safe_since_ns - fault_ns) / 1e6

    def wait_for_end(self, victim: str) -> int:
        """Ends a run whose node was only stopped; returns the exit code."""
        if self._cell.signal is signal.SIGSTOP:
            os.kill(self._pid_of(victim), signal.SIGCONT)
            self._supervisor.send_signal(signal.SIGINT)
        return self._supervisor.wait(END_S)

    def log_lost_s(self, fault_ns: int) -> float | None:
        """Seconds before the fault of which the log holds nothing; None without a log."""
        try:
            sent = (entry.message.sent_ns for entry in self._log_entries())
            newest_ns = max((ns for ns in sent if ns <= fault_ns), default=0)
        except LogError:
            return None
        return round((fault_ns - newest_ns) / 1e9, 3)

    def unaccounted(self) -> dict[str, int]:
        """Edges whose sum fails: by the summary, or where nobody was left to write one, by us."""
        path = self._run_dir / "summary.json"
        if path.is_file():
            return json.loads(path.read_text())["accounting"]["unaccounted"]
        assert self._counters is not None
        result = RunResult(counts=self._counters.read_edges())
        return unaccounted(settle(self._graph, result))

    def left_behind(self) -> list[str]:
        """Processes two seconds after the end, and folders after what the next start removes."""
        _, listed = psutil.wait_procs(self._workers, timeout=LEFT_AFTER_S)
        alive = [process.pid for process in listed if not _has_ended(process)]
        remove_stale(runs_root())
        return [f"process {pid}" for pid in alive] + [str(p) for p in self._new_folders()]

    def close(self) -> None:
        """Ends what a failed measurement has left running."""
        for process in (psutil.Process(), *self._workers)[1:]:
            if process.is_running():
                process.kill()
        if self._supervisor.poll() is None:
            self._supervisor.send_signal(signal.SIGINT)
            self._supervisor.wait(END_S)
        self._log.close()

    def _log_entries(self) -> Iterator[Any]:
        path = self._run_dir / "log.mcap"
        if not path.is_file():
            raise LogError(f"{path}: was never begun")
        return LogReader(path).messages()

    def _new_folders(self) -> list[Path]:
        """Run folders, sockets and shared memory, that were not there before this run."""
        return [path for path in runs_root().glob(f"{PREFIX}*") if path not in self._before]

    def _folders_with_counters(self) -> list[Path]:
        return [path for path in self._new_folders() if (path / FILE_NAME).is_file()]

    def _safe(self, node: str) -> bool:
        assert self._counters is not None
        pulse = self._counters.nodes[node].read()
        return pulse.steps == 0 or pulse.safe_since_ns > 0

    def _pid_of(self, node: str) -> int:
        """A worker tells no name on its command line; what it holds open does."""
        index = next(i for i, edge in enumerate(self._graph.edges) if edge.reader == node)
        for worker in self._workers:
            bound = {c.laddr for c in worker.net_connections("unix") if c.status == "NONE"}
            if any(str(address).endswith(f"/e{index}") for address in bound):
                return worker.pid
        raise StudyError(f"no process of node {node!r} found")

    def _until_true(self, what: str, condition: Any) -> None:
        self._until(START_S, what, lambda: [True] if condition() else [])

    def _until(self, limit_s: float, what: str, find: Any) -> list[Any]:
        """Looks every millisecond until something is found."""
        deadline = time.monotonic() + limit_s
        while not (found := find()):
            if time.monotonic() > deadline:
                tail = (self._folder / "output").read_text(errors="replace")[-2000:]
                raise StudyError(f"waited {limit_s:g} s for {what}; the run said:\n{tail}")
            time.sleep(0.001)
        return found


def _has_ended(process: psutil.Process) -> bool:
    """Also of an orphan whose exit code the system's first process has not asked for yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def table() -> str:
    """The rows as Markdown."""
    rows = [json.loads(path.read_text()) for path in sorted(ROWS.glob("*.json"))]
    groups = sorted({(row["signal"], row["victim"]) for row in rows})
    by_group = {g: [r for r in rows if (r["signal"], r["victim"]) == g] for g in groups}
    commits = ", ".join(sorted({str(row["commit"]) for row in rows}))
    machine = hardware()
    where = f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}"
    body = "\n".join(_table_line(group, found) for group, found in by_group.items())
    return f"{HEAD}{body}\n\nMeasured at commit {commits} on {where}.\n\n    {COMMAND}\n"


def _table_line(group: tuple[str, str], rows: list[dict[str, Any]]) -> str:
    safe_ms = [row["safe_ms"] for row in rows]
    lost = [row["log_lost_s"] for row in rows]
    shown_lost = "no log" if None in lost else f"{max(lost):.2f}"
    return (
        f"| {group[0]} | {group[1]} | {len(rows)} "
        f"| {statistics.median(safe_ms):.0f} ({max(safe_ms):.0f}) "
        f"| {sum(ms > ASKED_MS[group[0]] for ms in safe_ms)} | {shown_lost} "
        f"| {sum(bool(row['unaccounted']) for row in rows)} "
        f"| {sum(bool(row['left']) for row in rows)} |"
    )


def config_hash(graph: Graph) -> str:
    """Of everything that the graph resolves to."""
    return hashlib.sha256(graph.resolved_json().encode()).hexdigest()[:16]


def _done(cell: Cell, graph: Graph) -> bool:
    """Whether a cell has a row of the present configuration."""
    if not cell.row.is_file():
        return False
    return json.loads(cell.row.read_text())["config_hash"] == config_hash(graph)


if __name__ == "__main__":
    sys.exit(main())
