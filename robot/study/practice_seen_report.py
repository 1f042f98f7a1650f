"""What rewards that look said beside the truth, and success in other worlds, from rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from perception.goal import DIRECTIONS
from robot.study import markdown
from robot.study.practice_both_report import success
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
    return HEAD + markdown.table([COLUMNS, *found]) if found else ""


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
    return ELSEWHERE_HEAD + markdown.table([head, *found])


def _everywhere(rows: Sequence[Row], worlds: Sequence[str]) -> list[str]:
    return [
        success([row[ELSEWHERE][world][way] for row in rows if world in row[ELSEWHERE]])
        for world in worlds
        for way in DIRECTIONS
    ]


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
