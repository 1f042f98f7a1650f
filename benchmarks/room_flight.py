"""How well the room is flown, over seeds: collisions, path, coverage; and controls that must fail.

Each finished flight is one small JSON row (commit, config hash, seed), written at once, so that a
study that is interrupted goes on where it stopped. The table is made from the rows.

    python -m benchmarks.room_flight --pilot reflex blind
    python -m benchmarks.room_flight --pilot clone constant --package runs/clone.onnx
"""

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import commit, hardware
from robot.executor import RunOptions, run_in_process
from robot.graph import Graph, load_graph
from robot.summary import summarise
from robot.validation import validate

ROWS = Path("docs/results/room_flight")


@dataclass(frozen=True)
class Pilot:
    """Who flies, for how long, over which seeds, and what is asked of it."""

    overrides: tuple[str, ...]
    seeds: range
    seconds: float
    asked: str


PILOTS = {
    "reflex": Pilot(
        (),
        range(20),
        120.0,
        "no collision in >= 19 of 20, path >= 25 m each, median of free cells visited >= 40 %",
    ),
    "blind": Pilot(
        ("policy.blind=true",), range(20), 120.0, "control, must fail: collides in >= 18 of 20"
    ),
    "clone": Pilot(("policy.policy={package}",), range(100, 110), 60.0, "<= 2 of 10 collide"),
    "constant": Pilot(
        ("policy.policy=constant",),
        range(100, 110),
        60.0,
        "control, must fail: collides in most of 10",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Flies what is missing, then writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pilot", nargs="+", choices=PILOTS, default=["reflex", "blind"])
    parser.add_argument("--package", help="model package that the clone flies")
    parser.add_argument("--jobs", type=int, default=2, help="flights at the same time")
    parser.add_argument("--again", action="store_true", help="fly also what has a row")
    args = parser.parse_args(argv)
    if "clone" in args.pilot and not args.package:
        parser.error("the clone needs --package PATH; make one with examples/clone_pilot.py")
    missing = []
    for name in args.pilot:
        overrides = tuple(text.format(package=args.package) for text in PILOTS[name].overrides)
        missing += [
            (name, overrides, seed)
            for seed in PILOTS[name].seeds
            if args.again or not _done(name, overrides, seed)
        ]
    with ProcessPoolExecutor(args.jobs) as pool:
        flights = [pool.submit(fly, *cell) for cell in missing]
        try:
            for count, flight in enumerate(as_completed(flights), 1):
                row = flight.result()
                print(
                    f"{count}/{len(missing)} {row['pilot']} seed {row['seed']}: {_short(row)}",
                    flush=True,
                )
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            print(
                "stopped; finished flights are kept, run the command again to go on",
                file=sys.stderr,
            )
            return 1
    Path("docs/results/room_flight.md").write_text(table())
    print(table())
    return 0


def fly(pilot: str, overrides: tuple[str, ...], seed: int) -> dict[str, Any]:
    """One flight, in lockstep in this process; its row."""
    graph = load_graph("room_sim", overrides)
    validate(graph, lockstep=True)
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(PILOTS[pilot].seconds, seed, True, Path(folder))
        result = run_in_process(graph, options, lambda _: None, lambda: False, _show)
        summary = summarise(graph, options, result)
    keys = (
        "collisions",
        "put_backs",
        "distance_m",
        "cells_visited",
        "cells_free",
        "sim_seconds",
        "wall_seconds",
    )
    row = {
        "pilot": pilot,
        "seed": seed,
        "commit": commit(),
        "config_hash": config_hash(graph),
        "hardware": hardware(),
        **{key: summary[key] for key in keys},
    }
    path = row_path(pilot, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(row, indent=2) + "\n")
    return row


def config_hash(graph: Graph) -> str:
    """Of everything that the graph resolves to, a flown package's content included."""
    digest = hashlib.sha256(graph.resolved_json().encode())
    policy = str(getattr(graph.nodes["policy"].config, "policy", ""))
    if policy.endswith(".onnx"):
        digest.update(Path(policy).read_bytes())
    return digest.hexdigest()[:16]


def row_path(pilot: str, seed: int) -> Path:
    """Where a flight's row is kept."""
    return ROWS / f"{pilot}-{seed:03d}.json"


def table() -> str:
    """The rows of all pilots as Markdown."""
    lines = [
        "# Room flight",
        "",
        "5 x 5 x 3 m, 4 obstacles, camera 10 Hz, lockstep; one row per seed in `room_flight/`.",
        "Cells are 0.5 m; a cell is free when no obstacle at flight height holds its centre.",
        "Path and cells: median (least to most) over the seeds.",
        "",
        "| pilot | flights | with collision | collisions | put-backs | path m | cells | asked |",
        "|---|---|---|---|---|---|---|---|",
    ]
    commits = set()
    for name, pilot in PILOTS.items():
        rows = [json.loads(path.read_text()) for path in sorted(ROWS.glob(f"{name}-*.json"))]
        if not rows:
            continue
        commits |= {row["commit"] for row in rows}
        share = [100 * row["cells_visited"] / row["cells_free"] for row in rows]
        lines.append(
            f"| {name} | {len(rows)} x {rows[0]['sim_seconds']:g} s "
            f"| {sum(row['collisions'] > 0 for row in rows)} of {len(rows)} "
            f"| {sum(row['collisions'] for row in rows)} | {sum(row['put_backs'] for row in rows)} "
            f"| {_spread([row['distance_m'] for row in rows])} | {_spread(share)} % "
            f"| {pilot.asked} |"
        )
    machine = hardware()
    processor = f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}"
    lines += [
        "",
        f"Measured at commit {', '.join(sorted(str(c) for c in commits))} on {processor}.",
        "",
        "    python -m benchmarks.room_flight --pilot reflex blind",
        "    python examples/clone_pilot.py --out runs/clone.onnx",
        "    python -m benchmarks.room_flight --pilot clone constant --package runs/clone.onnx",
        "",
    ]
    return "\n".join(lines)


def _done(pilot: str, overrides: tuple[str, ...], seed: int) -> bool:
    """Whether a flight has a row of the present configuration."""
    path = row_path(pilot, seed)
    if not path.is_file():
        return False
    return json.loads(path.read_text())["config_hash"] == config_hash(
        load_graph("room_sim", overrides)
    )


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def _short(row: dict[str, Any]) -> str:
    return (
        f"{row['collisions']} collisions, {row['distance_m']:.1f} m, "
        f"{row['cells_visited']} of {row['cells_free']} cells, {row['wall_seconds']:.0f} s"
    )


def _show(node: str, line: str) -> None:
    print(f"[{node}] {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
