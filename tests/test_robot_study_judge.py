"""The judge's sums, on streams small enough to be counted by hand."""

import math

import numpy as np
import pytest

from robot.study.judge import MONO, NOBODY, STEREO, FlightJudge, SeenFrame
from robot.study.tally import Errors, Said, Tally, auroc_of_bins, total

PERIOD_S = 0.1


def frame(number, pilot=MONO, student=False, teacher=False, **rest):
    values = {"overrides": 0, "student_obstacle": student, "teacher_obstacle": teacher, **rest}
    return SeenFrame(time_s=number * PERIOD_S, pilot=pilot, **values)


def judge(*frames, starts=None):
    flight = FlightJudge(starts or {"flight": 0.0})
    for each in frames:
        flight.see(each)
    return flight.judged


def test_each_frame_is_counted_by_what_student_and_teacher_said():
    said = [(True, True), (True, False), (True, False), (False, False), (False, True)]
    judged = judge(*(frame(n, student=s, teacher=t) for n, (s, t) in enumerate(said)))
    assert judged.tally("flight", MONO).student_by_teacher == Said(1, 2, 1, 1)


def test_a_silent_student_is_counted_as_silent_and_not_as_saying_free():
    judged = judge(frame(0, student=None, teacher=True), frame(1, student=True, teacher=True))
    tally = judged.tally("flight", MONO)
    assert (tally.frames, tally.silent, tally.student_by_teacher) == (2, 1, Said(1, 0, 0, 0))


def test_truth_judges_teacher_and_student_apart():
    judged = judge(frame(0, student=True, teacher=False, true_obstacle=True))
    tally = judged.tally("flight", MONO)
    assert tally.student_by_truth.true_positive == tally.teacher_by_truth.false_negative == 1


def test_frames_belong_to_the_phase_of_their_time_and_to_who_flew():
    starts = {"learn": 0.0, "alone": 0.2}
    judged = judge(
        frame(0, STEREO), frame(1, MONO), frame(2, MONO), frame(3, NOBODY), starts=starts
    )
    frames = {
        (phase, pilot): judged.tally(phase, pilot).frames
        for phase in starts
        for pilot in (MONO, STEREO, NOBODY)
    }
    assert frames == {
        ("learn", MONO): 1, ("learn", STEREO): 1, ("learn", NOBODY): 0,
        ("alone", MONO): 1, ("alone", STEREO): 0, ("alone", NOBODY): 1,
    }  # fmt: skip


def test_time_belongs_to_whom_the_frame_finds_at_the_controls_and_gaps_to_nobody():
    judged = judge(frame(0, STEREO), frame(1, MONO), frame(2, MONO), frame(30, MONO))
    assert judged.tally("flight", MONO).seconds == pytest.approx(0.2)
    assert judged.tally("flight", STEREO).seconds == 0.0


def test_overrides_are_counted_once_each_and_by_the_clock_of_mono_control():
    stream = [frame(0, STEREO)]
    stream += [frame(n, overrides=0) for n in range(1, 11)]
    stream += [frame(n, overrides=1) for n in range(11, 15)]
    stream += [frame(n, overrides=3) for n in range(15, 17)]
    judged = judge(*stream)
    assert judged.tally("flight", MONO).overrides == 3
    assert judged.overrides_at_mono_s == [1.1, 1.5, 1.5]
    assert judged.minutes[0].overrides == 3
    assert judged.mono_control_s == pytest.approx(1.6)


def test_overrides_of_later_phases_stay_out_of_the_clock_of_learning():
    judged = judge(frame(0), frame(3, overrides=2), starts={"learn": 0.0, "alone": 0.2})
    assert judged.overrides_at_mono_s == []
    assert judged.tally("alone", MONO).overrides == 2


def test_the_way_is_the_sum_of_its_steps_and_being_carried_is_none_of_it():
    flight = FlightJudge({"flight": 0.0})
    flight.see(frame(0, STEREO))
    for number, x_m in enumerate((0.0, 0.1, 0.3, 3.0, 3.1)):
        flight.move(number * 0.02, np.array([x_m, 0.0, 1.0]))
    assert flight.judged.tally("flight", STEREO).distance_m == pytest.approx(0.4)


def test_a_turn_is_counted_where_it_begins():
    flight = FlightJudge({"flight": 0.0})
    for number, rate in enumerate((0.0, 0.4, 2.0, 0.0, -0.4, -0.4, 0.1)):
        flight.turn(number * PERIOD_S, rate)
    assert flight.judged.tally("flight", STEREO).turns == 2


@pytest.mark.parametrize(("after_s", "pilot"), [(0.9, MONO), (1.1, STEREO)])
def test_a_collision_is_monos_for_a_second_after_it_flew(after_s, pilot):
    flight = FlightJudge({"flight": 0.0})
    flight.see(frame(0, MONO))
    flight.see(frame(1, STEREO))
    flight.collide(after_s)
    assert flight.judged.tally("flight", pilot).collisions == 1
    assert flight.judged.minutes[0].collisions == 1


