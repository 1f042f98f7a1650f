"""One run of a grid of practice, in a process of its own; its argument is an order in JSON.

A run is stopped and goes on from its checkpoint, so that an interrupted study loses minutes.
"""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from perception.atomic_file import write_atomically
from perception.goal import DIRECTIONS
from policies.evaluate import Trial, success_rate
from policies.finetune import PracticeRun
from policies.offline_data import open_offline
from robot.hooks import Hooks, Interrupted
from robot.practice_method import Method, config_hash, resolved
from robot.practising import Beginning, Practice, practice_run
from robot.provenance import commit, hardware
from robot.study.conduct import Plan
from robot.study.practice_grid import PracticeCell
from robot.study.prepared_method import Ready
from robot.study.rows import Row
from robot.study.worker import work
from robot.worlds import make_world

SPENT = "spent.json"  # beside checkpoints: seconds up to the last stop
WORKER = (sys.executable, "-m", "robot.study.practice_worker")


class Order(msgspec.Struct):
    """What to measure."""

    cell: PracticeCell
    method: Method
    checkpoints: str  # folder
    data: tuple[str, ...] = ()  # folders of the data sets that the method begins with
    config_hash: str = ""  # empty: that of the method as it stands here
    prepared: dict[str, Any] = {}  # what stages made of it, for the row


DataKey = tuple[str, str]
"""A recipe, and the package of features by which its images are seen, or nothing."""


def data_keys(method: Method) -> list[DataKey]:
    """The data that a method begins with."""
    return [(name, method.features) for name in method.data]


class Places(NamedTuple):
    """Where things are."""

    rows: Path  # folder
    checkpoints: Path  # folder of those of all cells
    data: Mapping[DataKey, Path]  # data set of each recipe, as it is seen
    ready: Mapping[PracticeCell, Ready]  # what cells are to measure


def plan_of(cells: Sequence[PracticeCell], places: Places, jobs: int) -> Plan:
    """Cells of a grid as something that can be conducted."""

    def order(cell: PracticeCell) -> str:
        method, config, prepared = places.ready[cell]
        data = tuple(str(places.data[key]) for key in data_keys(method))
        told = Order(cell, method, str(places.checkpoints / cell.name), data, config, prepared)
        return msgspec.json.encode(told).decode()

    return Plan(cells, order, places.rows, jobs, WORKER)


def measure(order: Order, hooks: Hooks) -> Row | None:
    """Practises a cell and makes its row; None if it was stopped before the end.

    Raises:
        InputError: a name or an option that there is not, or a checkpoint of another run.
    """
    spent = _Spent(Path(order.checkpoints))
    code = commit()  # as it is now: somebody may work on it meanwhile
    cell, method = order.cell, order.method
    worlds = {
        name: make_world(cell.task, options, method.features)  # now: a wrong option fails at once
        for name, options in method.elsewhere.items()
    }
    run = _practised(order, hooks)
    if run is None:
        spent.keep()
        return None
    final = run.evaluate(method.final_episodes)
    rate = success_rate(final)
    more = _backward(run, method.final_backward_episodes)
    if worlds:
        more["elsewhere"] = {
            name: {
                way: _counted(run.evaluate(method.elsewhere_episodes, way, world))
                for way in DIRECTIONS
            }
            for name, world in worlds.items()
        }
    if order.prepared:
        more["prepared"] = order.prepared
    shutil.rmtree(order.checkpoints, ignore_errors=True)
    return {
        "cell": cell.name,
        "kind": "practice",
        **vars(cell),
        "commit": code,
        "config_hash": order.config_hash or config_hash(cell.task, method),
        "hardware": hardware(),
        "settings": resolved(method),
        "final": _counted(final),
        **more,
        **run.log.figures(),
        "final_success": rate.value,  # of more attempts than the last point of the curve
        **spent.by_now(),
    }


def _practised(order: Order, hooks: Hooks) -> PracticeRun | None:
    """The run after its last step; None if it was stopped before."""
    try:
        run = practice_run(practice_of(order), hooks)
    except Interrupted:
        return None
    return run if run.run() else None


class _Spent:
    """Time that a run took, with what it took before it was stopped; not what a crash lost."""

    def __init__(self, checkpoints: Path) -> None:
        self._path = checkpoints / SPENT
        self._before: dict[str, float] = {}
        if self._path.exists():
            self._before = msgspec.json.decode(self._path.read_bytes(), type=dict[str, float])
        self._began_s, self._began_cpu_s = time.monotonic(), time.process_time()

    def by_now(self) -> dict[str, float]:
        """Seconds by the clock and of the processor."""
        now = {
            "wall_seconds": time.monotonic() - self._began_s,
            "cpu_seconds": time.process_time() - self._began_cpu_s,
        }
        return {name: round(self._before.get(name, 0.0) + took, 1) for name, took in now.items()}

    def keep(self) -> None:
        """For when the run goes on."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, msgspec.json.encode(self.by_now()))


def _backward(run: PracticeRun, episodes: int) -> dict[str, Any]:
    """The last evaluation of the way back; nothing if none is asked for."""
    return {"final_backward": _counted(run.evaluate(episodes, "backward"))} if episodes else {}


def _counted(trials: Sequence[Trial]) -> dict[str, int]:
    return {"trials": len(trials), "successes": sum(trial.success for trial in trials)}


def practice_of(order: Order) -> Practice:
    """The run that an order asks for.

    Raises:
        InputError: its data are missing, damaged or do not fit each other.
    """
    folders = [Path(one) for one in (*order.data, *order.method.folders)]
    data = open_offline(folders) if folders else None
    cell, method = order.cell, order.method
    beginning = Beginning(data, Path(method.start) if method.start else None)
    return Practice(cell.task, method, cell.seed, beginning, Path(order.checkpoints))


def main(argv: list[str]) -> int:
    """Measures what the order says."""
    order = msgspec.json.decode(argv[0], type=Order)
    return work(lambda hooks: measure(order, hooks))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
