"""What a method adds to another that ran with the same seeds, from the rows of both."""

from collections.abc import Sequence
from typing import NamedTuple

from perception.interval import Interval
from policies.statistics import interquartile_mean, paired_bootstrap
from robot.study.rows import Row

BACKWARD = "final_backward"  # of a row: the last evaluation, the other way
NEARLY_ALL = 0.98  # a reference that leaves less than this leaves no gap worth a ratio


class Compared(NamedTuple):
    """One method beside the reference, on the seeds that both have."""

    method: str
    seeds: int
    more: Interval  # final success less that of the reference: mean, seeds paired
    of_gap: float | None  # part of what the reference leaves that is closed; negative: opened
    of_own_gap: float | None  # part of what the method itself left before its first step
    dip: float  # by how much success fell below that before the first step, at its lowest


def compared(rows: Sequence[Row], method: str, reference: str) -> Compared | None:
    """The rows of one task; None: they have no seed in common."""
    own, other = (_by_seed(rows, name) for name in (method, reference))
    seeds = sorted(own.keys() & other.keys())
    if not seeds:
        return None
    final = [final_success(own[seed]) for seed in seeds]
    beside = [final_success(other[seed]) for seed in seeds]
    start = [float(own[seed]["first_success"]) for seed in seeds]
    more = paired_bootstrap([[x] for x in final], [[x] for x in beside])
    fell = [_dip(own[seed]) for seed in seeds]
    return Compared(
        method,
        len(seeds),
        more,
        closed(final, beside),
        closed(final, start) if own[seeds[0]]["steps"] > 1 else None,
        float(interquartile_mean(fell)),
    )


def _by_seed(rows: Sequence[Row], method: str) -> dict[int, Row]:
    return {row["seed"]: row for row in rows if row["method"] == method}


def final_success(row: Row) -> float:
    """Part of the attempts after the last step that succeeded."""
    return row["final"]["successes"] / row["final"]["trials"]


def both_success(row: Row) -> float:
    """The same in both directions, each counting alike; of one where one alone was tried."""
    found = [row[key] for key in ("final", BACKWARD) if key in row]
    return sum(one["successes"] / one["trials"] for one in found) / len(found)


def closed(final: Sequence[float], before: Sequence[float]) -> float | None:
    """Part of the gap to 1 that is gone, of means over seeds."""
    had, has = (sum(found) / len(found) for found in (before, final))
    return None if had >= NEARLY_ALL else (has - had) / (1 - had)


def part_of_gap(part: float | None) -> str:
    """For a table; "-" where there is none; below -1 it is the gap that is small."""
    if part is None:
        return "-"
    return f"{part:.0%}" if part >= -1 else "below -100%"


def _dip(row: Row) -> float:
    successes = [point["success"] for point in row["curve"]]
    return max(0.0, successes[0] - min(successes))
