"""``reflexarc study practice``: the methods of a grid in configs/studies, over seeds."""

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from perception.quantities import InputError
from robot.commands.run import interruptible
from robot.console import Console
from robot.practice_method import Method, finetune_config
from robot.practising import collect_recipes
from robot.study.conduct import Workers
from robot.study.making import StagesStoppedError
from robot.study.practice_cost import cost_of
from robot.study.practice_grid import PracticeCell, PracticeGrid, load_grid
from robot.study.practice_ready import as_far_as_made, made_ready, stage_costs
from robot.study.practice_report import says, write_page
from robot.study.practice_worker import DataKey, Places, data_keys, plan_of
from robot.study.prepared_method import Ready
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
    tasks: tuple[str, ...] = ()
    """Of the grid's tasks, these alone."""
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
    prepared: Path | None = None
    """Folder of what the grid's stages make, for each task and seed; runs/study_<grid>."""
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
        ready = self._ready(grid, missing, console)
        if not ready:
            return False
        data = self._collected([one.method for one in ready.values()], console)
        if data is None:
            return False
        places = Places(folder, self.checkpoints, data, ready)
        plan = plan_of([*ready], places, self.jobs)
        with self._workers() as workers:
            complete = conduct_visibly(
                plan,
                lambda cell: finetune_config(grid.method_of(cell)).steps,
                says,
                console,
                workers,
            )
        return complete and len(ready) == len(missing)

    def _workers(self) -> AbstractContextManager[Workers]:
        """Where runs are measured; raises an InputError if there is no cluster."""
        return nullcontext(Processes()) if self.workers == "processes" else RayWorkers(self.jobs)

    def _foretell(self, grid: PracticeGrid) -> int:
        """What the chosen runs take."""
        cells = self._cells(grid)
        seeds = len({cell.seed for cell in cells})
        stages = stage_costs(grid, cells, self._root(grid))
        total_s, costs = sum(one.left_s or 0 for one in stages), [one._asdict() for one in stages]
        if not self.json:
            sys.stdout.writelines(f"{one}\n" for one in stages)
        for task, name in dict.fromkeys((cell.task, cell.method) for cell in cells):
            method, remark = as_far_as_made(
                grid, PracticeCell(task, name, cells[0].seed), self._root(grid)
            )
            cost = with_training(lambda task=task, method=method: cost_of(task, method))
            total_s += seeds * cost.total_s
            costs.append({"task": task, "method": name, "seeds": seeds, **cost._asdict()})
            if not self.json:
                sys.stdout.write(
                    f"{task}, {name}: {duration(cost.total_s)} a run, of which "
                    f"{duration(cost.offline_s)} offline, {duration(cost.practice_s)} practice, at "
                    f"most {duration(cost.evaluation_s)} evaluation{remark}\n"
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
        return is_finished(folder, cell, grid.hash_of(cell), again=self.again)

    def _ready(
        self, grid: PracticeGrid, cells: list[PracticeCell], console: Console
    ) -> dict[PracticeCell, Ready]:
        """Methods whose stages are made; those that cannot be are said and left out."""
        with interruptible() as interrupted:
            try:
                return made_ready(grid, cells, self._root(grid), console.say, interrupted)
            except StagesStoppedError:
                console.say("stopped; what was made is kept, the same command goes on")
                return {}

    def _root(self, grid: PracticeGrid) -> Path:
        return self.prepared or Path("runs") / f"study_{grid.name}"

    def _collected(self, methods: list[Method], console: Console) -> dict[DataKey, Path] | None:
        """Folder of the data of each recipe that methods begin with; None: it was stopped."""
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
        _require_known("methods", self.methods, grid.method_names)
        _require_known("tasks", self.tasks, [*grid.tasks])
        return [
            cell
            for cell in grid.cells(seeds_of(self.seeds or grid.seeds))
            if (not self.methods or cell.method in self.methods)
            and (not self.tasks or cell.task in self.tasks)
        ]


def _require_known(option: str, given: Sequence[str], valid: Sequence[str]) -> None:
    for name in given:
        if name not in valid:
            raise InputError(
                f"--{option} {name}: the grid has none; choose from {', '.join(valid)}"
            )
