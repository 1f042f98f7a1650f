"""The page and the plots of the study, made from its rows and nothing else."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robot.study.bars import ORGANISATION, STUDENT, bars_of, shown, verdict
from robot.study.cells import ALONE, CORRUPTIONS, FAULTY, FLIGHT, GATED, LEARN, NEW_ROOM
from robot.study.figures import (
    Flown,
    Results,
    abs_rel,
    availability,
    collisions_per_100_m,
    curves_by_size,
    delta_125,
    fpr,
    in_new_room,
    median,
    metres_between_turns,
    metres_per_minute,
    overrides_per_minute,
    paired_difference,
    part_flown,
    results_of,
    tpr,
)
from robot.study.judge import MONO, NOBODY, STEREO
from robot.study.plots import name_of, plots_of
from robot.study.rows import Row
from robot.study.statistics import Interval

COMMAND = "reflexarc study pssl --students network textons --seeds 0-9 --jobs 2"
HEAD = """# Stereo teaches mono

The study of `reflexarc study pssl`. The page is made from the rows beside it, one per cell:

    {command}
    reflexarc study pssl --report     # this page and its plots anew, from the rows alone

A life is {learn:g} s of learning in one room, {alone:g} s in the same room with stereo unplugged,
then stereo is plugged in again and the robot is carried into a room never seen, for {new:g} s.
In the second part nothing is remembered, nothing is learned and no threshold moves; {frozen}.
A stereo pilot flies {stereo:g} s of the same room for comparison, with the same pilot and monitor.

**What is counted.** The judge sees the run without being heard: true depth from the room's plan at
every second pixel of every frame, the true path and contacts. "Obstacle" is a corridor shorter than
1 m, in frames; where stereo is cut off, the judge asks the same teacher about the clean pair. A
frame belongs to the mono pilot also while stereo overrides it. Errors are on the pixels that the
teacher trusts, from 0.3 to 10 m. A collision ends no flight: contacts within a second are one
collision, a vehicle that hangs for two seconds is put back to where it was two seconds before its
trouble, and the flight goes on. A collision within a second of mono's control is mono's.

**Intervals** are of 95 %, over seeds (bootstrap of pooled sums); where events are counted the exact
one (Garwood, Clopper-Pearson) is taken if it is wider. With one seed there is none.

