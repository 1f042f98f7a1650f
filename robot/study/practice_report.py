"""Tables of a grid of practice, made from its rows and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perception.interval import Interval
from policies.statistics import band, clopper_pearson, interquartile_mean, stratified_bootstrap
from robot.study import charts, markdown
from robot.study.practice_both_report import all_tasks_table, both_table
from robot.study.practice_compare import (
    Compared,
    both_success,
    compared,
    final_success,
    part_of_gap,
)
from robot.study.practice_grid import PracticeGrid
from robot.study.practice_over import SuccessOver
from robot.study.practice_seen_report import elsewhere_table, seen_table
from robot.study.rows import Row, read_rows

HEAD = """# Practice: {name}

Made from the rows beside it, one per run, by

    reflexarc study practice {name} --seeds {seeds} --jobs 2

Deployed: the frozen policy, from the initial states, reached the goal at some time of an attempt;
{trials} attempts per seed at the end, fewer on the way. Final is the interquartile mean over seeds
with the interval of a stratified bootstrap (95 %), pooled all attempts with the exact interval;
mean is over the run, regret what lacks of 1 on average. Continuing: part of the steps of the run at
which the goal that was tried was reached. What persons did, per 1000 steps: resets (due, or for the
oracle, or interventions) and interventions alone (nothing else could); the placing at the start is
not counted. Practice: part of the attempts of the run itself, in either direction, that succeeded
by the reward source, before the first evaluation and before the last. Where a world begins in one
state and has no chance, as the tabletop, attempts of one policy at one goal are all alike: the
pooled interval is too short there, that over seeds is not.

"""
COLUMNS = (
    *("method", "seeds", "steps", "final", "pooled", "at the start", "mean", "regret"),
    *("continuing", "practice at first", "at last", "resets", "interventions", "minutes"),
)
COMPARED = ("method", "seeds", "final, less {reference}", "of its gap", "of the own gap", "dip")
BESIDE = """
Compared with `{reference}` on the seeds that both have, seeds paired (mean, 95 % of a paired
bootstrap). Of its gap: part of what `{reference}` leaves to 1 that is closed; of the own gap:
likewise of what the method left before its first step (-: less than 0.02 was left, or no step).
Dip: by how much deployed success fell below that before the first step, at its lowest.

