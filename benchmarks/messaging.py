"""Latency from a NumPy frame in one process to a NumPy view in another, ours beside its peers.

    python -m benchmarks.messaging [--messages 2000] [--rounds 20] [--out FILE.json]

Frames of 64 B to 6.2 MB at 100 Hz. All transports are up during the whole run and take turns, so
that a slow moment of the machine hits all of them. A frame's age ends when the receiver has touched
every page of it. The peers are installed into an environment of their own, ``benchmarks/.peers/``;
one that cannot be had is named in the table. The CPU share of each idle receiver is measured
before the first frame is sent.
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

from benchmarks.messaging_transports import LARGEST, TRANSPORTS, Transport
from benchmarks.results import write_result
from robot.run_folder import RunFolder

SIZES = {"64 B": 64, "10 kB": 10_000, "57.6 kB": 57_600, "0.92 MB": 921_600, "6.2 MB": LARGEST}
RATE_HZ = 100.0
WARM_UP = 10  # frames per size and transport that do not count
START_S = 60.0
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
    parser.add_argument("--transports", nargs="*", choices=TRANSPORTS, default=list(TRANSPORTS))
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--idle", type=float, default=5.0, help="seconds to watch idle receivers")
    parser.add_argument("--out", type=Path, help="write JSON here, and a table beside it")
    arguments = parser.parse_args()
    wanted = {name: TRANSPORTS[name] for name in arguments.transports}
    missing = install_peers({row.package for row in wanted.values() if row.package})
    with benchmark_folder() as folder:
        plan = Plan(arguments.sizes, arguments.messages, arguments.rounds, arguments.idle)
        numbers = measure(folder, wanted, missing, plan)
    table = table_of(numbers)
    print(table)
    if arguments.out:
        write_result(arguments.out, numbers)
        arguments.out.with_suffix(".table.md").write_text(table + "\n")


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
    """A 0700 folder for sockets and shared memory, with two free ports noted in it."""
    run = RunFolder()
    try:
        probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
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
        for name, row in transports.items():
            self._start(name, row)

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


def measure(
    folder: Path, transports: dict[str, Transport], missing: dict[str, str], plan: Plan
) -> dict[str, Any]:
    """Ages by size and transport, idle CPU, and who is missing."""
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
        ages = {label: in_turns(ends, running, SIZES[label], plan) for label in plan.sizes}
    finally:
        ends.close()
    return {
        "messages": plan.messages // plan.rounds * plan.rounds,
        "rate_hz": RATE_HZ,
        "age_us": ages,
        "idle_receiver_cpu_percent": idle,
        "absent": {**absent, **ends.failed},
        "titles": {name: row.title for name, row in transports.items()},
    }


def in_turns(ends: Ends, names: list[str], size: int, plan: Plan) -> dict[str, Any]:
    """Percentiles of all transports at one size."""
    for name in names:
        burst(ends, name, size, WARM_UP)
    count = plan.messages // plan.rounds
    ages: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(plan.rounds):
        for name in names:
            ages[name] += burst(ends, name, size, count)
    return {name: spread(taken, count * plan.rounds) for name, taken in ages.items()}


def burst(ends: Ends, name: str, size: int, count: int) -> list[float]:
    """Has one transport send ``count`` frames; the ages (us) of those that came within 2 s."""
    ends.senders[name].ask({"size": size, "count": count, "rate_hz": RATE_HZ})
    ages: dict[int, float] = {}
    deadline = time.monotonic() + 2.0
    while len(ages) < count and time.monotonic() < deadline:
        ages.update(ends.receivers[name].ask("hand over"))
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
