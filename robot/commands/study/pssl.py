"""``reflexarc study pssl``: the story of stereo teaching mono, over seeds."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perception.quantities import InputError
from robot.console import Console
from robot.study.cells import (
    KINDS,
    ORGANISATIONS,
    STUDENTS,
    Cell,
    Protocol,
    config_hash,
    grid,
    seconds_of,
)
from robot.study.pssl_worker import plan_of
from robot.study.report import brief, write_report
from robot.study.rows import Row, is_finished, read_rows
from robot.study.seeds import seeds_of
from robot.study.visibly import check_jobs, conduct_visibly, duration


@dataclass(frozen=True)
class StudyPssl:
    """Measure the story of stereo teaching mono over seeds; a run that was stopped goes on.

    Each finished cell is one small JSON row, written at once; the report is made from the rows.

    Example: reflexarc study pssl --students network --seeds 0-4 --jobs 2
    """

    students: tuple[str, ...] = ("network", "textons")
    """Who learns: network, textons (a dictionary of its own), textons_cubicle, textons_flightarena
    (those of the authors)."""
    organisations: tuple[str, ...] = tuple(ORGANISATIONS)
    """How: cold_turkey, dagger, training_wheels (all without the gate), product (with it)."""
    kinds: tuple[str, ...] = tuple(KINDS)
    """What is measured: life, stereo, corruption, curve, rooms."""
    seeds: str = "0-4"
    """Rooms and chance, such as 0-4 or 0,3,7."""
    jobs: int = 2
    """Cells at the same time, one core each."""
    rows: Path = Path("docs/results/stereo_to_mono")
    """Folder of the rows and plots; the report is the .md file beside it."""
    packages: Path = Path("runs/study_pssl")
    """Folder of the packages that lives leave behind; corruptions fly on them."""
    again: bool = False
    """Measure also what has a row."""
    report: bool = False
    """Measure nothing, make the report anew from the rows."""
    json: bool = False
    """Print what was measured as JSON, and no progress."""
    protocol: Protocol = field(default_factory=Protocol)
    """How long the parts last; rows of another protocol are refused."""

    def __call__(self) -> int:
        """Measures what is missing, then writes the report."""
        cells = self._cells()
        console = Console(quiet=self.json)
        complete = True
        if not self.report:
            complete = self._measure(cells, console)
        rows = read_rows(self.rows)
        if self.report and not rows:
            raise InputError(f"no rows in {self.rows}: measure some without --report")
        if rows:
            console.say(f"report: {write_report(self.rows, rows)}")
        if self.json:
            sys.stdout.write(json.dumps([brief(row) for row in rows]) + "\n")
        return 0 if complete else 1

    def _cells(self) -> list[Cell]:
        _require_known("students", self.students, STUDENTS)
        _require_known("organisations", self.organisations, ORGANISATIONS)
        _require_known("kinds", self.kinds, KINDS)
        check_jobs(self.jobs)
        cells = grid(self.students, self.organisations, seeds_of(self.seeds))
        return [cell for cell in cells if cell.kind in self.kinds]

    def _measure(self, cells: list[Cell], console: Console) -> bool:
        """What has no row yet; False if it was stopped or a cell failed."""
        missing = [
            cell
            for cell in cells
            if not is_finished(self.rows, cell, config_hash(cell, self.protocol), again=self.again)
        ]
        rows = read_rows(self.rows)
        left_s = estimate_s(missing, self.protocol, rows) / self.jobs
        console.say(
            f"{len(cells)} cells, {len(cells) - len(missing)} of them have rows; "
            f"the rest takes about {duration(left_s)} with {self.jobs} at a time"
        )
        if not missing:
            return True
        plan = plan_of(missing, self.protocol, self.rows, self.packages, self.jobs)
        return conduct_visibly(
            plan,
            lambda cell: seconds_of(cell, self.protocol),
            lambda row: brief(row)["says"],
            console,
        )


def estimate_s(cells: Sequence[Cell], protocol: Protocol, rows: Sequence[Row]) -> float:
    """Seconds that cells take one after the other, by the pace of those that have rows."""
    return sum(seconds_of(cell, protocol) * _pace(cell, rows) for cell in cells)


def _pace(cell: Cell, rows: Sequence[Row]) -> float:
    """Wall seconds per simulated second, of rows of the same kind and student, or as usual."""
    alike = [
        row["wall_seconds"] / row["sim_seconds"]
        for row in rows
        if row["kind"] == cell.kind and row.get("student", "") == cell.student
    ]
    return sum(alike) / len(alike) if alike else KINDS[cell.kind].pace


def _require_known(option: str, given: Sequence[str], valid: Mapping[str, object]) -> None:
    for name in given:
        if name not in valid:
            raise InputError(f"--{option} {name}: unknown; choose from {', '.join(valid)}")
