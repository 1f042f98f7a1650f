"""What was asked beforehand, beside what was measured: nothing is rounded up, nothing left out.

A bar without rows says so and is not met. Where a bar names a bound, the bound is judged, not the
value; where it names none, the value is.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from robot.nodes.learner import LearnerConfig
from robot.study.cells import ALONE, CORRUPTIONS, FAULTY, GATED, NEW_ROOM
from robot.study.figures import (
    Flown,
    Results,
    abs_rel,
    availability,
    collisions_above_stereo,
    curves_by_size,
    error_over_teachers,
    false_alarms_per_hour,
    fewer_collisions,
    forgetting,
    fpr,
    in_new_room,
    median,
    overrides_last_over_first,
    pace_over_stereos,
    slowest_handover_s,
    tpr,
    trust_auroc,
)
from robot.study.judge import MONO
from robot.study.statistics import Interval

STUDENT, ORGANISATION = "network", "training_wheels"


class Bar(NamedTuple):
    """One line of the table."""

    asked: str
    measured: str
    met: bool | None  # None: nothing was measured


def bars_of(results: Results) -> list[Bar]:
    """All bars, in the order in which they were asked."""
    lives = results.lives.get((STUDENT, ORGANISATION), [])
    product = results.lives.get((STUDENT, GATED), [])
    stereo = results.stereo.get(STUDENT, [])
    return [
        _at_least("TPR against the teacher >= 0.95", tpr(lives, ALONE, MONO), 0.95),
        _at_most("FPR against the teacher <= 0.15", fpr(lives, ALONE, MONO), 0.15),
        _at_most(
            "abs_rel <= 2 x the teacher's own, same pixels",
            error_over_teachers(lives, ALONE, MONO),
            2.0,
        ),
        _speed(results),
        *_bounded(
            "overrides per minute of mono control, last 3 minutes over first 3",
            overrides_last_over_first(lives),
            most=0.3,
            most_bound=0.6,
        ),
        _upper_bound(
            "collisions per 100 m without stereo, minus the stereo pilot's: upper bound <= 0.5",
            collisions_above_stereo(lives, stereo),
            0.5,
        ),
        _at_least(
            "metres per minute without stereo >= 0.7 x the stereo pilot's",
            pace_over_stereos(lives, stereo),
            0.7,
        ),
        _handover(product + lives),
        _at_most(
            "false alarms of the monitor per flight hour <= 1", false_alarms_per_hour(product), 1.0
        ),
        *_new_room(product),
        *_corruptions(results),
        *_trust(results, lives),
    ]


def verdict(bar: Bar) -> str:
    """For the table."""
    return {True: "yes", False: "**no**", None: "not measured"}[bar.met]


def shown(found: Interval, digits: int = 3) -> str:
    """A value with its interval."""
    if math.isnan(found.value):
        return "–"
    value = f"{found.value:.{digits}g}"
    if math.isnan(found.low) or math.isnan(found.high):
        return value
    return f"{value} ({found.low:.{digits}g} to {found.high:.{digits}g})"


def _judged(asked: str, found: Interval, judge: Callable[[Interval], bool]) -> Bar:
    known = not math.isnan(found.value)
    return Bar(asked, shown(found), judge(found) if known else None)


def _at_least(asked: str, found: Interval, least: float) -> Bar:
    return _judged(asked, found, lambda f: f.value >= least)


def _at_most(asked: str, found: Interval, most: float) -> Bar:
    return _judged(asked, found, lambda f: f.value <= most)


def _upper_bound(asked: str, found: Interval, most: float) -> Bar:
    """A bound that a single seed does not give is not met."""
    return _judged(asked, found, lambda f: f.high <= most)


def _bounded(asked: str, found: Interval, most: float, most_bound: float) -> list[Bar]:
    return [
        _at_most(f"{asked} <= {most:g}", found, most),
        _upper_bound(f"the same: upper bound <= {most_bound:g}", found, most_bound),
    ]


def _speed(results: Results) -> Bar:
    """Of the size that flies."""
    flown = curves_by_size(results).get((LearnerConfig.width, LearnerConfig.height), [])
    network = median([size["network_ms"] for size in flown])
    sgbm = median([size["sgbm_ms"] for size in flown])
    asked = "the network's time per frame <= OpenCV SGBM's"
    if not flown:
        return Bar(asked, "–", None)
    return Bar(asked, f"{network:.2f} ms, SGBM {sgbm:.2f} ms", network <= sgbm)


def _handover(lives: Sequence[Flown]) -> Bar:
    slowest_s = slowest_handover_s(lives)
    measured = "–" if math.isnan(slowest_s) else f"{1000 * slowest_s:.0f} ms at most"
    return Bar(
        "stereo unplugged: nobody flies on it after <= 200 ms",
        measured,
        None if math.isnan(slowest_s) else slowest_s <= 0.2,
    )


def _new_room(product: Sequence[Flown]) -> list[Bar]:
    rooms = [in_new_room(life) for life in product]
    trusted = [room for room in rooms if room.trusted_before]
    of = f"of {len(trusted)} that were trusted before"
    fell = sum(room.let_go_s <= 1.0 for room in trusted)
    shadow = sum(room.passed_shadow for room in trusted)
    flew = [life.tally(NEW_ROOM, MONO).frames > 0 for life in product]
    collisions = sum(room.mono_collisions for room in rooms)
    earned_s = median([room.earned_s for room in rooms])
    earned = "never in the median" if math.isinf(earned_s) else f"{earned_s:.0f} s in the median"
    return [
        Bar(
            "new room: trust falls, mono has not the controls, within 1 s",
            f"{fell} {of}",
            fell == len(trusted) if trusted else None,
        ),
        Bar(
            "new room: the state machine goes back to SHADOW",
            f"{shadow} {of}",
            shadow == len(trusted) if trusted else None,
        ),
        Bar(
            "new room: no collision is caused by mono",
            f"{collisions} in {sum(flew)} lives in which mono flew there",
            collisions == 0 if any(flew) else None,
        ),
        Bar(
            "new room: trust is earned again within 180 s (median)",
            earned if rooms else "–",
            earned_s <= 180.0 if rooms else None,
        ),
        _judged(
            "the old room is not forgotten: its error rises by less than 20 %",
            forgetting(product),
            lambda found: found.value < 1.2,
        ),
    ]


def _corruptions(results: Results) -> list[Bar]:
    watched = [f for name in CORRUPTIONS for f in results.corrupted.get((name, "with"), [])]
    return [
        _at_most(
            "corruptions: collisions with the monitor over those without <= 0.5",
            fewer_collisions(results),
            0.5,
        ),
        _at_least(
            "corruptions: somebody may fly in >= 70 % of the frames, with the monitor",
            availability(watched),
            0.7,
        ),
    ]


def _trust(results: Results, lives: Sequence[Flown]) -> list[Bar]:
    room = [life.tally(ALONE) for life in lives]
    new = [life.tally(NEW_ROOM) for life in lives]
    bad = [
        f.tally(FAULTY) for name in CORRUPTIONS for f in results.corrupted.get((name, "with"), [])
    ]
    groups = {
        "half learning room, a quarter new rooms, a quarter corruptions": (
            (0.5, room),
            (0.25, new),
            (0.25, bad),
        ),
        "the learning room alone": ((1.0, room),),
        "new rooms alone": ((1.0, new),),
        "corruptions alone": ((1.0, bad),),
    }
    found = {name: trust_auroc(parts) for name, parts in groups.items()}
    return [
        Bar(
            f"trust: AUROC >= 0.9 on {name}",
            "–" if math.isnan(value) else f"{value:.2f}",
            None if math.isnan(value) else value >= 0.9,
        )
        for name, value in found.items()
    ]


def errors_beside_teachers(lives: Sequence[Flown], phase: str) -> tuple[Interval, Interval]:
    """abs_rel of student and teacher against truth where mono flew."""
    return abs_rel(lives, phase, MONO), abs_rel(lives, phase, MONO, "teacher_error")
