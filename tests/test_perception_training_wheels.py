"""The stereo override on short series, with the arithmetic in a comment."""

import math

import pytest

from perception.training_wheels import OverrideConfig, StereoOverride


def overrides(series, config=None):
    """What each frame gives; the series holds (teacher px, student says obstacle)."""
    override = StereoOverride(config)
    given = [override.step(teacher_px, obstacle) for teacher_px, obstacle in series]
    return given, override.overrides


def test_evidence_grows_by_what_exceeds_nine_and_acts_above_five():
    # 11 - 9 = 2 per frame: 2, 4, 6.
    assert overrides([(11, False)] * 4) == ([False, False, True, True], 1)


def test_exactly_five_is_not_yet_enough():
    # 14 - 9 = 5, then 10.
    assert overrides([(14, False)] * 2) == ([False, True], 1)


@pytest.mark.parametrize("teacher_px", [8.5, 9.0])
def test_up_to_one_px_beyond_the_threshold_is_the_students_affair(teacher_px):
    assert overrides([(teacher_px, False)] * 100) == ([False] * 100, 0)


def test_a_student_that_says_obstacle_needs_no_help_and_clears_the_evidence():
    series = [(13, False), (13, True), (13, False), (13, False)]  # 4, 0, 4, 8
    assert overrides(series) == ([False, False, False, True], 1)


@pytest.mark.parametrize("free_px", [3.0, 9.0, math.nan])
def test_one_frame_that_is_not_imminent_or_not_measured_clears_the_evidence(free_px):
    series = [(13, False), (free_px, False), (13, False), (13, False)]
    assert overrides(series) == ([False, False, False, True], 1)


def test_an_override_that_lasts_counts_once_and_a_second_one_again():
    series = [(14, False)] * 5 + [(2, False)] + [(14, False)] * 3
    given, times = overrides(series)
    assert given == [False, True, True, True, True, False, False, True, True]
    assert times == 2


def test_threshold_margin_and_evidence_are_options():
    config = OverrideConfig(obstacle_px=3, margin_px=0, most_evidence_px=0)
    assert overrides([(3, False), (3.5, False)], config) == ([False, True], 1)
