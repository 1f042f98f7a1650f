"""Makes what the runs of a grid stand on, task by task and seed by seed.

What cannot be made, such as a reward that cannot prove its promise, leaves out the runs that stand
on it and no others.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from perception.quantities import InputError
from robot.practice_method import Method
from robot.study.making import Made, Run, StageFailedError, in_process, made, make
from robot.study.practice_grid import PracticeCell, PracticeGrid
from robot.study.prepared_method import Ready, placed, ready_method, refuse_unproved, unplaced
from robot.study.stages import Stages
from robot.study.visibly import duration
from robot.worlds import make_world


def made_ready(
    grid: PracticeGrid,
    cells: Sequence[PracticeCell],
    root: Path,
    say: Callable[[str], None],
    stopped: Callable[[], bool],
    run: Run = in_process,
) -> dict[PracticeCell, Ready]:
    """The methods of cells, as they can be measured; those that cannot are said and left out.

    Args:
        grid: whose cells.
        cells: that are to be measured.
        root: folder of what is made.
        say: told what is made and what cannot be.
        stopped: asked now and then.
        run: runs a stage's command.

    Raises:
        StagesStoppedError: it was stopped.
    """
    found: dict[PracticeCell, Ready] = {}
    failed: dict[Path, StageFailedError] = {}  # by the folder of a stage, which is tried once

    def prepared(stages: Stages, name: str) -> dict[str, Any]:
        if (path := stages.path(name)) in failed:
            raise failed[path]
        try:
            return make(stages, name, say, stopped, run).for_row()
        except StageFailedError as error:
            failed[path] = error
            raise

    for cell in cells:
        method, stages = grid.method_of(cell), grid.stages_of(cell, root)
        try:
            told = {name: prepared(stages, name) for name in stages.needed(placed(method))}
            filled = ready_method(method, stages)
            refuse_unproved(cell.method, filled)
        except (StageFailedError, InputError) as error:
            say(f"cannot  {cell.name}: {error}")
            continue
        found[cell] = Ready(filled, grid.hash_of(cell), told)
    return found


class StageCost(NamedTuple):
    """What a stage of a task takes."""

    task: str
    stage: str
    runs: int  # tasks and seeds that it is made for
    missing: int  # of these
    each_s: float | None  # of one core, where it was made; None: it never was

    @property
    def left_s(self) -> float | None:
        """Of one core, of what is missing."""
        return None if self.each_s is None else self.missing * self.each_s

    def __str__(self) -> str:
        known = "not known yet" if self.each_s is None else f"{duration(self.each_s)} each"
        todo = f"{self.missing} of {self.runs} are to be made"
        return f"{self.task}, stage {self.stage}: {todo}, {known}"


def stage_costs(grid: PracticeGrid, cells: Sequence[PracticeCell], root: Path) -> list[StageCost]:
    """What is to be made for cells; its cost is that of those that were made, of any seed."""
    wanted: dict[tuple[str, str], dict[Path, Made | None]] = {}
    for cell in cells:
        stages = grid.stages_of(cell, root)
        for name in stages.needed(placed(grid.method_of(cell))):
            wanted.setdefault((cell.task, name), {})[stages.path(name)] = made(stages, name)
    found = []
    for (task, name), of_seeds in wanted.items():
        known = [one.cpu_seconds for one in of_seeds.values() if one is not None]
        each_s = sum(known) / len(known) if known else None
        found.append(StageCost(task, name, len(of_seeds), len(of_seeds) - len(known), each_s))
    return found


def as_far_as_made(grid: PracticeGrid, cell: PracticeCell, root: Path) -> tuple[Method, str]:
    """A method that can be timed, and a remark on what it lacks."""
    method, stages = grid.method_of(cell), grid.stages_of(cell, root)
    needed = stages.needed(placed(method))
    if all(made(stages, name) for name in needed):
        return ready_method(method, stages), ""
    bare = unplaced(method)
    if bare.features != method.features:
        numbers = [one.name for one in make_world(cell.task, images=False).tensors]
        bare = msgspec.structs.replace(bare, sees=tuple(numbers))
    if bare.reward_options != method.reward_options:
        bare = msgspec.structs.replace(bare, reward="truth", reward_options={})
    return bare, ", without what looks, which is not made yet"
