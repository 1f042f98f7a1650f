r"""How long the robot flies on stereo that has failed, and how often it drops stereo that has not.

Flights of the graph `stereo_mono` in lockstep, so of virtual time: equal seeds give equal rows on
any machine. In each flight one fault follows another, with time to recover between them. The delay
counts from the first frame with the fault to the first from which on nobody flies on the teacher
any more, neither as the actor nor as the one who overrides: the student flies, or the robot stops.
Without `--student` there is none, so that the robot stops; with it, a model package stands in for
a student that has earned its trust (the gate is off) and flies from the start. The learner is left
out: it does not act.

A false alarm is a moment outside of all faults at which stereo loses its standing. `--quiet`
flights have no faults, to count more of that time. Each flight is one small JSON row, so that a
study that is interrupted goes on where it stopped; the table is made from the rows.

    python -m benchmarks.handover --seeds 1001 1002 1003
    python -m benchmarks.handover --seeds 5 --student runs/mono.onnx
    python -m benchmarks.handover --seeds 1004 1005 --quiet 600
"""

import argparse
import hashlib
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from benchmarks.results import commit
from perception.approach_events import poisson_upper, rate_bounds
from perception.model_package import read_package
from robot.clock import SECOND_NS
from robot.executor import RunOptions, run_in_process
from robot.graph import Graph, graph_from_resolved, load_graph
from robot.messages import CollisionEvent, HandoverState
from robot.record import LogReader

ROWS = Path("docs/results/handover")
TABLE = Path("docs/results/handover.md")
FIRST_S = 6.0  # s of flight before the first fault
RECOVERY_S = 8.0  # s between two faults; the monitor takes 2 of them to be content
SETTLED_S = 4.0  # s after a fault from which on an alarm is a false one
LOGGED = ("handover.state", "simulator.collision")
STUDENT = ("handover.lesson.gated=false", "handover.lesson.lesson_frames=20")


class Case(NamedTuple):
    """A fault, and within what time nobody may fly on it any more."""

    name: str
    corruption: str
    side: str
    options: dict[str, Any]
    lasts_s: float
    bar_s: float


CASES = (
    Case("unplugged", "unplugged", "right", {}, 2.0, 0.2),
    Case("black", "black", "right", {}, 2.0, 0.2),
    Case("both black", "black", "both", {}, 2.0, 0.2),
    Case("frozen while moving", "frozen", "right", {}, 2.0, 0.5),
    Case("both frozen while moving", "frozen", "both", {}, 2.0, 0.5),
    Case("rolled by 0.5 degrees", "rotated", "right", {"axis": "roll", "degrees": 0.5}, 6.0, 5.0),
    Case("nods by 0.5 degrees", "rotated", "right", {"axis": "pitch", "degrees": -0.5}, 6.0, 5.0),
)


class Window(NamedTuple):
    """When a fault is there, seconds from the first frame."""

    case: Case
    from_s: float
    to_s: float


class Moment(NamedTuple):
    """What the handover said of one frame."""

    time_s: float
    on_teacher: bool  # it acts or overrides
    teacher_alive: bool
    reason: str  # why not


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[], help="flights to make")
    parser.add_argument("--student", type=Path, help="a model package that flies from the start")
    parser.add_argument(
        "--quiet", type=float, default=0.0, help="seconds of a flight without faults"
    )
    parser.add_argument("--again", action="store_true", help="measure rows anew that exist")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    ROWS.mkdir(parents=True, exist_ok=True)
    kind = "quiet" if args.quiet else "student" if args.student else "alone"
    for seed in args.seeds:
        path = ROWS / f"{kind}_{seed}.json"
        if args.again or not path.is_file():
            row = measure(seed, [] if args.quiet else windows(), args.quiet, args.student)
            head = {"kind": kind, "seed": seed, "commit": commit()}
            path.write_text(json.dumps(head | row) + "\n")
        print(path, file=sys.stderr)
    TABLE.write_text(table([json.loads(path.read_text()) for path in sorted(ROWS.glob("*.json"))]))
    return 0


