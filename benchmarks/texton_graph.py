"""Flights of `stereo_textons`, minute by minute: rates against the teacher, overrides, collisions.

    reflexarc run stereo_textons --clock lockstep --seconds 600 --seed 1001 --in-process \
        --set handover.lesson.gated=false --out runs/wheels
    python -m benchmarks.texton_graph runs/wheels [runs/...] [--out docs/results/texton_graph.json]

Rates are over the frames in which there is a student and the teacher measures; consecutive frames
show the same obstacle, so they carry no interval. A log that ends early gives the minutes it has.
"""

import argparse
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.results import write_result
from robot.clock import SECOND_NS
from robot.messages import CollisionEvent, HandoverState, TruePose
from robot.record import LogReader

MINUTE_NS = 60 * SECOND_NS
LARGEST_STEP_M = 0.5  # a longer one between two poses is a put-back, not flight


class Flight(NamedTuple):
    """What is judged of one log."""

    states: list[HandoverState]
    collisions_ns: list[int]
    poses: list[TruePose]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", help="run folders")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    args = parser.parse_args()
    rows = []
    for run in args.runs:
        rows.append({"flight": run.name, **judge(read_flight(run / "log.mcap"))})
        minutes = rows[-1].pop("minutes")
        print(json.dumps(rows[-1]))
        for minute in minutes:
            print("   ", json.dumps(minute), flush=True)
        rows[-1]["minutes"] = minutes
    if args.out:
        write_result(args.out, {"flights": rows})


def read_flight(log: Path) -> Flight:
    """The handover's states, and of the truth the poses and collisions."""
    flight = Flight([], [], [])
    for _, message, _ in LogReader(log).messages(HandoverState, CollisionEvent, TruePose):
        if isinstance(message, HandoverState):
            flight.states.append(message)
        elif isinstance(message, TruePose):
            flight.poses.append(message)
        else:
            flight.collisions_ns.append(message.captured_ns)
    return flight


def judge(flight: Flight) -> dict[str, Any]:
    """The whole flight, and each of its minutes."""
    states = flight.states
    flown = [state for state in states if state.actor == "student"]
    minutes = range(math.ceil((states[-1].captured_ns + 1) / MINUTE_NS))
    return {
        "organisation": states[-1].organisation,
        "seconds": round(states[-1].captured_ns / SECOND_NS),
        "first_flown_by_student_s": flown[0].captured_ns / SECOND_NS if flown else None,
        "first_mono_s": next(
            (s.captured_ns / SECOND_NS for s in states if s.stage == "mono"), None
        ),
        "lessons": states[-1].student_version,
        "overrides": states[-1].overrides,
        "collisions": len(flight.collisions_ns),
        "minutes": [_minute(flight, minute) for minute in minutes],
    }


def _minute(flight: Flight, minute: int) -> dict[str, Any]:
    begin_ns, end_ns = minute * MINUTE_NS, (minute + 1) * MINUTE_NS
    states = [s for s in flight.states if begin_ns <= s.captured_ns < end_ns]
    judged = [s for s in states if s.teacher_alive and s.student_version > 0]
    flown_s = 60 * sum(s.actor == "student" for s in states) / len(states)
    overrides = sum(b.overrides - a.overrides for a, b in pairwise(states))
    path = np.array([p.position_w[:2] for p in flight.poses if begin_ns <= p.captured_ns < end_ns])
    steps_m = np.hypot(*np.diff(path, axis=0).T)
    return {
        "minute": minute,
        "tpr": _share([s.student_obstacle for s in judged if s.teacher_obstacle]),
        "fpr": _share([s.student_obstacle for s in judged if not s.teacher_obstacle]),
        "teacher_says_obstacle": _share([s.teacher_obstacle for s in states]),
        "flown_by_student_s": round(flown_s, 1),
        "overrides": overrides,
        "lessons": states[-1].student_version,
        "collisions": sum(begin_ns <= at_ns < end_ns for at_ns in flight.collisions_ns),
        "path_m": round(float(steps_m[steps_m < LARGEST_STEP_M].sum()), 1),
    }


def _share(values: list[bool]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


if __name__ == "__main__":
    main()
