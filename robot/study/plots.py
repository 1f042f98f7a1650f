"""The plots of the study as SVG, from its rows."""

from robot.study import charts
from robot.study.cells import ALONE, FLIGHT
from robot.study.figures import (
    Results,
    collisions_per_100_m,
    curves_by_size,
    fpr,
    median,
    overrides_by_minute,
    tpr,
)
from robot.study.judge import MONO

BIN = 400  # updates whose packages make one point: seeds send theirs at different ones


def plots_of(results: Results) -> dict[str, str]:
    """SVG by name; only of what was measured."""
    plots = {}
    lives = {f"{s}, {name_of(o)}": found for (s, o), found in results.lives.items()}
    if lives:
        plots.update(_overrides(results))
        rates = [(f"TPR {name}", tpr(found, ALONE, MONO)) for name, found in lives.items()]
        rates += [(f"FPR {name}", fpr(found, ALONE, MONO)) for name, found in lives.items()]
        plots["rates"] = charts.dots("Obstacles against the teacher, without stereo", rates)
        collisions = [(name, collisions_per_100_m(found, ALONE)) for name, found in lives.items()]
        collisions += [
            (f"stereo, pilot of {student}", collisions_per_100_m(found, FLIGHT))
            for student, found in results.stereo.items()
        ]
        plots["collisions"] = charts.dots("Collisions per 100 m, without stereo", collisions)
    if any("curve" in life.row for found in lives.values() for life in found):
        plots["learning"] = _learning(results)
    if results.curves:
        plots["sizes"] = _size_plot(results)
    return plots


def _overrides(results: Results) -> dict[str, str]:
    """One chart per student."""
    return {
        f"overrides_{student}": charts.lines(
            charts.Axes(f"{student}: overrides per minute of mono control", "minute", ""),
            {
                name_of(organisation): overrides_by_minute(lives)
                for (who, organisation), lives in results.lives.items()
                if who == student
            },
            {},
        )
        for student in dict.fromkeys(student for student, _ in results.lives)
    }


def _learning(results: Results) -> str:
    """Error on frames nobody learned from, over updates; median over seeds."""
    series = {}
    teachers = []
    for (student, organisation), lives in results.lives.items():
        by_updates: dict[float, list[float]] = {}
        for life in lives:
            for point in life.row.get("curve", ()):
                if point["abs_rel"] is not None:
                    updates = (point["updates"] // BIN + 0.5) * BIN
                    by_updates.setdefault(updates, []).append(point["abs_rel"])
            if "teacher_on_kept" in life.row:
                teachers.append(life.row["teacher_on_kept"]["abs_rel"])
        if by_updates:
            way = [(updates, median(found)) for updates, found in sorted(by_updates.items())]
            series[f"{student}, {name_of(organisation)}"] = way
    own = median([each for each in teachers if each is not None])
    return charts.lines(
        charts.Axes("abs_rel against truth, frames of the flight alone", "updates", ""),
        series,
        {"stereo's own": own, "twice that": 2 * own},
    )


def _size_plot(results: Results) -> str:
    """Error against seconds of learning, one line per size."""
    series = {}
    for size, curves in curves_by_size(results).items():
        columns = zip(*(curve["points"] for curve in curves), strict=True)
        way = [
            (median([p["cpu_s"] for p in column]), median([p["abs_rel"] for p in column]))
            for column in columns
        ]
        ms = median([curve["network_ms"] for curve in curves])
        series[f"{size[0]} x {size[1]}: {ms:.2f} ms"] = way
    sgbm = median(
        [curve["sgbm_ms"] for found in curves_by_size(results).values() for curve in found]
    )
    title = f"abs_rel to the teacher over seconds of learning (SGBM: {sgbm:.2f} ms a frame)"
    return charts.lines(charts.Axes(title, "s of one core", ""), series, {})


def name_of(organisation: str) -> str:
    """For a person."""
    return {
        "product": "training wheels with the gate",
        "searching": "the same, turning where nobody may fly",
    }.get(organisation, organisation.replace("_", " "))
