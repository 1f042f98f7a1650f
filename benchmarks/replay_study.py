"""Does one wall clock log replay to the same bytes, time after time?

A whole graph flies by wall clock, one process per node; its log is then replayed again and again,
each time in a new process: stereo, pilot and actuator run, the world is played. A replay counts as
identical if every message has the bytes of the log. Each is one small JSON row, written at once, so
that a study that is interrupted goes on where it stopped.

    python -m benchmarks.replay_study
    python -m benchmarks.replay_study --replays 3 --seconds 2 --out runs/replay_trial
"""

import argparse
import hashlib
import json
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks.results import commit, hardware
from robot.edges import Arrival
from robot.executor import RunOptions
from robot.graph import load_graph
from robot.record import LogReader
from robot.recording import nodes_to_run, open_recording
from robot.replay import EXEMPT, Replay
from robot.supervisor import Supervisor
from robot.validation import validate
from robot.wire import pack

RESULTS = Path("docs/results")
START_S, PACE = 4.0, 3.0  # a replay's process until it begins; its seconds of log per second


def main(argv: Sequence[str] | None = None) -> int:
    """Records the log if it is not there, replays what is missing, writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graph", default="room_sim")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the flight")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--replays", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2, help="replays at the same time")
    parser.add_argument("--log", type=Path, help="replay this log in place of a new one")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of rows and table")
    args = parser.parse_args(argv)
    log = args.log or _record(args.graph, args.seconds, args.seed)
    digest = hashlib.sha256(log.read_bytes()).hexdigest()[:16]
    rows = args.out / "replay"
    missing = [n for n in range(args.replays) if not _done(_row_path(rows, n), digest)]
    minutes = len(missing) / args.jobs * (START_S + args.seconds / PACE) / 60
    print(f"{len(missing)} replays; take about {minutes:.1f} min", flush=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=context, max_tasks_per_child=1) as pool:
        replays = [pool.submit(replay, n, log, digest, rows) for n in missing]
        try:
            for count, done in enumerate(as_completed(replays), 1):
                row = done.result()
                outcome = "identical" if row["identical"] else row["first_difference"]
                print(f"{count}/{len(missing)} replay {row['replay']}: {outcome}", flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            print("stopped; finished replays are kept, run again to go on", file=sys.stderr)
            return 1
    text = table(rows, args.replays)
    (args.out / "replay.md").write_text(text)
    print(text)
    return 0


def replay(number: int, log: Path, log_hash: str, rows: Path) -> dict[str, Any]:
    """One replay of the log; its row. The digest is of all that was sent anew, in order."""
    recording = open_recording(log)
    nodes = nodes_to_run(recording.graph, None, ())
    digest = hashlib.sha256()

    def add(arrival: Arrival) -> None:
        if arrival.message.source in nodes and not isinstance(arrival.message, EXEMPT):
            digest.update(pack(arrival.frames))

    result = Replay(recording, nodes).run(
        add, lambda _: None, lambda: False, stop_at_difference=False
    )
    row = {
        "replay": number,
        "log_hash": log_hash,
        "commit": commit(),
        "hardware": hardware(),
        "clock": "lockstep" if recording.lockstep else "wall",
        "seconds": round(result.seconds, 3),
        "nodes": sorted(nodes),
        "compared": result.compared,
        "unlogged": result.unlogged,
        "left_out": result.left_out,
        "identical": result.differing == 0 and result.compared > 0 and not result.left_out,
        "first_difference": None if result.first is None else str(result.first),
        "digest": digest.hexdigest()[:16],
    }
    rows.mkdir(parents=True, exist_ok=True)
    _row_path(rows, number).write_text(json.dumps(row, indent=2) + "\n")
    return row


def table(rows_dir: Path, count: int) -> str:
    """The rows as Markdown."""
    paths = [_row_path(rows_dir, number) for number in range(count)]
    rows = [json.loads(path.read_text()) for path in paths]
    machine, first = rows[0]["hardware"], rows[0]
    commits = ", ".join(sorted({str(row["commit"]) for row in rows}))
    what = (
        f"One log of {first['seconds']:g} s by {first['clock']} clock (sha256 "
        f"{first['log_hash']}), replayed in a new process each time; "
        f"{', '.join(first['nodes'])} run again, the world is played. Telemetry, the machine's "
        "own load, is not compared."
    )
    numbers = (
        len(rows),
        sum(row["identical"] for row in rows),
        min(row["compared"] for row in rows),
        max(row["unlogged"] for row in rows),
        len({row["digest"] for row in rows}),
    )
    where = (
        f"Measured at commit {commits} on {machine['processor']}, {machine['cores']} cores, "
        f"Python {machine['python']}."
    )
    lines = [
        "# Replay",
        "",
        what,
        "",
        "| replays | identical | messages compared in each | not in the log | digests |",
        "|---|---|---|---|---|",
        "| " + " | ".join(map(str, numbers)) + " |",
        "",
        where,
        "",
        "    python -m benchmarks.replay_study",
        "",
    ]
    return "\n".join(lines)


def _record(graph_name: str, seconds: float, seed: int) -> Path:
    """The log of a flight with these parameters, flown now unless it is there."""
    run_dir = Path("runs") / f"replay-study-{graph_name}-{seconds:g}s-{seed}"
    log = run_dir / "log.mcap"
    if log.is_file() and LogReader(log).is_closed:
        return log
    graph = load_graph(graph_name)
    validate(graph, lockstep=False)
    run_dir.mkdir(parents=True, exist_ok=True)
    options = RunOptions(seconds, seed, lockstep=False, run_dir=run_dir)
    result = Supervisor(graph, (), options, lambda node, line: print(node, line)).run(
        lambda _: None, lambda: False
    )
    if result.failures:
        raise SystemExit(f"the flight failed: {result.failures}")
    return log


def _row_path(rows: Path, number: int) -> Path:
    return rows / f"{number:03d}.json"


def _done(path: Path, log_hash: str) -> bool:
    """Whether a replay of this log has its row."""
    return path.is_file() and json.loads(path.read_text())["log_hash"] == log_hash


if __name__ == "__main__":
    sys.exit(main())
