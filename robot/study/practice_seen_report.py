"""Both directions of what practises without resets, and what rewards that look said, from rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from perception.goal import DIRECTIONS
from robot.study.practice_compare import both_success, closed, part_of_gap
from robot.study.rows import Row

COLUMNS = (
    *("method", "seeds", "attempts", "paid", "in vain", "in vain, % of attempts"),
    *("false positives %", "false negatives %", "precision %", "accuracy %", "ECE", "promise %"),
)
HEAD = """
What a reward that looks said in practice, beside the truth, all seeds together: attempts, of these
paid, of these in vain; of all moments of practice false positives, false negatives, precision,
accuracy and calibration error (mean over seeds); and the bound on attempts paid in vain that it was
proved with.

"""
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

BACKWARD = "final_backward"
ELSEWHERE = "elsewhere"
ELSEWHERE_HEAD = """
The last policy in worlds in which nothing was learned, judged by the truth, all seeds together.

"""


def seen_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """The table with its head; nothing where rows say none of it.

    Args:
        rows: of one task, by method.
    """
    looked = {name: [row for row in of_name if "verdicts" in row] for name, of_name in rows.items()}
    found = [[name, *_cells(of_name)] for name, of_name in looked.items() if of_name]
    return HEAD + _table([COLUMNS, *found]) if found else ""


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
    return BOTH_HEAD.format(trials=trials) + _table([head, *found])


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
    return ALL_HEAD + _table([head, *found])


def _both_cells(rows: Sequence[Row]) -> list[str]:
    return [
        str(len(rows)),
        _success([row["final"] for row in rows]),
        _success([row[BACKWARD] for row in rows]),
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


def elsewhere_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """Success in worlds in which nothing was learned, with its head; nothing where none was tried.

    Args:
        rows: of one task, by method.
    """
    tried = {name: [row for row in of_name if ELSEWHERE in row] for name, of_name in rows.items()}
    worlds = [
        *dict.fromkeys(w for of_name in tried.values() for row in of_name for w in row[ELSEWHERE])
    ]
    if not worlds:
        return ""
    columns = [f"{world}, {way}" for world in worlds for way in DIRECTIONS]
    head = ["method", "seeds", *columns]
    found = [
        [name, str(len(of_name)), *_everywhere(of_name, worlds)]
        for name, of_name in tried.items()
        if of_name
    ]
    return ELSEWHERE_HEAD + _table([head, *found])


def _everywhere(rows: Sequence[Row], worlds: Sequence[str]) -> list[str]:
    return [
        _success([row[ELSEWHERE][world][way] for row in rows if world in row[ELSEWHERE]])
        for world in worlds
        for way in DIRECTIONS
    ]


def _table(lines: Sequence[Sequence[str]]) -> str:
    head, *found = lines
    every = [head, ["---"] * len(head), *found]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in every)


def _cells(rows: Sequence[Row]) -> list[str]:
    attempts, paid, in_vain = (
        sum(row[key] for row in rows) for key in ("attempts", "successes", "false_successes")
    )
    return [
        *(str(len(rows)), f"{attempts:,}", f"{paid:,}", f"{in_vain:,}"),
        f"{100 * in_vain / attempts:.1f}" if attempts else "-",
        *_verdicts([row["verdicts"] for row in rows]),
        _promise(rows),
    ]


def _success(finals: Sequence[Mapping[str, int]]) -> str:
    trials = sum(one["trials"] for one in finals)
    return f"{sum(one['successes'] for one in finals) / trials:.2f}" if trials else "-"


def _verdicts(found: Sequence[Mapping[str, Any]]) -> list[str]:
    (quiet, in_vain), (missed, seen) = np.sum([one["said"] for one in found], axis=0)
    parts = [
        (in_vain, in_vain + quiet),
        (missed, missed + seen),
        (seen, seen + in_vain),
        (seen + quiet, quiet + in_vain + missed + seen),
    ]
    rates = [f"{100 * some / of:.1f}" if of else "-" for some, of in parts]
    ece = np.mean([one["ece"] for one in found])
    return [*rates, f"{ece:.3f}"]


def _promise(rows: Sequence[Row]) -> str:
    """The worst bound of the packages that paid."""
    uppers = [
        stage["bound"]["upper"]
        for row in rows
        for stage in row.get("prepared", {}).values()
        if "bound" in stage
    ]
    return f"{100 * max(uppers):.1f}" if uppers else "-"
