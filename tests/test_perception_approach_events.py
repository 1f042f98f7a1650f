"""Approaches are counted once each, and the bounds on their rates are exact."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.approach_events import (
    ApproachEvents,
    ApproachRuns,
    approach_events,
    rate_bounds,
    tally,
)


def events(teacher, student, **options):
    """From strings of frames, "#" for obstacle."""
    return approach_events([c == "#" for c in teacher], [c == "#" for c in student], **options)


@pytest.mark.parametrize(
    ("teacher", "student", "expected"),
    [
        ("......", "......", (0, 0, 0)),
        ("..###.", "..###.", (1, 0, 0)),
        ("..###.", "......", (0, 1, 0)),
        ("......", "..###.", (0, 0, 1)),
        ("..###.", "###...", (1, 0, 0)),  # earlier is in time
        ("##########", "....######", (1, 0, 0)),  # 4 frames late
        ("##########", ".....#####", (0, 1, 0)),  # 5 frames late
        ("##......##", "..........", (0, 2, 0)),
        ("##..##....", "..........", (0, 1, 0)),  # 2 free frames do not part a run
        ("##...##...", "..........", (0, 2, 0)),  # 3 do
        ("##........", ".......##.", (0, 1, 1)),
        ("......####", "......####", (1, 0, 0)),  # the end of the log ends a run
    ],
)
def test_runs_by_hand(teacher, student, expected):
    assert events(teacher, student) == ApproachEvents(*expected)


def test_frames_that_part_a_run_and_lateness_are_options():
    assert events("##..##", "......", join_frames=2).missed == 2
    assert events("####", "..##", late_frames=2).missed == 1


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_free_frames_at_the_end_change_nothing(frames):
    padded = [*frames, *[(False, False)] * 10]
    assert approach_events(*zip(*padded, strict=True)) == (
        approach_events(*zip(*frames, strict=True)) if frames else ApproachEvents(0, 0, 0)
    )


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_a_run_is_told_once_when_three_free_frames_have_ended_it(frames):
    runs = ApproachRuns()
    ends = [runs.step(*frame) for frame in [*frames, *[(False, False)] * 3]]
    assert runs.finish() is None
    if frames:
        assert tally(ends) == approach_events(*zip(*frames, strict=True))


@pytest.mark.parametrize(
    ("hits", "trials", "lower", "upper"),
    [
        # Clopper and Pearson, 95 %; the ends of 0 and n hits in closed form.
        (0, 10, 0, 1 - 0.025 ** (1 / 10)),
        (10, 10, 0.025 ** (1 / 10), 1),
        (5, 10, 0.187086, 0.812914),
        (1, 20, 0.001265, 0.248733),
        (190, 200, 0.909972, 0.975766),
    ],
)
def test_bounds_are_those_of_clopper_and_pearson(hits, trials, lower, upper):
    assert rate_bounds(hits, trials) == pytest.approx((lower, upper), abs=2e-6)


def test_no_trial_bounds_nothing():
    assert rate_bounds(0, 0) == (0, 1)


@settings(max_examples=40)
@given(st.integers(1, 300), st.floats(0, 1))
def test_the_bounds_hold_the_rate_and_mirror_that_of_the_misses(trials, part):
    hits = round(part * trials)
    lower, upper = rate_bounds(hits, trials)
    assert 0 <= lower <= hits / trials <= upper <= 1
    assert rate_bounds(trials - hits, trials) == pytest.approx((1 - upper, 1 - lower), abs=1e-9)
