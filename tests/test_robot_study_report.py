"""Intervals by hand-computed laws; a page from a handful of made-up rows that names what fails."""

import math
import re
import xml.etree.ElementTree as ET

import msgspec
import numpy as np
import pytest

from robot.nodes.learner import LearnerConfig
from robot.study import charts
from robot.study.bars import bars_of
from robot.study.cells import ALONE, FAULTY, FLIGHT, LEARN, NEW_ROOM, Protocol
from robot.study.figures import (
    approaches_found,
    collisions_above_stereo,
    collisions_per_100_m,
    forgetting,
    in_new_room,
    overrides_by_minute,
    overrides_last_over_first,
    paired_difference,
    results_of,
    tpr,
    trust_auroc,
)
from robot.study.judge import MONO, NOBODY, STEREO, Judged, Minute, PhaseNotes, StageChange
from robot.study.report import brief, report, write_report
from robot.study.statistics import (
    Interval,
    difference_of_rates,
    mean,
    per_unit,
    pooled,
    ratio_of_rates,
    share,
    worse_above,
)
from robot.study.tally import Errors, Said, Tally

ORIGIN = {
    "commit": "0123456789ab",
    "config_hash": "abc",
    "hardware": {"processor": "P", "cores": 2, "python": "3.11"},
    "protocol": msgspec.to_builtins(Protocol()),
    "sim_seconds": 1080.0,
    "wall_seconds": 600.0,
}


def alone(collisions=0, found=96, false=10, error=0.15):
    return Tally(
        frames=3000,
        obeyed=3000,
        seconds=300.0,
        distance_m=100.0,
        turns=50,
        collisions=collisions,
        student_by_teacher=Said(found, false, 100 - false, 100 - found),
        student_error=Errors(1000, 1000 * error, 900),
        teacher_error=Errors(1000, 90.0, 950),
        trust_good=[0] * 10 + [5] * 10,
        trust_bad=[5] * 10 + [0] * 10,
    )


def life(seed, organisation="training_wheels", tally=None, stages=(), **judged):
    phases = {LEARN: PhaseNotes(0.0), ALONE: PhaseNotes(600.0, first_s={MONO: 0.1})}
    phases[NEW_ROOM] = PhaseNotes(900.0, versions=[400, 800])
    tallies = {
        LEARN: {STEREO: Tally(frames=6000, seconds=600.0)},
        ALONE: {MONO: alone() if tally is None else tally},
    }
    whole = Judged(tallies=tallies, phases=phases, stages=list(stages), **judged)
    return {
        **ORIGIN,
        "cell": f"life-{seed}",
        "kind": "life",
        "student": "network",
        "organisation": organisation,
        "seed": seed,
        "judged": msgspec.to_builtins(whole),
        "learned": {"learner": {"images": 6000, "updates": 4800}},
        "frozen": True,
        "curve": [
            {"updates": 400, "abs_rel": 0.2, "delta_125": 0.7},
            {"updates": 800, "abs_rel": 0.22, "delta_125": 0.8},
        ],
        "teacher_on_kept": {"abs_rel": 0.09, "delta_125": 0.95},
    }


def stereo(seed, collisions=0):
    tally = Tally(frames=3000, obeyed=3000, seconds=300.0, distance_m=120.0, collisions=collisions)
    judged = Judged(tallies={FLIGHT: {STEREO: tally}}, phases={FLIGHT: PhaseNotes(0.0)})
    rest = {"cell": f"stereo-{seed}", "kind": "stereo", "student": "network", "seed": seed}
    return {**ORIGIN, **rest, "judged": msgspec.to_builtins(judged)}


def corrupted(seed, monitor, collisions):
    tally = Tally(frames=100, obeyed=80, seconds=10.0, distance_m=5.0, collisions=collisions)
    judged = Judged(tallies={FAULTY: {MONO: tally}}, phases={FAULTY: PhaseNotes(5.0)})
    return {
        **ORIGIN,
        "cell": f"c-{seed}",
        "kind": "corruption",
        "student": "network",
        "seed": seed,
        "corruption": "fog",
        "monitor": monitor,
        "judged": msgspec.to_builtins(judged),
    }


def curve(seed, network_ms=0.9):
    point = {"updates": 100, "cpu_s": 3.0, "abs_rel": 0.2, "tpr": 0.9, "fpr": None}
    flown = {"width": LearnerConfig.width, "height": LearnerConfig.height}
    size = {**flown, "network_ms": network_ms, "sgbm_ms": 1.9, "points": [point]}
    return {**ORIGIN, "cell": f"curve-{seed}", "kind": "curve", "seed": seed, "sizes": [size]}