def windows(cases: Sequence[Case] = CASES) -> list[Window]:
    """One fault after another."""
    found, at_s = [], FIRST_S
    for case in cases:
        found.append(Window(case, at_s, at_s + case.lasts_s))
        at_s += case.lasts_s + RECOVERY_S
    return found


def measure(
    seed: int, faults: list[Window], seconds: float, student: Path | None
) -> dict[str, Any]:
    """The row of one flight; it lasts until the last fault is recovered from, or `seconds`."""
    graph = flight_graph(faults, student)
    seconds = seconds or faults[-1].to_s + RECOVERY_S
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(seconds, seed, lockstep=True, run_dir=Path(folder))
        result = run_in_process(graph, options, lambda _: None, lambda: False, print)
        if result.failures:
            raise RuntimeError(f"the flight of seed {seed} failed: {result.failures}")
        reader = LogReader(Path(folder) / "log.mcap")
        states = [logged.message for logged in reader.messages(HandoverState)]
        collisions = len(list(reader.messages(CollisionEvent)))
    moments = _moments(states)
    quiet_s, alarms = false_alarms(moments, faults)
    return {
        "config_sha256": _config_hash(graph, student),
        "student": read_package(student).sha256 if student else None,
        "seconds": seconds,
        "collisions": collisions,
        "delays_s": {window.case.name: delay_s(moments, window) for window in faults},
        "said": {window.case.name: _reason(moments, window) for window in faults},
        "quiet_s": round(quiet_s, 1),
        "false_alarms": alarms,
    }


def flight_graph(faults: list[Window], student: Path | None) -> Graph:
    """The shipped graph with these faults, without learner, and with a log of decisions alone."""
    schedule = [
        {"corruption": w.case.corruption, "side": w.case.side, "options": w.case.options}
        | {"from_s": w.from_s, "to_s": w.to_s}
        for w in faults
    ]
    tables = json.loads(load_graph("stereo_mono", STUDENT if student else ()).resolved_json())
    nodes = tables["nodes"]
    del nodes["learner"]
    nodes["camera_faults"]["schedule"] = schedule
    nodes["mono"]["package"] = str(student or "")
    tables["edges"] = {
        edge: policy
        for edge, policy in tables["edges"].items()
        if "learner." not in edge and ("recorder." not in edge or edge.startswith(LOGGED))
    }
    return graph_from_resolved(json.dumps(tables), Path("stereo_mono"))


def delay_s(moments: Sequence[Moment], window: Window) -> float | None:
    """Seconds until nobody flies on the teacher for the rest of the fault; None: somebody does."""
    during = [m for m in moments if window.from_s <= m.time_s < window.to_s]
    flown = [number for number, moment in enumerate(during) if moment.on_teacher]
    safe = flown[-1] + 1 if flown else 0
    return round(during[safe].time_s - during[0].time_s, 3) if safe < len(during) else None


def false_alarms(
    moments: Sequence[Moment], faults: Sequence[Window]
) -> tuple[float, list[list[Any]]]:
    """Quiet seconds, and when and why stereo lost its standing in them."""
    quiet_s, alarms = 0.0, []
    for before, moment in pairwise(moments):
        if any(w.from_s <= moment.time_s < w.to_s + SETTLED_S for w in faults):
            continue
        quiet_s += moment.time_s - before.time_s
        if before.teacher_alive and not moment.teacher_alive:
            alarms.append([round(moment.time_s, 1), moment.reason])
    return quiet_s, alarms


def _moments(states: Sequence[HandoverState]) -> list[Moment]:
    first_ns = states[0].captured_ns
    return [
        Moment(
            (state.captured_ns - first_ns) / SECOND_NS,
            state.actor == "teacher" or state.overriding,
            state.teacher_alive,
            state.teacher_fault,
        )
        for state in states
    ]


