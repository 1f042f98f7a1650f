"""A table of both directions, and of what rewards that look said beside the truth, from rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from perception.goal import DIRECTIONS
from robot.study.rows import Row

COLUMNS = (
    *("method", "seeds", "steps", "forward", "back", "said", "in vain", "false positives %"),
    *("false negatives %", "precision %", "accuracy %", "ECE", "promise %"),
)
HEAD = """
Both directions of the last evaluation, judged by the truth, all seeds together. Of practice by a
reward that looks: moments at which it said yes and at how many of these the goal was not reached;
of all moments of practice its false positives, false negatives, precision, accuracy and calibration
error (mean over seeds); and the bound on attempts paid in vain that it was proved with.

"""

ELSEWHERE = "elsewhere"
ELSEWHERE_HEAD = """
The last policy in worlds in which nothing was learned, judged by the truth, all seeds together.

"""


def seen_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """The table with its head; nothing where rows say none of it.

    Args:
        rows: of one task, by method.
    """
    every = [row for of_name in rows.values() for row in of_name]
    if not any("verdicts" in row or "final_backward" in row for row in every):
        return ""
    found = [[name, *_cells(of_name)] for name, of_name in rows.items()]
    return HEAD + _table([COLUMNS, ["---"] * len(COLUMNS), *found])


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
    return ELSEWHERE_HEAD + _table([head, ["---"] * len(head), *found])


def _everywhere(rows: Sequence[Row], worlds: Sequence[str]) -> list[str]:
    return [
        _success([row[ELSEWHERE][world][way] for row in rows if world in row[ELSEWHERE]])
        for world in worlds
        for way in DIRECTIONS
    ]


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cells(rows: Sequence[Row]) -> list[str]:
    return [
        str(len(rows)),
        f"{max(row['steps'] for row in rows):,}",
        *(
            _success([row[key] for row in rows if key in row])
            for key in ("final", "final_backward")
        ),
        *_verdicts([row["verdicts"] for row in rows if "verdicts" in row]),
        _promise(rows),
    ]


def _success(finals: Sequence[Mapping[str, int]]) -> str:
    trials = sum(one["trials"] for one in finals)
    return f"{sum(one['successes'] for one in finals) / trials:.2f}" if trials else "-"


def _verdicts(found: Sequence[Mapping[str, Any]]) -> list[str]:
    if not found:
        return ["-"] * 7
    (quiet, in_vain), (missed, seen) = np.sum([one["said"] for one in found], axis=0)
    parts = [
        (in_vain, in_vain + quiet),
        (missed, missed + seen),
        (seen, seen + in_vain),
        (seen + quiet, quiet + in_vain + missed + seen),
    ]
    rates = [f"{100 * some / of:.1f}" if of else "-" for some, of in parts]
    ece = np.mean([one["ece"] for one in found])
    return [str(seen + in_vain), str(in_vain), *rates, f"{ece:.3f}"]


def _promise(rows: Sequence[Row]) -> str:
    """The worst bound of the packages that paid."""
    uppers = [
        stage["bound"]["upper"]
        for row in rows
        if "verdicts" in row
        for stage in row.get("prepared", {}).values()
        if "bound" in stage
    ]
    return f"{100 * max(uppers):.1f}" if uppers else "-"