def rooms(seed, learned_in, abs_rel):
    scores = {"abs_rel": 0.5, "delta_125": 0.3, "tpr": 0.9, "fpr": 0.4}
    rest = {"cell": f"r-{seed}", "kind": "rooms", "seed": seed, "rooms": str(learned_in)}
    found = {"own": scores, "unseen": {**scores, "abs_rel": abs_rel}, "constant": scores}
    return {**ORIGIN, **rest, **found}


def lives_of(*rows):
    (found,) = results_of(rows).lives.values()
    return found


def met(rows, words):
    (bar,) = [bar for bar in bars_of(results_of(rows)) if words in bar.asked]
    return bar.met


def test_a_pooled_rate_is_of_the_sums_and_its_interval_is_over_seeds():
    found = pooled([(1, 10), (9, 10)])
    assert found.value == 0.5
    assert (found.low, found.high) == (0.1, 0.9)
    assert pooled([(4, 10)] * 5) == Interval(0.4, 0.4, 0.4)


def test_one_seed_has_no_interval_and_none_has_no_value():
    assert math.isnan(pooled([(1, 10)]).low)
    assert math.isnan(pooled([]).value)
    assert math.isnan(pooled([(0, 0), (0, 0)]).value)


def test_no_event_still_leaves_room_for_some():
    # Garwood: -ln(0.025) = 3.689 events at most
    assert per_unit(0, 2.0) == pytest.approx((0.0, 0.0, 3.689 / 2), abs=1e-3)
    assert per_unit(5, 1.0) == pytest.approx((5.0, 1.623, 11.668), abs=1e-3)


def test_a_difference_of_rates_is_as_wide_as_both_together():
    found = difference_of_rates(Interval(2.0, 1.0, 5.0), Interval(1.0, 0.0, 5.0))
    assert found == pytest.approx((1.0, 1.0 - math.hypot(1, 4), 1.0 + math.hypot(3, 1)))


def test_a_ratio_of_counts_is_exact_given_their_sum():
    low, high = share(3, 23)[1:]
    found = ratio_of_rates((3, 20), (1.0, 1.0))
    assert found == pytest.approx((0.15, low / (1 - low), high / (1 - high)))
    assert ratio_of_rates((3, 20), (2.0, 1.0)).value == pytest.approx(0.075)


def test_the_worse_of_two_intervals_takes_both_outer_bounds():
    nan = math.nan
    assert worse_above(Interval(1, 0, 2), Interval(1, 0.5, 3)) == (1, 0, 3)
    assert worse_above(Interval(1, nan, nan), Interval(1, 0.5, 3)) == (1, 0.5, 3)


def test_a_mean_of_paired_differences_leaves_zero_out_only_if_all_agree():
    assert mean([1.0, 1.5, 0.5]).low > 0
    assert mean([1.0, -1.0, 0.5]).low < 0


def test_rates_are_pooled_over_lives():
    lives = lives_of(life(0, tally=alone(found=100)), life(1, tally=alone(found=80)))
    assert tpr(lives, ALONE, MONO).value == 0.9


def test_collisions_without_stereo_are_compared_with_the_stereo_pilot_of_the_same_seed():
    lives = lives_of(life(0, tally=alone(collisions=2)), life(1))
    flights = results_of([stereo(0), stereo(7, collisions=50)]).stereo["network"]
    found = collisions_above_stereo(lives, flights)
    assert found.value == 2.0  # in 100 m; seed 1 has no stereo pilot and seed 7 no life
    assert found.high > 2.0


def test_no_collision_in_few_metres_does_not_meet_a_bound():
    rows = [life(0), life(1), stereo(0), stereo(1)]
    assert collisions_per_100_m(lives_of(*rows[:2]), ALONE).value == 0.0
    assert met(rows, "upper bound <= 0.5") is False
    many = [row for seed in range(12) for row in (life(seed), stereo(seed))]
    assert met(many, "upper bound <= 0.5") is True


def test_overrides_of_the_last_minutes_are_compared_with_those_of_the_first():
    at_s = [10.0, 20.0, 100.0, 170.0, 200.0, 300.0]  # four in the first 180 s, one in the last
    lives = lives_of(life(0, mono_control_s=400.0, overrides_at_mono_s=at_s))
    assert overrides_last_over_first(lives).value == pytest.approx(1 / 4)
    short = lives_of(life(0, mono_control_s=350.0, overrides_at_mono_s=at_s))
    assert math.isnan(overrides_last_over_first(short).value)


