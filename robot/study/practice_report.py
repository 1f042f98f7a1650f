"""Tables of a grid of practice, made from its rows and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perception.interval import Interval
from policies.statistics import clopper_pearson, interquartile_mean, stratified_bootstrap
from robot.study.rows import Row

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


def write_page(folder: Path, name: str, rows: Sequence[Row]) -> Path:
    """Writes the page, which lies beside the folder of the rows; returns its path."""
    seeds = sorted({row["seed"] for row in rows})
    trials = max(row["final"]["trials"] for row in rows)
    told = ",".join(map(str, seeds))
    text = HEAD.format(name=name, seeds=told, trials=trials) + table(rows) + "\n"
    path = folder.with_suffix(".md")
    path.write_text(text)
    return path


def table(rows: Sequence[Row]) -> str:
    """One line for each method of each task, in the order of their names."""
    named: dict[str, list[Row]] = {}
    tasks = {row["task"] for row in rows}
    for row in sorted(rows, key=lambda row: (row["task"], row["method"])):
        name = row["method"] if len(tasks) == 1 else f"{row['task']}: {row['method']}"
        named.setdefault(name, []).append(row)
    found = [[name, *_cells(of_name)] for name, of_name in named.items()]
    return "\n".join(map(_line, [COLUMNS, ["---"] * len(COLUMNS), *found]))


def says(row: Row) -> str:
    """Of one run, for a line."""
    final = row["final"]
    return (
        f"deployed {final['successes']}/{final['trials']}, mean {row['mean_success']:.2f}, "
        f"continuing {row['continuing_reward']:.4f}, "
        f"resets {row['resets_per_1000_steps']:.2f} per 1000 steps"
    )


def _cells(rows: Sequence[Row]) -> list[str]:
    found = [[row["final"]["successes"] / row["final"]["trials"]] for row in rows]
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


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