"""
WITHOUT_COURSE = 2  # evaluations; a method with no more was not practised


def write_page(folder: Path, grid: PracticeGrid, rows: Sequence[Row]) -> Path:
    """Writes page and pictures, which lie beside the folder of the rows; returns the page's path.

    Args:
        folder: of the grid's own rows.
        grid: whose rows they are, and what it shows beside them.
        rows: its own.

    Raises:
        RowError: a file beside the rows that is none.
    """
    seeds = sorted({row["seed"] for row in rows})
    trials = max(row["final"]["trials"] for row in rows)
    told = ",".join(map(str, seeds))
    shown = [*rows, *_beside(folder, grid)]
    text = HEAD.format(name=grid.name, seeds=told, trials=trials) + table(shown)
    path = folder.with_suffix(".md")
    tasks = {
        task: [row for row in shown if row["task"] == task]
        for task in dict.fromkeys(row["task"] for row in shown)
    }
    by_method = {task: _by_method(of_task) for task, of_task in tasks.items()}
    text += all_tasks_table(by_method, grid.reference, grid.ideal)
    for task, of_task in tasks.items():
        text += f"\n## {task}\n"
        if grid.reference:
            text += comparison(of_task, grid.reference)
        text += both_table(by_method[task], grid.reference, grid.ideal)
        text += seen_table(by_method[task]) + elsewhere_table(by_method[task])
        picture = path.with_name(f"{path.stem}_{task}.svg")
        picture.write_text(curves(task, of_task))
        text += f"\n![deployed success of {task} over steps]({picture.name})\n"
        if drawn := in_vain(task, of_task):
            picture = path.with_name(f"{path.stem}_{task}_in_vain.svg")
            picture.write_text(drawn)
            text += f"\n![success of {task} over attempts paid in vain]({picture.name})\n"
        if grid.over is not None and (curve := SuccessOver(task, grid.over, _over(folder, grid))):
            picture = path.with_name(f"{path.stem}_{task}_over.svg")
            picture.write_text(curve.picture())
            text += f"{curve.table()}\n![success of {task} over {grid.over.what}]({picture.name})\n"
    path.write_text(text)
    return path


def curves(task: str, rows: Sequence[Row]) -> str:
    """SVG: deployed success over steps, interquartile mean and bootstrap band over seeds."""
    series: dict[str, list[charts.Point]] = {}
    bands: dict[str, list[charts.Span]] = {}
    levels: dict[str, float] = {}
    for method, found in _by_method(rows).items():
        ways = [row["curve"] for row in found]
        if len(ways[0]) <= WITHOUT_COURSE:
            levels[method] = float(interquartile_mean([final_success(row) for row in found]))
            continue
        length = min(map(len, ways))
        steps = [point["step"] for point in ways[0][:length]]
        heights = [[[point["success"] for point in way[:length]]] for way in ways]
        middle = band(heights)
        series[method] = [(x, one.value) for x, one in zip(steps, middle, strict=True)]
        bands[method] = [(x, one.low, one.high) for x, one in zip(steps, middle, strict=True)]
    axes = charts.Axes(f"{task}: deployed success", "steps", "part of the attempts")
    return charts.lines(axes, series, levels, bands)


def in_vain(task: str, rows: Sequence[Row]) -> str:
    """SVG: what became of policies over the attempts paid in vain; empty where none was."""
    series = {
        method: [
            (100 * row["false_successes"] / row["attempts"], both_success(row))
            for row in found
            if row["attempts"]
        ]
        for method, found in _by_method(rows).items()
    }
    if not any(x for points in series.values() for x, _ in points):
        return ""
    axes = charts.Axes(
        f"{task}: errors of the reward", "attempts of practice paid in vain, %", "deployed success"
    )
    return charts.scatter(axes, {method: points for method, points in series.items() if points})


def comparison(rows: Sequence[Row], reference: str) -> str:
    """The table of what each method adds to the reference; nothing if that has no rows."""
    found = [
        one
        for method in _by_method(rows)
        if method != reference and (one := compared(rows, method, reference)) is not None
    ]
    if not found:
        return ""
    head = [column.format(reference=reference) for column in COMPARED]
    lines = markdown.table([head, *map(_compared_cells, found)])
    return BESIDE.format(reference=reference) + lines


def _compared_cells(one: Compared) -> list[str]:
    gaps = [part_of_gap(part) for part in (one.of_gap, one.of_own_gap)]
    more = f"{one.more.value:+.2f} ({one.more.low:+.2f} to {one.more.high:+.2f})"
    return [one.method, str(one.seeds), more, *gaps, f"{one.dip:.2f}"]


def _over(folder: Path, grid: PracticeGrid) -> dict[str, list[Row]]:
    """Rows by grid, of those that differ in one number; none where they were not measured."""
    names = grid.over.grids if grid.over else ()
    return {name: read_rows(folder.with_name(f"practice_{name}")) for name in names}


def _beside(folder: Path, grid: PracticeGrid) -> list[Row]:
    """Rows of other grids, which lie in folders beside; none where they were not measured."""
    return [
        row
        for other, methods in grid.beside.items()
        for row in read_rows(folder.with_name(f"practice_{other}"))
        if row["method"] in methods
    ]


def _by_method(rows: Sequence[Row]) -> dict[str, list[Row]]:
    named: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["method"]):
        named.setdefault(row["method"], []).append(row)
    return named


def table(rows: Sequence[Row]) -> str:
    """One line for each method of each task, in the order of their names."""
    named: dict[str, list[Row]] = {}
    tasks = {row["task"] for row in rows}
    for row in sorted(rows, key=lambda row: (row["task"], row["method"])):
        name = row["method"] if len(tasks) == 1 else f"{row['task']}: {row['method']}"
        named.setdefault(name, []).append(row)
    found = [[name, *_cells(of_name)] for name, of_name in named.items()]
    return markdown.table([COLUMNS, *found])


def says(row: Row) -> str:
    """Of one run, for a line."""
    final = row["final"]
    return (
        f"deployed {final['successes']}/{final['trials']}, mean {row['mean_success']:.2f}, "
        f"continuing {row['continuing_reward']:.4f}, "
        f"resets {row['resets_per_1000_steps']:.2f} per 1000 steps"
    )


def _cells(rows: Sequence[Row]) -> list[str]:
    found = [[final_success(row)] for row in rows]
    pooled = clopper_pearson(
        sum(row["final"]["successes"] for row in rows), sum(row["final"]["trials"] for row in rows)
    )
    return [
        str(len(rows)),
        f"{max(row['steps'] for row in rows):,}",
        _shown(stratified_bootstrap(found)),
        _shown(pooled),
        *(f"{_iqm(rows, key):.2f}" for key in ("first_success", "mean_success", "regret")),
        f"{_iqm(rows, 'continuing_reward'):.4f}",
        *(_of_some(rows, key) for key in ("practice_at_first", "practice_at_last")),
        f"{_iqm(rows, 'resets_per_1000_steps'):.2f}",
        f"{_iqm(rows, 'interventions_per_1000_steps'):.2f}",
        f"{_iqm(rows, 'wall_seconds') / 60:.0f}",
    ]


def _iqm(rows: Sequence[Row], key: str) -> float:
    return float(interquartile_mean(np.array([row[key] for row in rows])))


def _of_some(rows: Sequence[Row], key: str) -> str:
    """The same, of rows that have the number."""
    known = [row for row in rows if row.get(key) is not None]
    return f"{_iqm(known, key):.2f}" if known else "-"


def _shown(found: Interval) -> str:
    return f"{found.value:.2f} ({found.low:.2f}–{found.high:.2f})"