"""


def write_report(folder: Path, rows: Sequence[Row]) -> Path:
    """Writes page and plots; returns the page, which lies beside the folder of the rows."""
    results = results_of(rows)
    page = folder.with_suffix(".md")
    plots = plots_of(results)
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in plots.items():
        (folder / f"{name}.svg").write_text(svg)
    page.write_text(report(results, rows, [f"{folder.name}/{name}.svg" for name in plots]))
    return page


def report(results: Results, rows: Sequence[Row], plots: Sequence[str]) -> str:
    """The whole page as Markdown."""
    parts = [
        _head(results, rows),
        _bars(results),
        _students(results),
        _bias(results),
        _effect(results),
        _new_rooms(results),
        _corruptions(results),
        _sizes(results),
        "".join(f"![{Path(plot).stem}]({plot})\n\n" for plot in plots),
        _origin(rows),
    ]
    return "".join(part for part in parts if part)


def brief(row: Row) -> dict[str, Any]:
    """A row in a few words, for a progress line and for `--json`."""
    outcome = {key: row[key] for key in ("cell", "kind", "seed", "sim_seconds", "wall_seconds")}
    if row["kind"] == "curve":
        largest = max(row["sizes"], key=lambda size: size["width"])
        return {
            **outcome,
            "says": f"abs_rel {largest['points'][-1]['abs_rel']} against the teacher",
        }
    (flown,) = _flown_of(results_of([row]))
    phase = {"life": ALONE, "stereo": FLIGHT, "corruption": FAULTY}[row["kind"]]
    tally = flown.tally(phase)
    says = f"{tally.collisions} collisions in {tally.distance_m:.0f} m"
    if row["kind"] == "life":
        alone = part_flown([flown], ALONE, MONO).value
        says += (
            f" without stereo (mono flew {100 * alone:.0f} %), "
            f"TPR {_two(tpr([flown], ALONE, MONO))} FPR {_two(fpr([flown], ALONE, MONO))}"
        )
    return {**outcome, "says": says}


def _flown_of(results: Results) -> list[Flown]:
    groups = [*results.lives.values(), *results.stereo.values(), *results.corrupted.values()]
    return [flown for group in groups for flown in group]


def _two(found: Interval) -> str:
    return "–" if math.isnan(found.value) else f"{found.value:.2f}"


def _head(results: Results, rows: Sequence[Row]) -> str:
    protocol = rows[0]["protocol"]
    lives = [life for group in results.lives.values() for life in group]
    thawed = [life.row["cell"] for life in lives if not life.row["frozen"]]
    frozen = "checked in every life"
    if thawed:
        frozen = f"**which did not hold in {', '.join(thawed)}**"
    return HEAD.format(
        command=COMMAND,
        learn=protocol["learn_s"],
        alone=protocol["alone_s"],
        new=protocol["new_room_s"],
        stereo=protocol["stereo_s"],
        frozen=frozen,
    )


def _bars(results: Results) -> str:
    bars = bars_of(results)
    met, missed, unmeasured = (sum(b.met is each for b in bars) for each in (True, False, None))
    seeds = len(results.lives.get((STUDENT, ORGANISATION), []))
    lines = [f"| {bar.asked} | {bar.measured} | {verdict(bar)} |\n" for bar in bars]
    return (
        f"## What was asked\n\nStudent {STUDENT}, {name_of(ORGANISATION)}, {seeds} seeds; new room "
        f"and monitor: the product. {met} of {len(bars)} bars are met, {missed} are not, "
        f"{unmeasured} are not measured.\n\n"
        "| asked | measured | met |\n|---|---|---|\n" + "".join(lines) + "\n"
    )


def _students(results: Results) -> str:
    """One line per student and organisation, failures included."""
    lines = []
    for (student, organisation), lives in results.lives.items():
        alone = [abs_rel(lives, ALONE, MONO), delta_125(lives, ALONE, MONO)]
        cells = [
            f"{student}, {name_of(organisation)}",
            str(len(lives)),
            shown(part_flown(lives, ALONE, MONO), 2),
            shown(tpr(lives, ALONE, MONO), 2),
            shown(fpr(lives, ALONE, MONO), 2),
            f"{_two(tpr(lives, ALONE, MONO, 'truth'))} / {_two(fpr(lives, ALONE, MONO, 'truth'))}",
            shown(alone[0], 2),
            shown(alone[1], 2),
            shown(overrides_per_minute(lives, LEARN), 2),
            shown(collisions_per_100_m(lives, ALONE), 2),
            shown(metres_per_minute(lives, ALONE), 3),
            shown(metres_between_turns(lives, ALONE), 2),
        ]
        lines.append(_line(cells))
    for student, flights in results.stereo.items():
        teacher = abs_rel(flights, FLIGHT, STEREO, "teacher_error")
        cells = [
            f"stereo with the pilot of {student}",
            *(str(len(flights)), "–", "–", "–", "–"),
            f"{shown(teacher, 2)} (stereo's own)",
            shown(delta_125(flights, FLIGHT, STEREO, "teacher_error"), 2),
            "–",
            shown(collisions_per_100_m(flights, FLIGHT), 2),
            shown(metres_per_minute(flights, FLIGHT), 3),
            shown(metres_between_turns(flights, FLIGHT), 2),
        ]
        lines.append(_line(cells))
    if not lines:
        return ""
    return (
        "## Without stereo, in the room of learning\n\nOn states that the mono pilot visited. TPR "
        "and FPR against the teacher; against truth beside them. Overrides are of the learning "
        "before.\n\n"
        + _table(
            "who",
            "lives",
            "mono flew, part",
            "TPR",
            "FPR",
            "TPR / FPR against truth",
            "abs_rel",
            "within 25 %",
            "overrides per min of mono",
            "collisions per 100 m",
            "m per min",
            "m between turns",
        )
        + "".join(lines)
        + "\n"
        + _used(results)
    )


def _used(results: Results) -> str:
    """Data and time that each student used."""
    lines = []
    for (student, organisation), lives in results.lives.items():
        gauges: dict[str, list[float]] = {}
        for life in lives:
            for counted in life.row.get("learned", {}).values():
                for name in ("images", "updates", "labels", "lessons"):
                    if counted.get(name) is not None:
                        gauges.setdefault(name, []).append(counted[name])
        used = ", ".join(f"{median(found):.0f} {name}" for name, found in gauges.items())
        walls = [life.row["wall_seconds"] for life in lives]
        cells = (f"{student}, {name_of(organisation)}", used or "–", f"{median(walls):.0f}")
        lines.append(_line(cells))
    return _table("who", "used (median)", "s by the wall for a life") + "".join(lines) + "\n"


def _bias(results: Results) -> str:
    """Error on states by who came there."""
    lines = []
    for (student, organisation), lives in results.lives.items():
        for phase, pilot, where in (
            (LEARN, STEREO, "stereo pilot, learning"),
            (LEARN, MONO, "mono pilot, learning"),
            (ALONE, MONO, "mono pilot, alone"),
        ):
            cells = (
                f"{student}, {name_of(organisation)}",
                where,
                shown(tpr(lives, phase, pilot), 2),
                shown(fpr(lives, phase, pilot), 2),
                shown(abs_rel(lives, phase, pilot), 2),
                shown(abs_rel(lives, phase, pilot, "student_to_teacher"), 2),
                shown(abs_rel(lives, phase, pilot, "teacher_error"), 2),
            )
            lines.append(_line(cells))
    if not lines:
        return ""
    return (
        "## The bias of who flies\n\nThe same student on states that the stereo pilot visited and "
        "on those where only its own flying led.\n\n"
        + _table(
            "who", "states of the", "TPR", "FPR", "abs_rel", "to the teacher", "the teacher's own"
        )
        + "".join(lines)
        + "\n"
    )


def _effect(results: Results) -> str:
    """Cold turkey against training wheels, paired by seed."""
    parts = []
    for student in dict.fromkeys(student for student, _ in results.lives):
        cold = results.lives.get((student, "cold_turkey"), [])
        wheels = results.lives.get((student, "training_wheels"), [])
        found = {
            "collisions per 100 m": paired_difference(
                cold, wheels, lambda lives: collisions_per_100_m(lives, ALONE)
            ),
            "TPR": paired_difference(cold, wheels, lambda lives: tpr(lives, ALONE, MONO)),
            "FPR": paired_difference(cold, wheels, lambda lives: fpr(lives, ALONE, MONO)),
        }
        if all(math.isnan(each.value) for each in found.values()):
            continue
        lines = [
            _line((name, shown(each, 2), _effect_said(name, each))) for name, each in found.items()
        ]
        parts.append(
            f"## Cold turkey minus training wheels: {student}\n\n"
            "Paired by seed, mean over seeds.\n\n"
            + _table("without stereo", "difference", "said")
            + "".join(lines)
            + "\n"
        )
    return "".join(parts)


def _effect_said(name: str, found: Interval) -> str:
    """An effect is found where the interval leaves 0 out."""
    if not math.isfinite(found.low + found.high):
        return "too few seeds to tell"
    if found.low <= 0 <= found.high:
        return "the effect was not found here"
    worse = found.value > 0 if name != "TPR" else found.value < 0
    return "cold turkey is worse" if worse else "cold turkey is better"


def _new_rooms(results: Results) -> str:
    lines = []
    for (student, organisation), lives in results.lives.items():
        if organisation != GATED:
            continue
        for life in lives:
            room = in_new_room(life)
            cells = (
                f"{student}, seed {life.seed}",
                "yes" if room.trusted_before else "no",
                _seconds(room.fell_s),
                _seconds(room.earned_s),
                str(room.mono_collisions),
                _two(abs_rel([life], NEW_ROOM, STEREO)),
                _two(fpr([life], NEW_ROOM, STEREO)),
            )
            lines.append(_line(cells))
    if not lines:
        return ""
    return (
        "## A room never seen: the product\n\nSeconds since it was carried there. What training in "
        "many rooms would add is not measured.\n\n"
        + _table(
            "life",
            "trusted before",
            "trust fell after",
            "earned again after",
            "collisions by mono",
            "abs_rel while stereo flew",
            "FPR",
        )
        + "".join(lines)
        + "\n"
    )


def _corruptions(results: Results) -> str:
    lines = []
    for name, row in CORRUPTIONS.items():
        flights = [results.corrupted.get((name, monitor), []) for monitor in ("with", "without")]
        if not any(flights):
            continue
        severity = row.options.get("severity")
        degree = "" if severity is None else f", severity {severity:g}"
        counts = [sum(f.tally(FAULTY).collisions for f in group) for group in flights]
        cells = (
            f"{name} ({row.side}{degree})",
            f"{len(flights[0])} / {len(flights[1])}",
            f"{counts[0]} / {counts[1]}",
            shown(availability(flights[0]), 2),
            " / ".join(f"{metres_per_minute(g, FAULTY).value:.1f}" for g in flights),
            shown(part_flown(flights[0], FAULTY, MONO), 2),
            shown(part_flown(flights[0], FAULTY, NOBODY), 2),
        )
        lines.append(_line(cells))
    if not lines:
        return ""
    return (
        "## Corrupted cameras\n\nFlights on the last package of the product's life, without "
        "learning; with / without the monitors of stereo and mono.\n\n"
        + _table(
            "corruption",
            "flights",
            "collisions",
            "somebody may fly",
            "m per min",
            "mono flew",
            "nobody flew",
        )
        + "".join(lines)
        + "\n"
    )


def _sizes(results: Results) -> str:
    if not results.curves:
        return ""
    lines = []
    for size, curves in curves_by_size(results).items():
        last = [curve["points"][-1] for curve in curves]
        cells = (
            f"{size[0]} x {size[1]}",
            str(len(curves)),
            *(f"{median([c[key] for c in curves]):.2f}" for key in ("network_ms", "sgbm_ms")),
            f"{median([point['abs_rel'] for point in last]):.3f}",
            _median_of(last, "tpr"),
            _median_of(last, "fpr"),
            f"{median([point['cpu_s'] for point in last]):.0f}",
        )
        lines.append(_line(cells))
    return (
        "## Speed against error\n\nOffline, on whole runs of frames left out of a stereo flight; "
        "errors against the teacher, times of one core (medians over seeds). The teacher matches "
        "both ways; SGBM here is one direction of it.\n\n"
        + _table(
            "input px",
            "seeds",
            "network ms",
            "SGBM ms",
            "abs_rel to the teacher",
            "TPR",
            "FPR",
            "s of learning",
        )
        + "".join(lines)
        + "\n"
    )


def _median_of(points: Sequence[dict[str, Any]], key: str) -> str:
    known = [point[key] for point in points if point[key] is not None]
    return f"{median(known):.2f}" if known else "–"


def _origin(rows: Sequence[Row]) -> str:
    commits = sorted({str(row["commit"]) for row in rows})
    machines = sorted({_machine(row["hardware"]) for row in rows})
    hours = sum(row["wall_seconds"] for row in rows) / 3600
    mixed = [kind for kind, found in _configurations(rows).items() if len(found) > 1]
    text = (
        f"{len(rows)} rows, {hours:.1f} h of one core, at commit {', '.join(commits)} on "
        f"{'; '.join(machines)}.\n"
    )
    if mixed:
        text += f"\n**Rows of several protocols are mixed: {', '.join(mixed)}.**\n"
    return text


def _configurations(rows: Sequence[Row]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["kind"], set()).add(repr(sorted(row["protocol"].items())))
    return found


def _machine(hardware: dict[str, Any]) -> str:
    return f"{hardware['processor']}, {hardware['cores']} cores, Python {hardware['python']}"


def _seconds(value: float) -> str:
    if math.isnan(value):
        return "–"
    return "never" if math.isinf(value) else f"{value:.1f} s"


def _table(*columns: str) -> str:
    return _line(columns) + _line(["---"] * len(columns))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
