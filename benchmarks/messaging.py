"""Latency from a NumPy frame in one process to a NumPy view in another, ours beside its peers.

    python -m benchmarks.messaging [--messages 2000] [--rounds 20] [--out FILE.json]
    python -m benchmarks.messaging --table hosts --out docs/results/messaging_hosts.json

Frames of 64 B to 6.2 MB at 100 Hz. All transports are up during the whole run and take turns, so
that a slow moment of the machine hits all of them. A frame's age ends when the receiver has touched
every page of it. The peers are installed into an environment of their own, ``benchmarks/.peers/``;
one that cannot be had is named in the table. The CPU share of each idle receiver is measured
before the first frame is sent.

The table ``hosts`` sets plain TCP against CURVE. With ``--out`` each size is a small JSON row in a
folder beside the file, written at once; a run that is interrupted goes on where it stopped.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.messaging_hosts import BETWEEN_HOSTS
from benchmarks.messaging_transports import LARGEST, TRANSPORTS, Transport
from benchmarks.results import commit, hardware, write_result
from robot.run_folder import RunFolder

TABLES = {"peers": TRANSPORTS, "hosts": BETWEEN_HOSTS}
SIZES = {"64 B": 64, "10 kB": 10_000, "57.6 kB": 57_600, "0.92 MB": 921_600, "6.2 MB": LARGEST}
RATE_HZ = 100.0
WARM_UP = 10  # frames per size and transport that do not count
START_S = 60.0
SILENCE_S = 2.0  # after it, frames that have not come are lost
PORTS = 5  # one for each transport over TCP
ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).parent / ".peers"
PACKAGES = {  # by the name that a transport asks for
    "eclipse-zenoh": ("eclipse-zenoh==1.10.2",),
    "iceoryx2": ("iceoryx2==0.10.0",),
    "dora-rs": ("dora-rs==1.1.0", "dora-rs-cli==1.1.0", "pyarrow==26.0.1"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--messages", type=int, default=2000, help="per size and transport")
    parser.add_argument("--rounds", type=int, default=20, help="turns that each transport takes")
    parser.add_argument("--table", choices=TABLES, default="peers", help="which comparison")
    parser.add_argument("--transports", nargs="*", metavar="NAME", help="only these of the table")
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--idle", type=float, default=5.0, help="seconds to watch idle receivers")
    parser.add_argument("--again", action="store_true", help="measure also what has a row")
    parser.add_argument("--out", type=Path, help="write JSON here, rows and a table beside it")
    arguments = parser.parse_args()
    table = TABLES[arguments.table]
    names = arguments.transports or list(table)
    if unknown := set(names) - set(table):
        parser.error(f"no transport {', '.join(unknown)}; there are: {', '.join(table)}")
    wanted = {name: table[name] for name in names}
    plan = Plan(arguments.sizes, arguments.messages, arguments.rounds, arguments.idle)
    rows = Rows(arguments.out, plan, wanted, again=arguments.again)
    if missing_sizes := rows.missing():
        print(f"takes about {plan.minutes(len(missing_sizes), len(wanted)):.0f} min", flush=True)
        missing = install_peers({row.package for row in wanted.values() if row.package})
        with benchmark_folder() as folder:
            measure(folder, wanted, missing, plan, rows)
    numbers = rows.numbers()
    text = table_of(numbers)
    print(text)
    if arguments.out:
        write_result(arguments.out, numbers)
        arguments.out.with_suffix(".table.md").write_text(text + "\n")


def install_peers(packages: set[str]) -> dict[str, str]:
    """Brings the peers' environment up to date; returns why a package could not be had."""
    if not packages:
        return {}
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        pip(python, f"numpy=={np.__version__}")
    failed = {}
    for package in sorted(packages):
        if error := pip(python, *PACKAGES[package]):
            failed[package] = error
    return failed


def pip(python: Path, *requirements: str) -> str:
    """Installs packages; the last line of what went wrong, empty when all went well."""
    command = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q", *requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stderr.strip().splitlines() or ["pip failed"])[-1] if done.returncode else ""


@contextmanager
def benchmark_folder() -> Iterator[Path]:
    """A 0700 folder for sockets and shared memory, with free ports noted in it."""
    run = RunFolder()
    try:
        probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(PORTS)]
        ports = [str(probe.getsockname()[1]) for probe in probes]
        for probe in probes:
            probe.close()
        (run.path / "ports").write_text(" ".join(ports))
        yield run.path
    finally:
        run.close()


class End:
    """The benchmark's line to one process."""

    def __init__(self, stream: Any, pid: int) -> None:
        self._stream = stream
        self.pid = pid

    def ask(self, order: Any) -> Any:
        """Sends an order and waits for its answer."""
        self._stream.write(json.dumps(order) + "\n")
        self._stream.flush()
        return json.loads(self._stream.readline())


