"""Manipulation tasks by name: class, options and scripted expert, imported when chosen."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from perception.tables import config_from_options, load_item
from sim.manipulation import Manipulation


class Row(NamedTuple):
    """One task."""

    target: str  # "module:Class", a `sim.manipulation.Manipulation`
    expert: str  # the pilot that does it, by its name among policies
    options: Mapping[str, Any] = {}  # in place of the task's defaults; the expert's too


MANIPULATION_TASKS: dict[str, Row] = {
    "bin_bench": Row("sim.manipulation_tasks.bin:BinTask", "bin_expert", {"item": "bench"}),
    "bin_vase": Row("sim.manipulation_tasks.bin:BinTask", "bin_expert", {"item": "vase"}),
    "bin_weight": Row("sim.manipulation_tasks.bin:BinTask", "bin_expert", {"item": "weight"}),
    "drawer": Row("sim.manipulation_tasks.drawer:DrawerTask", "drawer_expert"),
    "lid": Row("sim.manipulation_tasks.lid:LidTask", "lid_expert"),
    "lid_low": Row("sim.manipulation_tasks.lid:LidTask", "lid_expert", {"pot": "low pot"}),
    "lid_tall": Row("sim.manipulation_tasks.lid:LidTask", "lid_expert", {"pot": "tall pot"}),
    "peg": Row("sim.manipulation_tasks.peg:PegTask", "peg_expert"),
    "place": Row("sim.manipulation_tasks.place:PlaceTask", "place_expert"),
    "sweep": Row("sim.manipulation_tasks.sweep:SweepTask", "sweep_expert"),
}


def make_manipulation(name: str, options: Mapping[str, Any] | None = None) -> Manipulation:
    """A task of the table, with `options` in place of its own.

    Raises:
        ChoiceError: a task or an option that there is not; lists those there are.
    """
    targets = {name: row.target for name, row in MANIPULATION_TASKS.items()}
    task = load_item(targets, "manipulation task", name)
    given = {**MANIPULATION_TASKS[name].options, **(options or {})}
    return config_from_options(task, given, f"manipulation task {name}")
