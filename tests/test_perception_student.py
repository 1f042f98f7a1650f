"""The moving average and the paper's student."""

import math

import numpy as np
import pytest

from perception.student import KnnStudent, MovingAverage, smooth


def test_the_average_is_over_the_last_four_values():
    average = MovingAverage(4)
    assert [average.step(v) for v in (4, 8, 0, 4, 8, 0)] == [4, 6, 4, 4, 5, 3]


def test_a_missing_value_is_answered_by_nan_and_not_kept():
    average = MovingAverage(2)
    average.step(2)
    assert math.isnan(average.step(math.nan))
    assert average.step(4) == 3


def test_a_smoothed_series_is_the_average_step_by_step():
    np.testing.assert_allclose(smooth(np.array([4, 8, 0, 4, 8], np.float32)), [4, 6, 4, 4, 5])


def test_a_student_knows_nothing_before_it_learns_and_remembers_without_learning():
    student = KnnStudent(1, left_out=0)
    cue = np.array([0.5], np.float32)
    student.remember(cue, 3)
    assert math.isnan(student.predict(cue))
    student.relearn()
    assert student.predict(cue) == 3
    student.remember(cue, 9)
    assert student.predict(cue) == 3
    student.relearn()
    assert student.predict(cue) == 6


def test_relearning_tells_the_smoothed_estimates_of_all_that_is_remembered():
    student = KnnStudent(1, capacity=6, k=1, left_out=0)
    for i in range(8):
        student.remember(np.array([i], np.float32), i)
    judged = student.relearn()
    np.testing.assert_array_equal(judged.teacher_px, [2, 3, 4, 5, 6, 7])
    # Nearest others, the first of two equal ones: 3, 2, 3, 4, 5, 6.
    expected = [3, 5 / 2, 8 / 3, 12 / 4, 14 / 4, 18 / 4]
    np.testing.assert_allclose(judged.estimate_px, expected, rtol=1e-6)


def test_frames_around_a_frame_do_not_betray_it():
    # Two visits to one place, long apart, by a robot that stands there for five frames: the second
    # visit is told from the first, not from its own neighbours in time.
    student = KnnStudent(1, k=3, left_out=5)
    for teacher_px in (4, 12):
        for _ in range(5):
            student.remember(np.array([1], np.float32), teacher_px)
        for _ in range(10):
            student.remember(np.array([0], np.float32), 1)
    judged = student.relearn()
    assert judged.estimate_px[15 + 3] == pytest.approx(4)
    assert judged.estimate_px[3] == pytest.approx(12)