class Ends:
    """Both processes of every transport."""

    def __init__(self, folder: Path, transports: dict[str, Transport]) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.senders: dict[str, End] = {}
        self.receivers: dict[str, End] = {}
        self.failed: dict[str, str] = {}
        self._streams: list[Any] = []
        self._numbers = 0
        for name, row in transports.items():
            self._start(name, row)

    def reserve(self, count: int) -> int:
        """The first of so many numbers for frames; none is given out twice."""
        first = self._numbers
        self._numbers += count
        return first

    def _start(self, name: str, row: Transport) -> None:
        """Starts a transport; notes why it does not come up."""
        home = self._folder / name
        home.mkdir()
        shutil.copy(self._folder / "ports", home)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(home / "control"))
            server.listen()
            server.settimeout(START_S)
            log = home / "log"
            try:
                if name == "dora":
                    self._launch(dora_command(home), row, log)
                    self._accept(server)
                    self._accept(server)
                else:
                    for role in ("receive", "send"):
                        module = ["-m", "benchmarks.messaging_ends", role, name, str(home)]
                        self._launch([python_of(row), *module], row, log)
                        self._accept(server)
            except (TimeoutError, OSError, json.JSONDecodeError):
                lines = log.read_text(errors="replace").strip().splitlines() or ["no word"]
                self.failed[name] = f"did not start: {lines[-1][:200]}"

    def _launch(self, command: list[str], row: Transport, log: Path) -> None:
        path = os.pathsep.join([str(Path(python_of(row)).parent), os.environ["PATH"]])
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=log.parent,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}, start_new_session=True,
            )  # fmt: skip
        self._processes.append(process)

    def _accept(self, server: socket.socket) -> None:
        """Waits for one end to connect and say who it is."""
        connection, _ = server.accept()
        connection.settimeout(START_S)
        stream = connection.makefile("rw")
        hello = json.loads(stream.readline())
        ends = self.senders if hello["role"] == "send" else self.receivers
        ends[hello["transport"]] = End(stream, hello["pid"])
        self._streams += [connection, stream]

    def close(self) -> None:
        """Ends what was started: by its line first, then by a signal."""
        for stream in self._streams:
            stream.close()
        for end in (wait_for, subprocess.Popen.terminate, subprocess.Popen.kill):
            for process in self._processes:
                if process.poll() is None:
                    end(process)
            for process in self._processes:
                wait_for(process)