def test_overrides_by_minute_are_per_minute_of_mono_control():
    minutes = [Minute(), Minute(mono_s=30.0, overrides=2)] + [Minute(mono_s=60.0)] * 8
    points = overrides_by_minute(lives_of(life(0, minutes=minutes)))
    assert math.isnan(points[0][1])
    assert points[1:3] == [(2.0, 4.0), (3.0, 0.0)]


def test_seconds_of_mono_control_make_no_rate():
    minutes = [Minute(mono_s=2.0, overrides=1)] + [Minute(mono_s=60.0)] * 9
    lives = [life(0, minutes=minutes), life(1, minutes=minutes)]
    assert math.isnan(overrides_by_minute(lives_of(*lives))[0][1])
    lives += [life(seed, minutes=[Minute(mono_s=26.0)] * 10) for seed in (2,)]
    assert overrides_by_minute(lives_of(*lives))[0] == (1.0, 4.0)


def test_trust_in_a_new_room_falls_and_is_earned_again_by_the_changes_of_stage():
    stages = [
        StageChange(300.0, "mono", ""),
        StageChange(900.7, "shadow", ""),
        StageChange(1000.0, "mono", ""),
    ]
    (flown,) = lives_of(life(0, "product", stages=stages))
    room = in_new_room(flown)
    assert (room.trusted_before, room.passed_shadow) == (True, True)
    assert (room.fell_s, room.earned_s) == pytest.approx((0.7, 100.0))
    assert math.isinf(room.let_go_s)


def test_who_lets_go_and_takes_the_controls_back_has_not_left_mono():
    row = life(0, "product", stages=[StageChange(300.0, "mono", "")])
    notes = row["judged"]["phases"][NEW_ROOM]
    notes["first_s"] = {MONO: 0.0, NOBODY: 0.3, STEREO: 1.9}
    row["judged"]["tallies"][NEW_ROOM] = {MONO: msgspec.to_builtins(Tally(seconds=30.0))}
    (flown,) = lives_of(row)
    room = in_new_room(flown)
    assert (room.let_go_s, room.mono_flew_s, room.fell_s) == (0.3, 30.0, math.inf)
    assert met([row], "trust falls") is True
    assert met([row], "goes back to SHADOW") is False


def test_a_student_that_was_never_trusted_cannot_lose_trust():
    (flown,) = lives_of(life(0, "product", stages=[StageChange(0.0, "collect", "")]))
    room = in_new_room(flown)
    assert (room.trusted_before, room.earned_s) == (False, math.inf)
    assert math.isnan(room.fell_s)


def test_forgetting_compares_the_weights_it_left_with_and_the_last_on_the_old_room():
    assert forgetting(lives_of(life(0, "product"))).value == pytest.approx(1.1)


def test_trust_is_weighted_by_group_and_not_by_frames():
    perfect = Tally(trust_good=[0] * 19 + [1], trust_bad=[1] + [0] * 19)
    useless = Tally(trust_good=[1000] + [0] * 19, trust_bad=[1000] + [0] * 19)
    assert trust_auroc([(1.0, [perfect])]) == 1.0
    # pairs of halves: 1 within, 1/2 within, bad ones of both lie lowest
    assert trust_auroc([(0.5, [perfect]), (0.5, [useless])]) == pytest.approx(0.75)
    assert math.isnan(trust_auroc([(1.0, [Tally()])]))


def test_a_paired_difference_is_of_equal_seeds():
    cold = lives_of(life(0, "cold_turkey", alone(found=80)), life(5, "cold_turkey"))
    wheels = lives_of(life(0, tally=alone(found=90)), life(1))
    found = paired_difference(cold, wheels, lambda lives: tpr(lives, ALONE, MONO))
    assert found.value == pytest.approx(-0.1)


def test_bars_are_judged_by_what_they_name():
    rows = [life(seed) for seed in range(3)]
    assert met(rows, "TPR against the teacher") is True
    assert met(rows, "abs_rel") is True
    assert met([life(0, tally=alone(error=0.19))], "abs_rel") is False
    assert met([life(0, tally=alone(found=94))], "TPR against the teacher") is False
    assert met([life(0, tally=alone(false=16))], "FPR against the teacher") is False
    assert met([curve(0, network_ms=2.0)], "SGBM") is False
    assert met([curve(0)], "SGBM") is True
    assert met([corrupted(0, "with", 1), corrupted(0, "without", 4)], "over those without") is True
    assert met([corrupted(0, "with", 3), corrupted(0, "without", 4)], "over those without") is False


def test_a_bar_without_rows_is_said_to_be_unmeasured_and_not_met():
    assert {bar.met for bar in bars_of(results_of([]))} == {None}


