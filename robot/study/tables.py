"""The tables of the study's page; what was not measured has no table, what failed stays in it."""

import math
from collections.abc import Sequence
from typing import Any

from robot.study import markdown
from robot.study.bars import shown
from robot.study.cells import (
    ALONE,
    CORRUPTIONS,
    FAULTY,
    FLIGHT,
    GATED,
    LEARN,
    NEW_ROOM,
    UNSEEN_ROOMS,
    UNSEEN_S,
)
from robot.study.figures import (
    Results,
    abs_rel,
    approaches_found,
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
    tpr,
)
from robot.study.judge import MONO, NOBODY, STEREO
from robot.study.plots import name_of
from robot.study.statistics import Interval


def students(results: Results) -> str:
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
            " / ".join(rate(of(lives, ALONE, MONO, "truth")) for of in (tpr, fpr)),
            shown(approaches_found(lives, ALONE, MONO), 2),
            shown(alone[0], 2),
            shown(alone[1], 2),
            shown(overrides_per_minute(lives, LEARN), 2),
            shown(collisions_per_100_m(lives, ALONE), 2),
            shown(metres_per_minute(lives, ALONE), 3),
            shown(metres_between_turns(lives, ALONE), 2),
        ]
        lines.append(markdown.line(cells))
    for student, flights in results.stereo.items():
        teacher = abs_rel(flights, FLIGHT, STEREO, "teacher_error")
        cells = [
            f"stereo with the pilot of {student}",
            *(str(len(flights)), "–", "–", "–", "–", "–"),
            f"{shown(teacher, 2)} (stereo's own)",
            shown(delta_125(flights, FLIGHT, STEREO, "teacher_error"), 2),
            "–",
            shown(collisions_per_100_m(flights, FLIGHT), 2),
            shown(metres_per_minute(flights, FLIGHT), 3),
            shown(metres_between_turns(flights, FLIGHT), 2),
        ]
        lines.append(markdown.line(cells))
    if not lines:
        return ""
    return (
        "## Without stereo, in the room of learning\n\nOn states that the mono pilot visited. TPR "
        "and FPR against the teacher; against truth beside them. Overrides are of the learning "
        "before.\n\n"
        + markdown.head(
            "who",
            "lives",
            "mono flew, part",
            "TPR",
            "FPR",
            "TPR / FPR against truth",
            "approaches found",
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
        lines.append(markdown.line(cells))
    return markdown.head("who", "used (median)", "s by the wall for a life") + "".join(lines) + "\n"


def bias(results: Results) -> str:
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
            lines.append(markdown.line(cells))
    if not lines:
        return ""
    return (
        "## The bias of who flies\n\nThe same student on states that the stereo pilot visited and "
        "on those where only its own flying led.\n\n"
        + markdown.head(
            "who", "states of the", "TPR", "FPR", "abs_rel", "to the teacher", "the teacher's own"
        )
        + "".join(lines)
        + "\n"
    )


def effect(results: Results) -> str:
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
            markdown.line((name, shown(each, 2), _effect_said(name, each)))
            for name, each in found.items()
        ]
        parts.append(
            f"## Cold turkey minus training wheels: {student}\n\n"
            "Paired by seed, mean over seeds.\n\n"
            + markdown.head("without stereo", "difference", "said")
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


def new_rooms(results: Results) -> str:
    """One line per life of the product."""
    lines = []
    for (student, organisation), lives in results.lives.items():
        if organisation != GATED:
            continue
        for life in lives:
            room = in_new_room(life)
            cells = (
                f"{student}, seed {life.seed}",
                "yes" if room.trusted_before else "no",
                _seconds(room.let_go_s),
                _seconds(room.fell_s),
                _seconds(room.mono_flew_s),
                _seconds(room.earned_s),
                str(room.mono_collisions),
                rate(abs_rel([life], NEW_ROOM, STEREO)),
                rate(fpr([life], NEW_ROOM, STEREO)),
            )
            lines.append(markdown.line(cells))
    if not lines:
        return ""
    return (
        "## A room never seen: the product\n\nSeconds since it was carried there.\n\n"
        + markdown.head(
            "life",
            "trusted before",
            "had not the controls after",
            "left MONO after",
            "mono flew there for",
            "earned again after",
            "collisions by mono",
            "abs_rel while stereo flew",
            "FPR",
        )
        + "".join(lines)
        + "\n"
    )


def corruptions(results: Results) -> str:
    """One line per corruption, with and without monitors."""
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
        lines.append(markdown.line(cells))
    if not lines:
        return ""
    return (
        "## Corrupted cameras\n\nFlights on the last package of the product's life, without "
        "learning; with / without the monitors of stereo and mono.\n\n"
        + markdown.head(
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


def sizes(results: Results) -> str:
    """One line per size of the network's input."""
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
        lines.append(markdown.line(cells))
    return (
        "## Speed against error\n\nOffline, on whole runs of frames left out of a stereo flight; "
        "errors against the teacher, times of one core (medians over seeds). The teacher matches "
        "both ways; SGBM here is one direction of it.\n\n"
        + markdown.head(
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


def many_rooms(results: Results) -> str:
    """One line per number of rooms learned in."""
    if not results.rooms:
        return ""
    lines = []
    for rooms, rows in sorted(results.rooms.items()):
        unseen = [row["unseen"] for row in rows]
        cells = (
            str(rooms),
            str(len(rows)),
            _spread_of([row["own"] for row in rows], "abs_rel"),
            *(_spread_of(unseen, key) for key in ("abs_rel", "delta_125", "tpr", "fpr")),
            _spread_of([row["constant"] for row in rows], "abs_rel"),
        )
        lines.append(markdown.line(cells))
    return (
        "### What many rooms teach\n\nAs many frames and updates, learned offline from flights by "
        f"stereo through few or many rooms; judged by stereo in {UNSEEN_ROOMS} rooms of "
        f"{UNSEEN_S:g} s in which nothing was learned (median, least and most over seeds).\n\n"
        + markdown.head(
            "rooms learned in",
            "seeds",
            "abs_rel there",
            "abs_rel in rooms never seen",
            "within 25 %",
            "TPR",
            "FPR",
            "abs_rel of the same answer for every frame",
        )
        + "".join(lines)
        + "\n"
    )


def _spread_of(points: Sequence[dict[str, Any]], key: str) -> str:
    known = [point[key] for point in points if point[key] is not None]
    return f"{median(known):.2f} ({min(known):.2f} to {max(known):.2f})" if known else "–"


def _median_of(points: Sequence[dict[str, Any]], key: str) -> str:
    known = [point[key] for point in points if point[key] is not None]
    return f"{median(known):.2f}" if known else "–"


def _seconds(value: float) -> str:
    if math.isnan(value):
        return "–"
    return "never" if math.isinf(value) else f"{value:.1f} s"


def rate(found: Interval) -> str:
    """To two places, without its interval."""
    return "–" if math.isnan(found.value) else f"{found.value:.2f}"