def wait_for(process: subprocess.Popen[bytes]) -> None:
    """Gives a process three seconds to end."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(3)


def python_of(row: Transport) -> str:
    """The interpreter whose environment holds a transport."""
    return str(PEERS / "bin" / "python") if row.package else sys.executable


def dora_command(home: Path) -> list[str]:
    """Writes the dataflow of the two nodes; returns the command that runs it."""
    nodes = [
        {
            "id": role,
            "path": str(PEERS / "bin" / "python"),
            "args": f"-m benchmarks.messaging_ends {role} dora {home}",
            **ports,
        }
        for role, ports in (
            ("send", {"outputs": ["frame"]}),
            ("receive", {"inputs": {"frame": {"source": "send/frame", "queue_size": 1000}}}),
        )
    ]
    (home / "dataflow.yml").write_text(json.dumps({"nodes": nodes}))  # JSON is YAML
    return [str(PEERS / "bin" / "dora"), "run", str(home / "dataflow.yml")]


class Plan(NamedTuple):
    """How much to measure."""

    sizes: list[str]
    messages: int
    """Per size and transport."""
    rounds: int
    """Turns in which they are sent."""
    idle_s: float
    """How long to watch idle receivers."""

    @property
    def turn(self) -> int:
        """Frames in one turn."""
        return self.messages // self.rounds

    def minutes(self, sizes: int, transports: int) -> float:
        """How long it takes where every transport keeps up."""
        frames = self.turn * self.rounds + WARM_UP
        return (sizes * transports * frames / RATE_HZ + self.idle_s) / 60


class Rows:
    """What is measured so far: one row per size, kept in files where there is a place for them."""

    def __init__(
        self, out: Path | None, plan: Plan, transports: dict[str, Transport], *, again: bool
    ) -> None:
        self._folder = out.with_suffix("") if out else None
        self._plan = plan
        self._key = {
            "messages": plan.turn * plan.rounds,
            "rounds": plan.rounds,
            "rate_hz": RATE_HZ,
            "titles": {name: row.title for name, row in transports.items()},
        }
        self._rows = {} if again else {s: row for s in plan.sizes if (row := self._read(s))}

    def missing(self) -> list[str]:
        """Sizes that have no row of this plan."""
        return [size for size in self._plan.sizes if size not in self._rows]

    def add(self, size: str, measured: dict[str, Any]) -> None:
        """Keeps what was measured at one size."""
        row = {**self._key, **measured, "commit": commit(), "hardware": hardware()}
        self._rows[size] = row
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._path(self._folder, size).write_text(json.dumps(row, indent=2) + "\n")
        print(f"{size}: done", flush=True)

    def numbers(self) -> dict[str, Any]:
        """All rows as one result; the idle CPU is that of the last start."""
        rows = {size: self._rows[size] for size in self._plan.sizes}
        last = list(rows.values())[-1]
        return {
            **self._key,
            "age_us": {size: row["age_us"] for size, row in rows.items()},
            "idle_receiver_cpu_percent": last["idle_receiver_cpu_percent"],
            "absent": last["absent"],
        }

    def _read(self, size: str) -> dict[str, Any] | None:
        """A row of the same plan."""
        if self._folder is None or not (path := self._path(self._folder, size)).is_file():
            return None
        row = json.loads(path.read_text())
        return row if all(row[key] == value for key, value in self._key.items()) else None

    @staticmethod
    def _path(folder: Path, size: str) -> Path:
        return folder / f"{size.replace(' ', '_')}.json"


def measure(
    folder: Path,
    transports: dict[str, Transport],
    missing: dict[str, str],
    plan: Plan,
    rows: Rows,
) -> None:
    """Ages by size and transport, idle CPU, and who is missing, for each size without a row."""
    there = {name: row for name, row in transports.items() if row.package not in missing}
    absent = {
        name: f"not installed: {missing[row.package]}"
        for name, row in transports.items()
        if row.package in missing
    }
    ends = Ends(folder, there)
    try:
        running = [name for name in there if name not in ends.failed]
        pids = {name: ends.receivers[name].pid for name in running}
        idle = idle_cpu_percent(pids, plan.idle_s)
        about = {"idle_receiver_cpu_percent": idle, "absent": {**absent, **ends.failed}}
        for label in rows.missing():
            rows.add(label, {"age_us": in_turns(ends, running, SIZES[label], plan), **about})
    finally:
        ends.close()


def in_turns(ends: Ends, names: list[str], size: int, plan: Plan) -> dict[str, Any]:
    """Percentiles of all transports at one size."""
    for name in names:
        burst(ends, name, size, WARM_UP)
    ages: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(plan.rounds):
        for name in names:
            ages[name] += burst(ends, name, size, plan.turn)
    return {name: spread(taken, plan.turn * plan.rounds) for name, taken in ages.items()}


def burst(ends: Ends, name: str, size: int, count: int) -> list[float]:
    """Has one transport send ``count`` frames; the ages (us) of those that came."""
    first = ends.reserve(count)
    order = {"size": size, "first": first, "count": count, "rate_hz": RATE_HZ}
    ends.senders[name].ask(order)
    ages: dict[int, float] = {}
    deadline = time.monotonic() + SILENCE_S
    while len(ages) < count and time.monotonic() < deadline:
        if came := dict(ends.receivers[name].ask("hand over")):
            deadline = time.monotonic() + SILENCE_S
        ages |= {number: age for number, age in came.items() if number >= first}
        time.sleep(0.01)
    return list(ages.values())


def spread(ages_us: list[float], sent: int) -> dict[str, float]:
    """Percentiles and losses."""
    if not ages_us:
        return {"lost": sent}
    p50, p99, p999 = np.percentile(ages_us, [50, 99, 99.9])
    return {
        "median": round(float(p50), 1),
        "p99": round(float(p99), 1),
        "p99.9": round(float(p999), 1),
        "lost": sent - len(ages_us),
    }


def idle_cpu_percent(pids: dict[str, int], seconds: float) -> dict[str, float]:
    """Share of one core that each process takes while nothing is sent."""
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    time.sleep(seconds)
    return {
        name: round((cpu_s(pid) - before[name]) / seconds * 100, 2) for name, pid in pids.items()
    }


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has taken, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table_of(numbers: dict[str, Any]) -> str:
    """The numbers for a reader: median / p99 / p99.9 in us, and what was lost."""
    labels = list(numbers["age_us"])
    each = f"{numbers['messages']} frames each, {numbers['rate_hz']:g} Hz"
    lines = [
        f"Age at the reader, us: median / p99 / p99.9 ({each})",
        "",
        "| transport | " + " | ".join(labels) + " | lost | idle CPU |",
        "|---|" + "---|" * (len(labels) + 2),
    ]
    for name, title in numbers["titles"].items():
        if name in numbers["absent"]:
            lines.append(f"| {title} | {numbers['absent'][name]} |" + " |" * (len(labels) + 1))
            continue
        rows = [numbers["age_us"][label][name] for label in labels]
        cells = [
            f"{row['median']:.0f} / {row['p99']:.0f} / {row['p99.9']:.0f}"
            if "median" in row
            else "-"
            for row in rows
        ]
        lost = sum(row["lost"] for row in rows)
        idle = numbers["idle_receiver_cpu_percent"][name]
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {lost} | {idle:g} % |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
