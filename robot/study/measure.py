"""Measures one cell in this process, on one core, and makes its row."""

import contextlib
import math
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import msgspec

from perception.model_package import read_package
from perception.mono import MonoEye, open_mono
from perception.quantities import InputError
from robot.executor import RunOptions, RunResult, run_in_process
from robot.hooks import Hooks, Interrupted
from robot.node import Role
from robot.nodes.judge import JUDGED, KEPT
from robot.provenance import commit, hardware
from robot.study.cells import ALONE, STUDENTS, Cell, Flight, Protocol, config_hash, flight_of
from robot.study.judge import Judged
from robot.study.keepsakes import Kept, errors_of, read_kept, teacher_errors
from robot.study.many_rooms import errors_by_rooms
from robot.study.rows import Row
from robot.study.sizes import curves_of_sizes
from robot.validation import validate


class StudyError(InputError):
    """A cell that cannot be measured."""


TAUGHT = {"curve": curves_of_sizes, "rooms": errors_by_rooms}
"""What is made of a recorded flight, of the kinds that teach offline."""


def measure(cell: Cell, protocol: Protocol, packages: Path, hooks: Hooks) -> Row | None:
    """Flies a cell and judges it.

    Args:
        cell: which.
        protocol: how long its parts last.
        packages: folder in which lives leave their last package, and where corruptions find it.
        hooks: progress and interruption.

    Returns:
        The row; None if it was interrupted.

    Raises:
        StudyError: a node failed, or the package of the life before is missing.
        InputError: a graph or parameter that does not exist.
    """
    cv2.setNumThreads(1)
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    code = commit()  # as it is now: somebody may work on it meanwhile
    with tempfile.TemporaryDirectory(prefix="rx") as folder:
        run_dir = Path(folder)
        flight = flight_of(cell, protocol, _package_for(cell, packages))
        result = _run(flight, cell.seed, run_dir, hooks)
        if result.ended_by == "interrupt":
            return None
        if cell.kind in TAUGHT:
            try:
                found = TAUGHT[cell.kind](run_dir, cell, protocol, hooks.go_on)
            except Interrupted:
                return None
        else:
            found = _judged(cell, flight, run_dir, result, package_path(packages, cell))
    return {
        "cell": cell.name,
        **{key: value for key, value in vars(cell).items() if value != ""},
        "commit": code,
        "config_hash": config_hash(cell, protocol),
        "hardware": hardware(),
        "protocol": msgspec.to_builtins(protocol),
        "sim_seconds": flight.seconds,
        "wall_seconds": round(time.monotonic() - began_s, 1),
        "cpu_seconds": round(time.process_time() - began_cpu_s, 1),
        **found,
    }


def package_path(packages: Path, cell: Cell) -> Path:
    """Where a life leaves its last package."""
    return packages / f"{cell.name}.onnx"


def _package_for(cell: Cell, packages: Path) -> str:
    if cell.parent is None:
        return ""
    path = package_path(packages, cell.parent)
    if not path.is_file():
        raise StudyError(
            f"{cell.name} flies on what {cell.parent.name} has learned, and {path} is not there; "
            "live that life first (with --again, if it has a row)"
        )
    return str(path)


def _run(flight: Flight, seed: int, run_dir: Path, hooks: Hooks) -> RunResult:
    validate(flight.graph, lockstep=True)
    options = RunOptions(flight.seconds, seed, lockstep=True, run_dir=run_dir)
    with contextlib.redirect_stdout(sys.stderr):  # what nodes print is no result
        result = run_in_process(
            flight.graph, options, hooks.progress, hooks.should_stop, _shown_on_stderr
        )
    for node, error in result.failures.items():
        raise StudyError(f"node {node!r} failed: {error}")
    return result


def _shown_on_stderr(node: str, line: str) -> None:
    sys.stderr.write(f"[{node}] {line}\n")


def _judged(cell: Cell, flight: Flight, run_dir: Path, result: RunResult, last: Path) -> Row:
    """What the judge wrote, and of a life what it learned; its last package goes to `last`."""
    judged = msgspec.json.decode((run_dir / JUDGED).read_bytes(), type=Judged)
    found: Row = {"judged": rounded(msgspec.to_builtins(judged))}
    if cell.kind != "life":
        return found
    packages = STUDENTS[cell.student].packages
    return {
        **found,
        "learned": _learned(STUDENTS[cell.student].node, flight, result),
        "frozen": is_frozen(judged),
        **_packages(sorted(run_dir.glob(packages)) if packages else [], flight, run_dir, last),
    }


def is_frozen(judged: Judged) -> bool:
    """Whether nothing was remembered and nothing changed while the student flew alone."""
    notes = judged.phases[ALONE]
    return notes.labelled == 0 and len(set(notes.versions)) <= 1


def rounded(value: Any, digits: int = 6) -> Any:
    """For JSON: floats with so many significant digits, None for what is not finite."""
    if isinstance(value, dict):
        return {key: rounded(each, digits) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each, digits) for each in value]
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


def _learned(student: str, flight: Flight, result: RunResult) -> Row:
    """What student and learners counted, such as images and updates, by node."""
    nodes = flight.graph.nodes
    learners = [name for name in nodes if nodes[name].node_class.role is Role.LEARNING]
    return rounded({name: result.reports[name].gauges for name in (student, *learners)})


def _packages(paths: list[Path], flight: Flight, run_dir: Path, last: Path) -> Row:
    """Errors of every package on frames that no learner saw; the last one is kept."""
    if not paths:
        return {}
    last.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("", ".sha256"):
        shutil.copy(f"{paths[-1]}{suffix}", f"{last}{suffix}")
    found: Row = {"package_sha256": read_package(last).sha256}
    kept = read_kept(run_dir / KEPT)
    if kept is None:
        return found
    of_teacher = teacher_errors(kept)
    return {
        **found,
        "kept_frames": len(kept.left),
        "curve": [_point(open_mono(path, flight.graph.robot.rig), kept) for path in paths],
        "teacher_on_kept": rounded(
            {"abs_rel": of_teacher.abs_rel, "delta_125": of_teacher.delta_125}
        ),
    }


def _point(eye: MonoEye, kept: Kept) -> Row:
    errors = errors_of(eye, kept)
    updates = int(eye.package.manifest.extra.get("updates", 0))
    return rounded({"updates": updates, "abs_rel": errors.abs_rel, "delta_125": errors.delta_125})
