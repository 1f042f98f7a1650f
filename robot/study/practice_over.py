"""Success over the one number in which some grids differ, such as how many demonstrations."""

from collections.abc import Mapping, Sequence

from robot.study import charts, markdown
from robot.study.practice_compare import both_success
from robot.study.practice_grid import Over
from robot.study.rows import Row

HEAD = """
Over {what}, from the rows of {grids}: mean over the seeds that all of these have which have the
method (their number), both directions where both were tried.

"""


class SuccessOver:
    """Of one task: success of the methods that at least two of the grids have."""

    def __init__(self, task: str, over: Over, rows: Mapping[str, Sequence[Row]]) -> None:
        """Takes what there is.

        Args:
            task: whose rows count.
            over: the number.
            rows: of all tasks, by grid.
        """
        self._task, self._over = task, over
        self._grids = sorted(over.grids, key=over.grids.__getitem__)
        found: dict[str, dict[str, dict[int, float]]] = {}  # by method, grid and seed
        for grid in self._grids:
            for row in rows.get(grid, ()):
                if row["task"] == task:
                    of_grid = found.setdefault(row["method"], {}).setdefault(grid, {})
                    of_grid[row["seed"]] = both_success(row)
        self._found = {
            name: shared
            for name, grids in sorted(found.items())
            if len(grids) > 1 and (shared := _of_shared_seeds(grids))
        }

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self._found)

    def table(self) -> str:
        """A line for each method, a column for each number, with its head."""
        head = ["method", *(f"{self._over.grids[grid]:g}" for grid in self._grids)]
        found = [[name, *self._cells(grids)] for name, grids in self._found.items()]
        told = HEAD.format(what=self._over.what, grids=", ".join(f"`{g}`" for g in self._grids))
        return told + markdown.table([head, *found])

    def picture(self) -> str:
        """SVG."""
        series = {
            name: [(self._over.grids[g], _mean(grids[g])) for g in self._grids if g in grids]
            for name, grids in self._found.items()
        }
        axes = charts.Axes(
            f"{self._task}: deployed success", self._over.what, "part of the attempts"
        )
        return charts.lines(axes, series, {})

    def _cells(self, grids: Mapping[str, Sequence[float]]) -> list[str]:
        return [
            f"{_mean(grids[g]):.2f} ({len(grids[g])})" if g in grids else "-" for g in self._grids
        ]


def _of_shared_seeds(grids: Mapping[str, Mapping[int, float]]) -> dict[str, list[float]]:
    """Success by grid, of the seeds that all have; empty without any."""
    seeds = sorted(set.intersection(*(set(of_grid) for of_grid in grids.values())))
    return {grid: [of_grid[n] for n in seeds] for grid, of_grid in grids.items()} if seeds else {}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
