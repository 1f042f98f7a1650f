"""How fast the running machine is: latency by wall clock, pace in lockstep, equal logs.

python -m benchmarks.machine_speed --out docs/results/machine_speed.json
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import write_result
from robot.record import LogReader

REFLEXARC = [sys.executable, "-m", "robot.cli"]
RATES = {"simulator": 50.0, "stereo": 20.0, "policy": 20.0, "actuator": 50.0}
WALL = ("--clock", "wall", "--set", "simulator.camera.rate_hz=20")


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the numbers")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind, alternating")
    args = parser.parse_args(argv)
    wall, lockstep, in_process = [], [], []
    for seed in range(args.repeats):
        wall.append(run(args.seconds, seed, *WALL))
        lockstep.append(run(args.seconds, seed))
        in_process.append(run(args.seconds, seed, "--in-process"))
        print(
            f"{seed + 1}/{args.repeats}: {_short(wall[-1], lockstep[-1], in_process[-1])}",
            flush=True,
        )
    numbers = {
        "seconds": args.seconds,
        "wall_clock": [wall_figures(summary) for summary in wall],
        "lockstep_times_real_time": {
            "one process per node": spread([pace(summary) for summary in lockstep]),
            "in one process": spread([pace(summary) for summary in in_process]),
        },
        "equal_logs": equal_logs(),
    }
    write_result(args.out, numbers)
    print(json.dumps(numbers, indent=2))
    return 0


def run(seconds: float, seed: int, *flags: str, out: Path | None = None) -> dict[str, Any]:
    """One run of the room by the command; its summary."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = out or Path(folder) / "run"
        command = [*REFLEXARC, "run", "room_sim", "--seconds", str(seconds), "--seed", str(seed)]
        done = subprocess.run(
            [*command, "--json", "--out", str(run_dir), *flags],
            capture_output=True,
            text=True,
            check=True,
        )
    return json.loads(done.stdout)


def wall_figures(summary: dict[str, Any]) -> dict[str, Any]:
    """Latency and rates of one wall-clock run."""
    return {
        "seed": summary["seed"],
        "capture_to_command_ms": summary["latency"]["capture_to_command_ms"],
        "rendering_ms_mean": summary["latency"]["rendering_ms_mean"],
        "rate_error_percent": {
            node: round(100 * (summary["nodes"][node]["rate_hz"] / rate_hz - 1), 2)
            for node, rate_hz in RATES.items()
        },
        "overruns": {node: summary["nodes"][node]["overruns"] for node in RATES},
    }


def equal_logs(seconds: float = 20.0) -> dict[str, bool]:
    """Whether three lockstep runs of one seed wrote the same records."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = {"first": (), "second": (), "in process": ("--in-process",)}
        logs = {}
        for kind, flags in kinds.items():
            out = Path(folder) / kind.replace(" ", "_")
            run(seconds, 7, *flags, out=out)
            logs[kind] = [
                (topic, message.sent_ns, record)
                for topic, message, record in LogReader(out / "log.mcap").messages()
                if not topic.startswith("telemetry/")
            ]
    return {
        "two runs": logs["first"] == logs["second"],
        "processes and in process": logs["first"] == logs["in process"],
        "not empty": len(logs["first"]) > 1000,
    }


def pace(summary: dict[str, Any]) -> float:
    """Simulated seconds per second."""
    return summary["sim_seconds"] / summary["wall_seconds"]


def spread(values: list[float]) -> dict[str, float]:
    """Median and range."""
    return {
        "median": round(statistics.median(values), 2),
        "least": round(min(values), 2),
        "most": round(max(values), 2),
    }


def _short(wall: dict[str, Any], lockstep: dict[str, Any], in_process: dict[str, Any]) -> str:
    latency = wall["latency"]["capture_to_command_ms"]
    return (
        f"capture to command p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms; lockstep "
        f"{pace(lockstep):.1f}x, in one process {pace(in_process):.1f}x real time"
    )


if __name__ == "__main__":
    sys.exit(main())
