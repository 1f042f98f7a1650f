"""What a learner beside a flying graph costs the control: capture to command, with and without it.

    python -m benchmarks.learner_cost --out docs/results/learner_cost.json

The same graph by wall clock, one process per node, in turns: as it is, and with its learner taken
out. Both begin with the package of a first flight, so that a student's network runs in both. Asked:
p99 with the learner at most 1.2 times without.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import write_result
from robot.config import find_config

GRAPH = "stereo_mono"
FIRST_S = 240.0  # after 200 s of learning a student goes out, fit or not
LEARNER = re.compile(r"^\[nodes\.learner[^\n]*\n(?:(?!\[)[^\n]*\n)*", re.MULTILINE)
EDGE_OF_IT = re.compile(r'^"[^"\n]*\blearner\.[^\n]*\n', re.MULTILINE)


def main(argv: Sequence[str] | None = None) -> int:
    """Measures in turns and writes the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the numbers")
    parser.add_argument("--seconds", type=float, default=120.0, help="length of each run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind, alternating")
    parser.add_argument("--set", action="append", default=[], metavar="NODE.KEY=VALUE", dest="sets")
    args = parser.parse_args(argv)
    minutes = 2 * args.repeats * (args.seconds + 20) / 60
    print(f"takes about {minutes:.0f} min", flush=True)
    found: dict[str, list[dict[str, Any]]] = {"with": [], "without": []}
    with tempfile.TemporaryDirectory() as folder:
        sets = [*args.sets, f"mono.package={first_package(Path(folder) / 'first')}"]
        graphs = {"with": GRAPH, "without": str(without_learner(Path(folder)))}
        for seed in range(args.repeats):
            for kind, graph in graphs.items():
                found[kind].append(figures(fly(graph, args.seconds, seed, sets)))
                print(f"seed {seed}, {kind}: {found[kind][-1]}", flush=True)
    ratios = [w["p99"] / o["p99"] for w, o in zip(found["with"], found["without"], strict=True)]
    numbers = {
        "seconds": args.seconds,
        "capture_to_command_ms": found,
        "p99_with_over_without": {
            "median": round(statistics.median(ratios), 3),
            "least": round(min(ratios), 3),
            "most": round(max(ratios), 3),
        },
    }
    write_result(args.out, numbers)
    print(json.dumps(numbers["p99_with_over_without"]))
    return 0


def without_learner(folder: Path) -> Path:
    """The graph with its learner taken out."""
    text = find_config("graphs", GRAPH).read_text()
    path = folder / f"{GRAPH}_untaught.toml"
    path.write_text(EDGE_OF_IT.sub("", LEARNER.sub("", text)))
    return path


def first_package(run_dir: Path) -> Path:
    """What a student has learned in its first flight, in lockstep."""
    run = [sys.executable, "-m", "robot.cli", "run", GRAPH, "--in-process", "--seed", "1000"]
    length = ["--seconds", str(FIRST_S), "--out", str(run_dir)]
    subprocess.run([*run, *length], capture_output=True, text=True, check=True)
    return max(run_dir.glob("weights/*.onnx"))


def fly(graph: str, seconds: float, seed: int, sets: Sequence[str]) -> dict[str, Any]:
    """One run by the command; its summary."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "robot.cli", "run", graph, "--clock", "wall", "--json"),
            *("--seconds", str(seconds), "--seed", str(seed), "--out", str(Path(folder) / "run")),
            *(word for override in sets for word in ("--set", override)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def figures(summary: dict[str, Any]) -> dict[str, float]:
    """Latency of one run in ms, and how much was learned in it."""
    gauges = summary["nodes"].get("learner", {}).get("gauges", {})
    latency = summary["latency"]["capture_to_command_ms"]
    return {**latency, "updates": gauges.get("updates", 0.0)}


if __name__ == "__main__":
    sys.exit(main())