def _reason(moments: Sequence[Moment], window: Window) -> str:
    """What was said first of a fault."""
    said = (m.reason for m in moments if window.from_s <= m.time_s < window.to_s and m.reason)
    return next(said, "")


def _config_hash(graph: Graph, student: Path | None) -> str:
    """Of all that was resolved; a package counts by its content, not by where it lies."""
    tables = json.loads(graph.resolved_json())
    if student is not None:
        tables["nodes"]["mono"]["package"] = read_package(student).sha256
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()


def table(rows: list[dict[str, Any]]) -> str:
    """The page of results."""
    return "\n".join([*_head(rows), *_delays(rows), "", *_tail(rows), ""])


def _head(rows: list[dict[str, Any]]) -> Iterator[str]:
    quiet_h = sum(row["quiet_s"] for row in rows) / 3600
    alarms = [alarm for row in rows for alarm in row["false_alarms"]]
    faulty = [row for row in rows if row["delays_s"]]
    yield "# Handover"
    yield ""
    yield "How long the robot flies on stereo that has failed, and how often it drops stereo that"
    yield "has not: flights of `stereo_mono` in lockstep, one row per flight in `handover/`. The"
    yield "delay counts from the first frame with the fault to the first from which on nobody flies"
    yield "on stereo any more: the student flies or, where it is in doubt or there is none, the"
    yield "robot stops. One frame is 0.1 s."
    yield ""
    if quiet_h:
        upper = poisson_upper(len(alarms)) / quiet_h
        yield f"False alarms: {len(alarms)} in {60 * quiet_h:.1f} minutes outside of faults,"
        yield f"{len(alarms) / quiet_h:.1f} per flight hour (at most {upper:.1f} with 95 %"
        yield f"confidence; the bar is 1). {_listed(alarms)}"
    collisions = sum(row["collisions"] for row in faulty)
    yield f"Collisions in {len(faulty)} flights with {len(CASES)} faults each: {collisions}."
    yield ""


def _listed(alarms: list[list[Any]]) -> str:
    words = [reason for _, reason in alarms]
    return ", ".join(f"{word} {words.count(word)}" for word in sorted(set(words)))


def _delays(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| fault | flies afterwards | bar s | in time | 95 % | delay s, median (most) | said |"
    yield "|---|---|---|---|---|---|---|"
    for case in CASES:
        for kind, who in (("alone", "nobody"), ("student", "student")):
            found = [row for row in rows if row["kind"] == kind and case.name in row["delays_s"]]
            if found:
                yield f"| {case.name} | {who} | {_delay_cells(case, found)} |"


def _delay_cells(case: Case, rows: list[dict[str, Any]]) -> str:
    delays = [row["delays_s"][case.name] for row in rows]
    found = [math.inf if delay is None else delay for delay in delays]
    in_time = sum(delay <= case.bar_s for delay in found)
    low, high = rate_bounds(in_time, len(found))
    said = [row["said"][case.name] for row in rows]
    words = ", ".join(f"{word or 'nothing'} {said.count(word)}" for word in sorted(set(said)))
    return (
        f"{case.bar_s:g} | {in_time} of {len(found)} | {low:.2f} to {high:.2f} | "
        f"{statistics.median(found):.1f} ({max(found):.1f}) | {words}"
    )


def _tail(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "A turn about the vertical axis (yaw) is not among the faults: one pair cannot show it"
    yield "(see [stereo_faults.md](stereo_faults.md))."
    yield ""
    yield f"Commits {', '.join(sorted({str(row['commit']) for row in rows}))}; seeds "
    yield f"{', '.join(str(seed) for seed in sorted({row['seed'] for row in rows}))}."
    yield ""
    yield "    python -m benchmarks.handover --seeds 1001 1002 1003"
    yield (
        "    python -m benchmarks.handover --seeds 5 "
        "--student runs/study_pssl/life-network-cold_turkey-0005.onnx    (likewise 6 to 9)"
    )
    yield "    python -m benchmarks.handover --seeds 1004 1005 --quiet 600"


if __name__ == "__main__":
    sys.exit(main())
