"""Grids of practice: tasks × methods × seeds, as a file in configs/studies names them.

    task = "tabletop"
    seeds = "0-4"              # unless the command gives others
    [common]                   # of every method; each may say otherwise
    learner = "wsrl"
    [common.finetune]
    steps = 100000
    [methods.switching]
    strategy = "switching"

`reference` names the method with which the report compares the others, `ideal` the one that they
are a part of; `[beside]` shows methods of other grids in this one's report: `tabletop =
["switching"]`. `[over]` names grids that differ in one number, over which it shows success. In
place of `task`, tables `[tasks.NAME]` say what is particular to each of several tasks. `[prepare]`
names what is made before a run of a task and seed can begin (`robot.study.stages`); then {NAME} in
`features`, `folders`, `start` and `reward_options` is a folder that was made. What several of its
commands say alike is a text of `[words]`, and {NAME} in each of them. `like = METHOD` begins with
what a method above it says; `like = GRID` at the head of a file begins with all that another grid
says, so that `[prepare] shown = ...` is the whole of a grid with fewer demonstrations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from perception.quantities import InputError
from robot.config import find_config, read_toml
from robot.practice_method import Method, config_hash, resolved
from robot.study.prepared_method import placed, prepared_hash, unplaced
from robot.study.stages import Stages, check_stages, spelled_out
from robot.worlds import world_row

LIKE = "like"  # in a method: another of the same file; at the head: another file
OVER = "over"
TASK, TASKS = "task", "tasks"  # of a grid's own, either takes the place of what it is like


class Over(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In what some grids differ alone, for a picture of success over it."""

    what: str  # with its unit
    grids: dict[str, float]  # how much of it, by name


class _Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file."""

    methods: dict[str, dict[str, Any]]
    task: str = ""  # of all methods; in its place:
    tasks: dict[str, dict[str, Any]] = {}  # by name, each with what it says in place of `common`
    seeds: str = "0-4"
    common: dict[str, Any] = {}
    reference: str = ""
    ideal: str = ""
    beside: dict[str, list[str]] = {}
    over: Over | None = None
    words: dict[str, str] = {}  # what stands for {NAME} in commands of `prepare`
    prepare: dict[str, str] = {}  # command lines by name, in their order

    def __post_init__(self) -> None:
        """Refuses a grid of no task, or of one that is named twice."""
        if bool(self.task) == bool(self.tasks):
            raise ValueError("give either task = NAME or a table [tasks.NAME] for each")
        if not self.methods:
            raise ValueError("it has no method: write [methods.NAME]")
        shown = [*self.methods, *(name for names in self.beside.values() for name in names)]
        for key, name in (("reference", self.reference), ("ideal", self.ideal)):
            if name and name not in shown:
                raise ValueError(f"{key} = {name!r} is none of {', '.join(shown)}")


@dataclass(frozen=True)
class PracticeCell:
    """One run."""

    task: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Of its row."""
        return f"{self.task}-{self.method}-{self.seed:04d}"

    @property
    def parent(self) -> None:
        """None: runs share nothing."""
        return


class PracticeGrid(msgspec.Struct, frozen=True):
    """A file that was read and checked."""

    name: str
    seeds: str
    tasks: dict[str, dict[str, Method]]  # methods by name, of each task
    reference: str = ""  # method with which the report compares
    ideal: str = ""  # method that the others are shown as a part of
    beside: dict[str, list[str]] = {}  # methods of other grids that the report shows too, by grid
    over: Over | None = None  # what the report shows success over
    prepare: dict[str, str] = {}  # stages by name: what stands after `reflexarc`

    @property
    def method_names(self) -> list[str]:
        """Of all tasks, which have the same ones."""
        return [*next(iter(self.tasks.values()))]

    def cells(self, seeds: list[int]) -> list[PracticeCell]:
        """A seed is complete before the next begins."""
        return [
            PracticeCell(task, method, seed)
            for seed in seeds
            for task, methods in self.tasks.items()
            for method in methods
        ]

    def method_of(self, cell: PracticeCell) -> Method:
        """What a cell is to measure."""
        return self.tasks[cell.task][cell.method]

    def stages_of(self, cell: PracticeCell, root: Path = Path()) -> Stages:
        """What is made for a cell, in a folder of its task and seed."""
        return Stages(self.prepare, cell.task, cell.seed, root)

    def hash_of(self, cell: PracticeCell) -> str:
        """Of all that a cell is to measure."""
        method = self.method_of(cell)
        if not placed(method):
            return config_hash(cell.task, method)
        return prepared_hash(method, self.stages_of(cell))