def test_the_page_names_the_bars_that_fail_and_keeps_the_rows_that_do(tmp_path):
    bad = alone(collisions=9, found=50)
    rows = [life(0, tally=bad), life(1, tally=bad), life(0, "cold_turkey"), life(1, "cold_turkey")]
    rows += [stereo(0), stereo(1), curve(0), corrupted(0, "with", 1), corrupted(0, "without", 4)]
    page = write_report(tmp_path / "study", rows).read_text()
    assert "| TPR against the teacher >= 0.95 | 0.5 (0.5 to 0.5) | **no** |" in page
    assert "| the network's time per frame <= OpenCV SGBM's | 0.90 ms, SGBM 1.90 ms | yes |" in page
    assert "network, training wheels | 2 |" in page
    assert "network, cold turkey | 2 |" in page
    assert "cold turkey is better" in page
    assert "0123456789ab" in page
    plots = re.findall(r"\((study/\w+\.svg)\)", page)
    assert len(plots) == 5
    for plot in plots:
        assert ET.parse(tmp_path / plot).getroot().tag.endswith("svg")


def test_what_was_written_of_the_rows_stays_on_a_new_page(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "reading.md").write_text("## Why\n\nIt dwells in a nook.\n")
    page = write_report(folder, [life(0)]).read_text()
    bars, rest = page.split("It dwells in a nook.")
    assert "## What was asked" in bars
    assert "## Without stereo" in rest


def test_the_page_says_where_two_ways_are_as_good():
    rows = [life(0), life(1), life(0, "cold_turkey"), life(1, "cold_turkey")]
    assert "the effect was not found here" in report(results_of(rows), rows, [])


def test_the_page_says_loudly_if_a_student_learned_while_it_was_judged():
    rows = [{**life(0), "frozen": False}]
    assert "**which did not hold in life-0**" in report(results_of(rows), rows, [])


def test_a_student_that_never_flew_in_the_new_room_caused_no_collision_and_proves_nothing():
    assert met([life(0, "product")], "no collision is caused by mono") is None
    flew = life(0, "product")
    flew["judged"]["tallies"][NEW_ROOM] = {MONO: msgspec.to_builtins(Tally(frames=1))}
    assert met([flew], "no collision is caused by mono") is True
    flew["judged"]["tallies"][NEW_ROOM][MONO]["collisions"] = 1
    assert met([flew], "no collision is caused by mono") is False


def test_one_approach_of_one_found_is_no_certainty():
    (flown,) = lives_of(life(0, tally=Tally(found=1)))
    assert approaches_found([flown], ALONE, MONO) == pytest.approx((1.0, 0.025, 1.0))


def test_equal_rows_make_equal_pages():
    rows = [life(0), life(1), stereo(0), stereo(1)]
    assert report(results_of(rows), rows, []) == report(results_of(rows), rows, [])


def test_what_many_rooms_teach_stands_in_the_order_of_their_number():
    rows = [rooms(0, 60, 0.31), rooms(1, 60, 0.35), rooms(0, 8, 0.44)]
    page = report(results_of(rows), rows, [])
    few, many = (page.index(f"| {number} | ") for number in (8, 60))
    assert few < many
    assert "0.33 (0.31 to 0.35)" in page[many:]


@pytest.mark.parametrize(
    "row", [life(0), stereo(0), curve(0), corrupted(0, "with", 1), rooms(0, 8, 0.4)]
)
def test_a_row_is_told_in_a_few_words(row):
    assert 0 < len(brief(row)["says"]) < 100


def test_a_chart_breaks_its_line_where_nothing_is_known():
    axes = charts.Axes("t", "x", "y")
    svg = charts.lines(axes, {"a": [(1, 1), (2, math.nan), (3, 1), (4, 2)]}, {"asked": 1.5})
    assert svg.count("<polyline") == 2
    assert svg.count("stroke-dasharray") == 1


def test_a_chart_of_nothing_has_round_axes():
    svg = charts.lines(charts.Axes("t", "x", "y"), {"a": [(1.0, math.nan)]}, {})
    assert ">0.4<" in svg
    assert "e-" not in svg


def test_a_chart_says_what_was_not_measured():
    rows = [("a", Interval(1.0, 0.5, 2.0)), ("b", Interval(*[math.nan] * 3))]
    svg = charts.dots("t", rows, asked=1.5)
    assert svg.count("<circle") == 1
    assert "not measured" in svg
    assert np.isfinite([float(x) for x in re.findall(r'cx="([\d.-]+)"', svg)]).all()