def test_errors_are_of_the_pixels_that_the_teacher_trusts():
    # truth 1, 2, 4 m; the teacher says 1, 2 m and nothing; the student 2, 2 and 1 m
    judged = judge(
        frame(
            0,
            true_per_m=np.array([[1.0, 0.5, 0.25]], np.float32),
            teacher_per_m=np.array([[1.0, 0.5, np.nan]], np.float32),
            student_per_m=np.array([[0.5, 0.5, 1.0]], np.float32),
        )
    )
    tally = judged.tally("flight", MONO)
    assert (tally.student_error.pixels, tally.student_error.abs_rel) == (2, 0.5)
    assert tally.student_error.delta_125 == 0.5
    assert tally.teacher_error.abs_rel == 0.0
    assert tally.student_to_teacher.abs_rel == 0.5


def test_found_depth_counts_as_ten_metres_at_most_and_a_third_of_one_at_least():
    errors = Errors()
    errors.add(np.array([0.2], np.float32), np.array([0.0], np.float32))  # 5 m, said to be endless
    assert errors.abs_rel == pytest.approx(1.0)
    errors.add(np.array([1.0], np.float32), np.array([50.0], np.float32))  # 1 m, said to touch
    assert errors.abs_rel == pytest.approx((1.0 + 0.7) / 2)


def test_what_is_truly_nearer_than_stereo_searches_is_not_judged():
    near, known = np.array([[5.0, 1.0]], np.float32), np.array([[0.1, 1.0]], np.float32)
    judged = judge(frame(0, true_per_m=near, teacher_per_m=known, student_per_m=known))
    tally = judged.tally("flight", MONO)
    assert (tally.teacher_error.pixels, tally.teacher_error.abs_rel) == (1, 0.0)
    assert tally.student_error.pixels == 1


def test_trust_is_sorted_by_whether_the_median_error_is_bad():
    near, far = np.full((1, 3), 1.0, np.float32), np.full((1, 3), 0.5, np.float32)
    judged = judge(
        frame(0, true_per_m=near, teacher_per_m=near, student_per_m=near, trust=0.99),
        frame(1, true_per_m=near, teacher_per_m=near, student_per_m=far, trust=0.0),
    )
    tally = judged.tally("flight", MONO)
    assert (tally.trust_good[-1], tally.trust_bad[0]) == (1, 1)
    assert auroc_of_bins(tally.trust_good, tally.trust_bad) == 1.0


def test_auroc_of_bins_counts_ties_by_half():
    assert auroc_of_bins([0, 2], [1, 1]) == 0.75
    assert math.isnan(auroc_of_bins([1, 1], [0, 0]))


def test_approaches_are_found_missed_or_false():
    free = [(False, False)] * 4
    stream = [(True, True)] * 3 + free + [(False, True)] * 8 + free + [(True, False)] * 2 + free
    judged = judge(*(frame(n, student=s, teacher=t) for n, (s, t) in enumerate(stream)))
    tally = judged.tally("flight", MONO)
    assert (tally.found, tally.missed, tally.false_alarms) == (1, 1, 1)


def test_a_phase_notes_who_flew_when_and_whether_the_student_changed():
    starts = {"learn": 0.0, "alone": 1.0}
    stream = [frame(n, STEREO, labels=True, version=400, stage="mono") for n in range(10)]
    stream += [frame(n, MONO, version=400 + 400 * (n > 12), stage="mono") for n in range(10, 30)]
    judged = judge(*stream, starts=starts)
    notes = judged.phases["alone"]
    assert (notes.labelled, notes.versions, notes.first_s) == (0, [800, 800], {MONO: 0.0})
    assert judged.phases["learn"].labelled == 10


def test_changes_of_stage_are_kept_with_time_and_reason():
    judged = judge(
        frame(0, stage="collect", reason="started"),
        frame(1, stage="collect", reason="started"),
        frame(2, stage="train", reason="500 frames collected"),
    )
    assert [tuple(change) for change in judged.stages] == [
        (0.0, "collect", "started"),
        (0.2, "train", "500 frames collected"),
    ]


def test_an_alarm_of_the_monitor_is_counted_once_while_it_lasts():
    flight = FlightJudge({"flight": 0.0})
    for number, ok in enumerate((True, False, False, True, False)):
        flight.doubt_stereo(number * PERIOD_S, ok=ok)
    notes = flight.judged.phases["flight"]
    assert (notes.alarms, notes.alarmed_s) == (2, 0.1)


def test_tallies_add_up_field_by_field():
    one = Tally(frames=2, seconds=0.5, trust_bad=[1] * 20, student_by_truth=Said(1, 2, 3, 4))
    both = total([one, one])
    assert (both.frames, both.seconds, both.trust_bad) == (4, 1.0, [2] * 20)
    assert both.student_by_truth == Said(2, 4, 6, 8)