def load_grid(name_or_path: str) -> PracticeGrid:
    """Reads a grid, and checks all that can be checked before a run.

    Raises:
        InputError: no such file, or something in it that is unknown or of another type.
    """
    path = find_config("studies", name_or_path)
    try:
        grid = msgspec.convert(_said(path), _Grid)
        methods = _whole(grid.methods)
        prepare = spelled_out(grid.prepare, grid.words)
        tasks = {
            task: {
                name: msgspec.convert(_merged(_merged(grid.common, of_task), own), Method)
                for name, own in methods.items()
            }
            for task, of_task in (grid.tasks or {grid.task: {}}).items()
        }
    except (msgspec.ValidationError, InputError) as error:
        raise InputError(f"{path}: {error}") from error
    try:
        for task, methods in tasks.items():
            world_row(task)
            check_stages(prepare, map(placed, methods.values()))
            for method in methods.values():
                resolved(unplaced(method))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    told = (grid.reference, grid.ideal, grid.beside, grid.over, prepare)
    return PracticeGrid(path.stem, grid.seeds, tasks, *told)


def _said(path: Path) -> dict[str, Any]:
    """All that a file says, with what it says like another, which is like none."""
    own = read_toml(path)
    if LIKE not in own:
        return own
    other = find_config("studies", own.pop(LIKE))
    base = read_toml(other)
    base.pop(OVER, None)  # the other's report shows it
    if LIKE in base:
        raise InputError(f"like = {other.stem!r}: that is like another itself; name that one")
    if TASK in own or TASKS in own:
        base = {key: value for key, value in base.items() if key not in (TASK, TASKS)}
    return _merged(base, own)


def method_named(name: str, task: str) -> Method:
    """The method that a text such as "lid_five/rlpd" names.

    Args:
        name: of the grid, or its path, and of the method in it.
        task: for which it is; other tasks of the same robot may borrow it.

    Raises:
        InputError: no such grid or method; the line lists the methods.
    """
    grid_name, _, method_name = name.rpartition("/")
    if not grid_name:
        raise InputError(f"--method {name}: give GRID/METHOD, such as lid_five/rlpd")
    grid = load_grid(grid_name)
    methods = grid.tasks.get(task) or next(iter(grid.tasks.values()))
    if method_name not in methods:
        raise InputError(
            f"the grid {grid_name} has no method {method_name!r}; it has {', '.join(methods)}"
        )
    if values := placed(methods[method_name]):
        raise InputError(
            f"--method {name} stands on what 'reflexarc study practice {grid_name}' makes "
            f"({', '.join(values)}); choose another, or give all by flags"
        )
    return methods[method_name]


def _whole(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Methods with what they say like others; raises an InputError if there is none above it."""
    found: dict[str, dict[str, Any]] = {}
    for name, own in methods.items():
        other = own.get(LIKE)
        if other is not None and other not in found:
            above = ", ".join(found) or "none"
            raise InputError(f"{name}: like = {other!r} is no method above it; there are: {above}")
        said = {key: value for key, value in own.items() if key != LIKE}
        found[name] = _merged(found[other] if other else {}, said)
    return found


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of both, in which the own ones count."""
    merged = {**common, **own}
    for key, value in common.items():
        if isinstance(value, Mapping) and isinstance(own.get(key), Mapping):
            merged[key] = _merged(value, own[key])
    return merged
