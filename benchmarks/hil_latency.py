"""How long a command is under way to the vehicle, with and without a controller board in between.

    python -m benchmarks.hil_latency --out docs/results/hil_latency.json

flies the room by wall clock: `room_sim`, where the driver is the simulator's own, and `room_hil`,
where commands pass the host's link, the board and its plant wire. Counted from the moment a policy
sends a command to the first setpoint for the vehicle that obeys it, at commands that differ from a
setpoint which has settled. Both are read from the log of the flight; stereo and drawing are not in
it.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import write_result
from robot.messages import Command, Setpoint
from robot.record import LogReader
from robot.summary import percentiles

SETTLED = 1e-3  # axis; a setpoint this near to the command before has reached it
LEAST_CHANGE = 0.02  # axis; of a command that can be told from the one before
PATIENCE_NS = 250_000_000  # a command that nothing obeys until then was overtaken by another
AXES = (0, 1)  # forward speed and yaw rate; altitude hardly changes

FLIGHTS = {
    "room_sim": ("room_sim", (), "actuator/setpoint"),
    "room_hil, chip": ("room_hil", ("plant.board=qemu",), "plant/setpoint"),
    "room_hil, Python": ("room_hil", ("plant.board=python",), "plant/setpoint"),
}
"""Name -> graph, overrides, topic of what the vehicle is told."""


def main() -> None:
    """Flies, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = [_flown(name, seed, options.seconds) for seed in options.seeds for name in FLIGHTS]
    write_result(options.out, {"seconds": options.seconds, "flights": rows})


def _flown(name: str, seed: int, seconds: float) -> dict[str, Any]:
    """One flight, as a row."""
    graph, overrides, topic = FLIGHTS[name]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        settings = [part for override in overrides for part in ("--set", override)]
        subprocess.run(
            [
                *(sys.executable, "-m", "robot.cli", "run", graph, "--clock", "wall"),
                *("--seconds", f"{seconds:g}", "--seed", str(seed), "--out", str(out)),
                *settings,
                "--json",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        summary = json.loads((out / "summary.json").read_text())
        under_way_ms = delays_ms(out / "log.mcap", topic)
    gauges = summary["nodes"]["actuator"]["gauges"]
    return {
        "flight": name,
        "seed": seed,
        "command_to_setpoint_ms": percentiles(under_way_ms),
        "capture_to_command_ms": summary["latency"]["capture_to_command_ms"],
        "collisions": summary["collisions"],
        "distance_m": summary["distance_m"],
        "protective_stops": gauges.get("driver_controller_stops", 0.0),
        "frames_lost": gauges.get("driver_lost", 0.0) + gauges.get("driver_controller_lost", 0.0),
    }


def delays_ms(log: Path, topic: str) -> list[float]:
    """Of each command that can be followed through: ms until a setpoint obeys it."""
    reader = LogReader(log)
    commands = [m for t, m, _ in reader.messages(Command) if t == "policy/command"]
    setpoints = [m for t, m, _ in reader.messages(Setpoint) if t == topic]
    told_ns = np.array([setpoint.sent_ns for setpoint in setpoints])
    told = np.array([setpoint.values for setpoint in setpoints])  # (n, axes)
    delays = []
    for before, command in itertools.pairwise(commands):
        first = int(np.searchsorted(told_ns, command.sent_ns))
        for axis in AXES:
            was, wanted = before.values[axis], command.values[axis]
            if first == 0 or abs(wanted - was) < LEAST_CHANGE:
                continue
            if abs(told[first - 1, axis] - was) > SETTLED:
                continue
            obeys = np.abs(told[first:, axis] - wanted) < abs(wanted - was) - SETTLED
            if not obeys.any():
                continue
            delay_ns = int(told_ns[first + int(np.argmax(obeys))]) - command.sent_ns
            if delay_ns < PATIENCE_NS:
                delays.append(delay_ns / 1e6)
    return delays


if __name__ == "__main__":
    main()
