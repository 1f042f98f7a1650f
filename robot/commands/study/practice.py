"""``reflexarc study practice``: the methods of a grid in configs/studies, over seeds."""

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from perception.quantities import InputError
from robot.commands.run import interruptible
from robot.console import Console
from robot.practice_method import config_hash, finetune_config
from robot.practising import collect_recipes
from robot.study.conduct import Workers
from robot.study.practice_cost import cost_of
from robot.study.practice_grid import PracticeCell, PracticeGrid, load_grid
from robot.study.practice_report import says, write_page
from robot.study.practice_worker import DataKey, Places, data_keys, plan_of
from robot.study.processes import Processes
from robot.study.ray_workers import RayWorkers
from robot.study.rows import is_finished, read_rows
from robot.study.seeds import seeds_of
from robot.study.visibly import check_jobs, conduct_visibly, duration
from robot.training_library import with_training


@dataclass(frozen=True)
class StudyPractice:
    """Measure ways to practise over seeds; a study that was stopped goes on, within a run too.

    Each finished run is one small JSON row, written at once; the table is made from the rows.

    Example: reflexarc study practice tabletop --seeds 0-4 --jobs 2
    """

    grid: tyro.conf.Positional[str]
    """A name in configs/studies, or a .toml file."""
    seeds: str = ""
    """Such as 0-4 or 0,3,7; those of the grid if left out."""
    methods: tuple[str, ...] = ()
    """Of the grid's methods, these alone."""
    jobs: int = 2
    """Runs at the same time, one core each."""
    workers: Literal["processes", "ray"] = "processes"
    """Where they run: processes of this machine, or a Ray cluster (that of RAY_ADDRESS, or one that
    is begun here)."""
    rows: Path | None = None
    """Folder of the rows; the page is the .md file beside it. docs/results/practice_<grid>."""
    checkpoints: Path = Path("runs/study_practice")
    """Folder from which stopped runs go on."""
    data: Path = Path("data/studies")
    """Folder of the data sets that runs begin with; what is missing is collected first."""
    again: bool = False
    """Measure also what has a row."""
    dry_run: bool = False
    """Measure nothing, say how long each method takes on one core of this machine."""
    report: bool = False
    """Measure nothing, make the page anew from the rows."""
    json: bool = False
    """Print the rows without their curves as JSON, and no progress."""

    def __call__(self) -> int:
        """Measures what is missing, then writes the page."""
        check_jobs(self.jobs)
        grid = load_grid(self.grid)
        if self.dry_run:
            return self._foretell(grid)
        folder = self.rows or Path("docs/results") / f"practice_{grid.name}"
        console = Console(quiet=self.json)
        complete = self.report or self._measure(grid, folder, console)
        rows = read_rows(folder)
        if self.report and not rows:
            raise InputError(f"no rows in {folder}: measure some without --report")
        if rows:
            console.say(f"report: {write_page(folder, grid, rows)}")
        if self.json:
            short = [{key: v for key, v in row.items() if key != "curve"} for row in rows]
            sys.stdout.write(json.dumps(short) + "\n")
        return 0 if complete else 1

    def _measure(self, grid: PracticeGrid, folder: Path, console: Console) -> bool:
        """What has no row yet; False if it was stopped or a run failed."""
        cells = self._cells(grid)
        missing = [cell for cell in cells if not self._is_finished(grid, folder, cell)]
        console.say(f"{len(cells)} runs, {len(cells) - len(missing)} of them have rows")
        if not missing:
            return True
        data = self._collected(grid, missing, console)
        if data is None:
            return False
        plan = plan_of(grid, missing, Places(folder, self.checkpoints, data), self.jobs)
        with self._workers() as workers:
            return conduct_visibly(
                plan,
                lambda cell: finetune_config(grid.method_of(cell)).steps,
                says,
                console,
                workers,
            )

    def _workers(self) -> AbstractContextManager[Workers]:
        """Where runs are measured; raises an InputError if there is no cluster."""
        return nullcontext(Processes()) if self.workers == "processes" else RayWorkers(self.jobs)

    def _foretell(self, grid: PracticeGrid) -> int:
        """What the chosen runs take."""
        cells = self._cells(grid)
        seeds = len({cell.seed for cell in cells})
        total_s, costs = 0.0, []
        for task, name in dict.fromkeys((cell.task, cell.method) for cell in cells):
            method = grid.tasks[task][name]
            cost = with_training(lambda task=task, method=method: cost_of(task, method))
            total_s += seeds * cost.total_s
            costs.append({"task": task, "method": name, "seeds": seeds, **cost._asdict()})
            if not self.json:
                sys.stdout.write(
                    f"{task}, {name}: {duration(cost.total_s)} a run, of which "
                    f"{duration(cost.offline_s)} offline, {duration(cost.practice_s)} practice, at "
                    f"most {duration(cost.evaluation_s)} evaluation\n"
                )
        if self.json:
            sys.stdout.write(json.dumps(costs) + "\n")
        else:
            sys.stdout.write(
                f"{len(cells)} runs, {duration(total_s)} of one core, "
                f"{duration(total_s / self.jobs)} with --jobs {self.jobs}\n"
            )
        return 0

    def _is_finished(self, grid: PracticeGrid, folder: Path, cell: PracticeCell) -> bool:
        wanted = config_hash(cell.task, grid.method_of(cell))
        return is_finished(folder, cell, wanted, again=self.again)

    def _collected(
        self, grid: PracticeGrid, cells: list[PracticeCell], console: Console
    ) -> dict[DataKey, Path] | None:
        """Folder of the data of each recipe that the cells begin with; None: it was stopped."""
        methods = [grid.method_of(cell) for cell in cells]
        found: dict[DataKey, Path] = {}
        with interruptible() as interrupted:
            for name, features in dict.fromkeys(key for one in methods for key in data_keys(one)):
                made = collect_recipes([name], self.data, console.say, interrupted, features)
                if made is None:
                    console.say("stopped; whole episodes are kept, the same command goes on")
                    return None
                found[name, features] = made[0]
        return found

    def _cells(self, grid: PracticeGrid) -> list[PracticeCell]:
        for name in self.methods:
            if name not in grid.method_names:
                raise InputError(
                    f"--methods {name}: the grid has none; choose from "
                    f"{', '.join(grid.method_names)}"
                )
        cells = grid.cells(seeds_of(self.seeds or grid.seeds))
        return [cell for cell in cells if not self.methods or cell.method in self.methods]
