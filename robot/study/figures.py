"""Figures of the study, from rows: each a pure function of the lives that it pools.

A rate is the sum over seeds of what happened over the sum of what could have happened, so that a
long flight counts for more than a short one; its interval is over seeds.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from robot.study.cells import ALONE, CORRUPTIONS, FAULTY, FLIGHT, LEARN, NEW_ROOM
from robot.study.judge import MONO, NOBODY, STEREO, Judged
from robot.study.rows import Row
from robot.study.statistics import (
    NOTHING,
    Interval,
    difference_of_rates,
    mean,
    over_seeds,
    per_unit,
    pooled,
    ratio_of_rates,
    share,
    worse_above,
)
from robot.study.tally import Said, Tally, auroc_of_bins, total

PILOTS = (MONO, STEREO, NOBODY)
LEAST_MONO_S = 30.0  # of a minute of all lives, for a rate
WINDOW_S = 180.0  # the first and last minutes of mono control that are compared


@dataclass(frozen=True)
class Flown:
    """A row with what its judge wrote."""

    row: Row
    judged: Judged

    @property
    def seed(self) -> int:
        """Of its cell."""
        return int(self.row["seed"])

    def tally(self, phase: str, *pilots: str) -> Tally:
        """Sums of these pilots in a phase; of all for none."""
        return total(self.judged.tally(phase, pilot) for pilot in pilots or PILOTS)


@dataclass
class Results:
    """All rows, by what they are."""

    lives: dict[tuple[str, str], list[Flown]] = field(default_factory=dict)
    """By student and organisation."""
    stereo: dict[str, list[Flown]] = field(default_factory=dict)
    """By the student whose pilot and graph it is."""
    corrupted: dict[tuple[str, str], list[Flown]] = field(default_factory=dict)
    """By corruption and monitor."""
    curves: list[Row] = field(default_factory=list)
    rooms: dict[int, list[Row]] = field(default_factory=dict)
    """By the number of rooms learned in."""


def results_of(rows: Sequence[Row]) -> Results:
    """Sorts rows."""
    found = Results()
    for row in rows:
        if row["kind"] == "curve":
            found.curves.append(row)
            continue
        if row["kind"] == "rooms":
            found.rooms.setdefault(int(row["rooms"]), []).append(row)
            continue
        flown = Flown(row, msgspec.convert(row["judged"], Judged, strict=False))
        match row["kind"]:
            case "life":
                key = (row["student"], row["organisation"])
                found.lives.setdefault(key, []).append(flown)
            case "stereo":
                found.stereo.setdefault(row["student"], []).append(flown)
            case "corruption":
                found.corrupted.setdefault((row["corruption"], row["monitor"]), []).append(flown)
    return found


def tpr(lives: Sequence[Flown], phase: str, pilot: str, judge: str = "teacher") -> Interval:
    """Part of the obstacles of a judge, teacher or truth, that the student finds."""
    said = _said(lives, phase, pilot, judge)
    return pooled([(s.true_positive, s.true_positive + s.false_negative) for s in said])


def fpr(lives: Sequence[Flown], phase: str, pilot: str, judge: str = "teacher") -> Interval:
    """Part of the free frames that the student takes for obstacles."""
    said = _said(lives, phase, pilot, judge)
    return pooled([(s.false_positive, s.false_positive + s.true_negative) for s in said])


def approaches_found(lives: Sequence[Flown], phase: str, pilot: str) -> Interval:
    """Part of the approaches, runs of frames, that the student found; the wider of both intervals.

    An approach is one trial, as a frame is not.
    """
    tallies = [life.tally(phase, pilot) for life in lives]
    sums = [(t.found, t.found + t.missed) for t in tallies]
    exact = share(sum(found for found, _ in sums), sum(trials for _, trials in sums))
    return worse_above(exact, pooled(sums))


def abs_rel(lives: Sequence[Flown], phase: str, pilot: str, who: str = "student_error") -> Interval:
    """Mean relative error of depth; `who` is a field of Tally."""
    errors = [getattr(life.tally(phase, pilot), who) for life in lives]
    return pooled([(e.abs_rel_sum, e.pixels) for e in errors])


def delta_125(
    lives: Sequence[Flown], phase: str, pilot: str, who: str = "student_error"
) -> Interval:
    """Part of the pixels within a factor of 1.25."""
    errors = [getattr(life.tally(phase, pilot), who) for life in lives]
    return pooled([(e.within, e.pixels) for e in errors])


def error_over_teachers(lives: Sequence[Flown], phase: str, pilot: str) -> Interval:
    """abs_rel of the student over that of the teacher, both against truth."""
    sums = []
    for life in lives:
        tally = life.tally(phase, pilot)
        student, teacher = tally.student_error, tally.teacher_error
        sums.append((student.abs_rel_sum, student.pixels, teacher.abs_rel_sum, teacher.pixels))
    return over_seeds(sums, lambda t: (t[..., 0] / t[..., 1]) / (t[..., 2] / t[..., 3]))


def collisions_per_100_m(lives: Sequence[Flown], phase: str) -> Interval:
    """Of whoever flew; the wider of both intervals."""
    sums = [_collisions(life, phase) for life in lives]
    events, units = sum(int(e) for e, _ in sums), sum(u for _, u in sums)
    return worse_above(per_unit(events, units), pooled(sums)) if sums else NOTHING


def metres_per_minute(lives: Sequence[Flown], phase: str) -> Interval:
    """Of whoever flew, standing still counted."""
    tallies = [life.tally(phase) for life in lives]
    return pooled([(t.distance_m, t.minutes) for t in tallies])


def metres_between_turns(lives: Sequence[Flown], phase: str) -> Interval:
    """Of whoever flew."""
    tallies = [life.tally(phase) for life in lives]
    return pooled([(t.distance_m, t.turns) for t in tallies])


def overrides_per_minute(lives: Sequence[Flown], phase: str) -> Interval:
    """Per minute of mono control."""
    tallies = [life.tally(phase, MONO) for life in lives]
    return pooled([(t.overrides, t.minutes) for t in tallies])


def part_flown(lives: Sequence[Flown], phase: str, pilot: str) -> Interval:
    """Part of the frames of a phase that a pilot flew."""
    return pooled([(life.tally(phase, pilot).frames, life.tally(phase).frames) for life in lives])


def overrides_last_over_first(lives: Sequence[Flown]) -> Interval:
    """Overrides in the last three minutes of mono control over those in the first three.

    Lives with less than six minutes of it are left out: their minutes would overlap.
    """
    long = [life.judged for life in lives if life.judged.mono_control_s >= 2 * WINDOW_S]
    sums = []
    for judged in long:
        at_s = np.array(judged.overrides_at_mono_s)
        last = int((at_s > judged.mono_control_s - WINDOW_S).sum())
        sums.append((last, int((at_s <= WINDOW_S).sum())))
    if not sums:
        return NOTHING
    last, first = (sum(column) for column in zip(*sums, strict=True))
    exact = ratio_of_rates((last, first), (WINDOW_S, WINDOW_S))
    return worse_above(exact, pooled(sums))


def overrides_by_minute(lives: Sequence[Flown]) -> list[tuple[float, float]]:
    """Minute of the learning, overrides per minute of mono control.

    NaN where mono flew for less than `LEAST_MONO_S` in all lives: one override would look like ten.
    """
    minutes = [life.judged.minutes for life in lives]
    learned = [int(life.row["protocol"]["learn_s"] // 60) for life in lives]
    points = []
    for minute in range(min(learned, default=0)):
        there = [m[minute] for m in minutes if minute < len(m)]
        mono_s = sum(each.mono_s for each in there)
        overrides = sum(each.overrides for each in there)
        rate = 60 * overrides / mono_s if mono_s >= LEAST_MONO_S else math.nan
        points.append((minute + 1.0, rate))
    return points


def collisions_above_stereo(lives: Sequence[Flown], stereo: Sequence[Flown]) -> Interval:
    """Collisions per 100 m without stereo, minus those of the stereo pilot, of the same seeds."""
    pairs = _by_seed(lives, stereo)
    if not pairs:
        return NOTHING
    sums = [(*_collisions(life, ALONE), *_collisions(other, FLIGHT)) for life, other in pairs]
    exact = [
        per_unit(int(sum(row[at] for row in sums)), sum(row[at + 1] for row in sums))
        for at in (0, 2)
    ]
    resampled = over_seeds(sums, lambda t: t[..., 0] / t[..., 1] - t[..., 2] / t[..., 3])
    return worse_above(difference_of_rates(*exact), resampled)


def pace_over_stereos(lives: Sequence[Flown], stereo: Sequence[Flown]) -> Interval:
    """Metres per minute without stereo, over those of the stereo pilot, of the same seeds."""
    sums = []
    for life, other in _by_seed(lives, stereo):
        alone, flight = life.tally(ALONE), other.tally(FLIGHT)
        sums.append((alone.distance_m, alone.minutes, flight.distance_m, flight.minutes))
    return over_seeds(sums, lambda t: (t[..., 0] / t[..., 1]) / (t[..., 2] / t[..., 3]))


def paired_difference(
    one: Sequence[Flown], other: Sequence[Flown], figure: Callable[[Sequence[Flown]], Interval]
) -> Interval:
    """Mean over seeds of a figure of `one` minus that of `other`; seeds without either are out."""
    values = [figure([a]).value - figure([b]).value for a, b in _by_seed(one, other)]
    known = [value for value in values if math.isfinite(value)]
    return mean(known) if known else NOTHING


def slowest_handover_s(lives: Sequence[Flown]) -> float:
    """The longest time that somebody flew on by stereo after it was unplugged; NaN without any."""
    found = []
    for life in lives:
        first_s = life.judged.phases[ALONE].first_s
        found.append(min((first_s[p] for p in (MONO, NOBODY) if p in first_s), default=math.inf))
    return max(found, default=math.nan)


def false_alarms_per_hour(lives: Sequence[Flown]) -> Interval:
    """Of the monitor of stereo, while nothing was wrong with it."""
    alarms = sum(life.judged.phases[LEARN].alarms for life in lives)
    return per_unit(alarms, sum(life.tally(LEARN).seconds for life in lives) / 3600)


@dataclass(frozen=True)
class InNewRoom:
    """What became of trust in a room never seen; seconds since it was carried there."""

    trusted_before: bool
    let_go_s: float  # first frame in which mono had not the controls; inf, NaN: likewise
    mono_flew_s: float
    fell_s: float  # left the stage MONO; inf: never; NaN: it was not trusted
    passed_shadow: bool
    earned_s: float  # inf: never again
    mono_collisions: int


def in_new_room(life: Flown) -> InNewRoom:
    """Read from who flew and from the changes of stage."""
    notes = life.judged.phases[NEW_ROOM]
    after = [change for change in life.judged.stages if change.time_s >= notes.from_s]
    left = [c.time_s for c in after if c.stage != "mono"]
    trusted = _stage_before(life, notes.from_s) == "mono"
    fell_s = (min(left, default=math.inf) - notes.from_s) if trusted else math.nan
    back_after_s = notes.from_s + (fell_s if trusted else 0.0)
    back = [c.time_s for c in after if c.stage == "mono" and c.time_s >= back_after_s]
    others = [notes.first_s[pilot] for pilot in (STEREO, NOBODY) if pilot in notes.first_s]
    return InNewRoom(
        trusted_before=trusted,
        let_go_s=min(others, default=math.inf) if trusted else math.nan,
        mono_flew_s=life.tally(NEW_ROOM, MONO).seconds,
        fell_s=fell_s,
        passed_shadow=any(c.stage == "shadow" for c in after) or notes.begins_in == "shadow",
        earned_s=min(back, default=math.inf) - notes.from_s,
        mono_collisions=life.tally(NEW_ROOM, MONO).collisions,
    )


def forgetting(lives: Sequence[Flown]) -> Interval:
    """abs_rel in the old room of the last weights over that of those it was left with."""
    ratios = []
    for life in lives:
        curve = {point["updates"]: point["abs_rel"] for point in life.row.get("curve", ())}
        versions = life.judged.phases[NEW_ROOM].versions
        before, after = (curve.get(v) for v in (versions[:1] + versions[-1:] or (None, None)))
        if before and after:
            ratios.append(after / before)
    return mean(ratios) if ratios else NOTHING


def fewer_collisions(results: Results) -> Interval:
    """Collisions with the monitor over those without, all corruptions pooled."""
    by_monitor = {
        monitor: {
            (name, flown.seed): flown.tally(FAULTY).collisions
            for name in CORRUPTIONS
            for flown in results.corrupted.get((name, monitor), ())
        }
        for monitor in ("with", "without")
    }
    both = sorted(by_monitor["with"].keys() & by_monitor["without"].keys())
    seeds = sorted({seed for _, seed in both})
    sums = [
        [sum(by_monitor[m][key] for key in both if key[1] == seed) for m in ("with", "without")]
        for seed in seeds
    ]
    return pooled(sums) if sums else NOTHING


def availability(flights: Sequence[Flown]) -> Interval:
    """Part of the frames in which somebody may fly."""
    tallies = [flown.tally(FAULTY) for flown in flights]
    return pooled([(t.obeyed, t.frames) for t in tallies])


def trust_auroc(groups: Sequence[tuple[float, Sequence[Tally]]]) -> float:
    """How well trust tells good frames from bad ones, groups weighted; NaN if one is empty."""
    good, bad = np.zeros(1), np.zeros(1)
    for weight, tallies in groups:
        summed = total(tallies)
        frames = sum(summed.trust_good) + sum(summed.trust_bad)
        if not frames:
            return math.nan
        good = good + weight * np.array(summed.trust_good) / frames
        bad = bad + weight * np.array(summed.trust_bad) / frames
    return auroc_of_bins(good.tolist(), bad.tolist())


def curves_by_size(results: Results) -> dict[tuple[int, int], list[Row]]:
    """The curves of all seeds, by width and height of the input."""
    sizes: dict[tuple[int, int], list[Row]] = {}
    for row in results.curves:
        for size in row["sizes"]:
            sizes.setdefault((size["width"], size["height"]), []).append(size)
    return sizes


def median(values: Sequence[float]) -> float:
    """NaN for none; infinities count."""
    return float(np.median(values)) if values else math.nan


def _said(lives: Sequence[Flown], phase: str, pilot: str, judge: str) -> list[Said]:
    return [getattr(life.tally(phase, pilot), f"student_by_{judge}") for life in lives]


def _collisions(flown: Flown, phase: str) -> tuple[float, float]:
    """Collisions and hundreds of metres."""
    tally = flown.tally(phase)
    return tally.collisions, tally.distance_m / 100


def _by_seed(one: Sequence[Flown], other: Sequence[Flown]) -> list[tuple[Flown, Flown]]:
    others = {flown.seed: flown for flown in other}
    return [(flown, others[flown.seed]) for flown in one if flown.seed in others]


def _stage_before(life: Flown, time_s: float) -> str:
    before = [c.stage for c in life.judged.stages if c.time_s < time_s]
    return before[-1] if before else ""
