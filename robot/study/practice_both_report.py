"""Tables of success in both directions of what practises without resets, from rows."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from robot.study import markdown
from robot.study.practice_compare import BACKWARD, both_success, closed, part_of_gap
from robot.study.rows import Row

BOTH = ("method", "seeds", "forward", "back", "both", "each seed")
BOTH_HEAD = """
Both directions of the last evaluation, judged by the truth, {trials} attempts each way for a seed.
Of a gap: part of what a method leaves to 1 that is closed, on the seeds that both have.

"""
ALL_HEAD = """
## All tasks

Both directions together, mean over seeds (their number). The mean is of the tasks (their number)
and seeds that the method has and those that it is compared with.

"""


def both_table(rows: Mapping[str, Sequence[Row]], reference: str, ideal: str) -> str:
    """Success in both directions with its head; nothing where one alone was tried.

    Args:
        rows: of one task, by method.
        reference: method whose gap is closed.
        ideal: method that the others are a part of.
    """
    tried = {name: [r for r in of_name if BACKWARD in r] for name, of_name in rows.items()}
    every = [row for of_name in tried.values() for row in of_name]
    if not every:
        return ""
    head = [*BOTH, *_parts_head(reference, ideal)]
    found = [
        [name, *_both_cells(of_name), *_parts({"": rows}, name, reference, ideal)]
        for name, of_name in tried.items()
        if of_name
    ]
    trials = max(row["final"]["trials"] for row in every)
    return BOTH_HEAD.format(trials=trials) + markdown.table([head, *found])


def all_tasks_table(
    tasks: Mapping[str, Mapping[str, Sequence[Row]]], reference: str, ideal: str
) -> str:
    """Success of all tasks beside each other; nothing where there is one, or one direction alone.

    Args:
        tasks: rows by task, then by method.
        reference: method whose gap is closed.
        ideal: method that the others are a part of.
    """
    every = [row for rows in tasks.values() for of_name in rows.values() for row in of_name]
    if len(tasks) == 1 or not any(BACKWARD in row for row in every):
        return ""
    methods = [*dict.fromkeys(name for rows in tasks.values() for name in rows)]
    head = ["method", *tasks, "mean", *_parts_head(reference, ideal)]
    found = []
    for name in methods:
        cells = [_mean_of(rows.get(name, ())) for rows in tasks.values()]
        shared = _shared(tasks, [one for one in (name, reference, ideal) if one])
        mean = f"{_mean(own for own, *_ in shared):.2f} ({len(shared)})" if shared else "-"
        found.append([name, *cells, mean, *_parts(tasks, name, reference, ideal)])
    return ALL_HEAD + markdown.table([head, *found])


def success(finals: Sequence[Mapping[str, int]]) -> str:
    """Part of the attempts of some evaluations that succeeded, for a table."""
    trials = sum(one["trials"] for one in finals)
    return f"{sum(one['successes'] for one in finals) / trials:.2f}" if trials else "-"


def _both_cells(rows: Sequence[Row]) -> list[str]:
    return [
        str(len(rows)),
        success([row["final"] for row in rows]),
        success([row[BACKWARD] for row in rows]),
        f"{_mean(map(both_success, rows)):.2f}",
        " ".join(f"{both_success(row):.2f}" for row in sorted(rows, key=lambda r: r["seed"])),
    ]


def _parts_head(reference: str, ideal: str) -> list[str]:
    return [f"of the gap of `{reference}`"] * bool(reference) + [f"of `{ideal}`"] * bool(ideal)


def _parts(
    tasks: Mapping[str, Mapping[str, Sequence[Row]]], name: str, reference: str, ideal: str
) -> list[str]:
    """Parts of the gap of the reference that is closed, and of what the ideal reaches."""
    cells = []
    if reference:
        pairs = _shared(tasks, (name, reference)) if name != reference else []
        part = closed(*([found[at] for found in pairs] for at in (0, 1))) if pairs else None
        cells.append(part_of_gap(part))
    if ideal:
        pairs = _shared(tasks, (name, ideal))
        own, best = ([found[at] for found in pairs] for at in (0, 1))
        cells.append(f"{_mean(own) / _mean(best):.0%}" if any(best) else "-")
    return cells


def _shared(
    tasks: Mapping[str, Mapping[str, Sequence[Row]]], names: Sequence[str]
) -> list[list[float]]:
    """Success in both directions of these methods, by the task that all have: over their seeds."""
    found = []
    for rows in tasks.values():
        by_seed = [{row["seed"]: both_success(row) for row in rows.get(n, ())} for n in names]
        seeds = set.intersection(*map(set, by_seed))
        if seeds:
            found.append([_mean(one[seed] for seed in seeds) for one in by_seed])
    return found


def _mean_of(rows: Sequence[Row]) -> str:
    return f"{_mean(map(both_success, rows)):.2f} ({len(rows)})" if rows else "-"


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([*values]))
