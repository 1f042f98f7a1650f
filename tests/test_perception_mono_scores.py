import math

import numpy as np
import pytest

from perception.calibration import ideal_rig
from perception.geometry import Rectifier
from perception.mono import MonoDepth
from perception.mono_labels import LabelledFrame, on_grid
from perception.mono_scores import Judge, JudgeConfig, constant_prediction, judged

VIEW = Rectifier(ideal_rig(32, 32, 58.0, 0.06)).view
NAN = np.nan


def teacher(per_m):
    return np.full((32, 32), per_m, np.float32)


def mono(per_m, scale_per_m=0.01):
    return MonoDepth(*(np.full((8, 8), v, np.float32) for v in (per_m, scale_per_m)))


def test_errors_by_hand():
    judge = Judge(VIEW)
    judge.see(teacher(0.5), mono(0.4, 0.05))  # 2.5 m for 2 m: 25 % too far, ratio 1.25: not within
    judge.see(teacher(0.5), mono(0.625, 0.05))  # 1.6 m for 2 m: 20 % too near, ratio 1.25
    judge.see(teacher(0.5), mono(0.5, 0.05))
    scores = judge.scores()
    assert scores.abs_rel == pytest.approx((0.25 + 0.2 + 0) / 3, rel=1e-5)
    assert 1 / 3 <= scores.delta_125 <= 1
    assert scores.expected_over_error == pytest.approx(0.15 / (0.1 + 0.125), rel=1e-5)
    assert scores.pixels == 3 * 32 * 32


def test_only_pixels_that_the_teacher_knows_count():
    half = teacher(0.5)
    half[:, 16:] = NAN
    wrong_there = mono(0.5)
    wrong_there.inverse_depth_per_m[:, 5:] = 9.0
    scores = judged(VIEW, frames([half]), [wrong_there])
    assert scores.pixels == 32 * 16
    assert scores.abs_rel == pytest.approx(0, abs=1e-5)


def test_rates_are_counted_over_frames():
    near, far = 1.25, 0.5  # an obstacle is nearer than 1 m
    judge = Judge(VIEW)
    for taught, found in [(near, near), (near, far), (far, far), (far, far), (far, near)]:
        judge.see(teacher(taught), mono(found))
    scores = judge.scores()
    assert (scores.frames, scores.obstacles) == (5, 2)
    assert (scores.tpr, scores.fpr) == pytest.approx((1 / 2, 1 / 3))


def test_the_threshold_of_an_obstacle_can_be_set():
    judge = Judge(VIEW, JudgeConfig(obstacle_m=3.0))
    judge.see(teacher(0.5), mono(0.5))
    assert (judge.scores().obstacles, judge.scores().tpr) == (1, 1.0)


def test_what_cannot_be_counted_is_nan():
    judge = Judge(VIEW)
    judge.see(teacher(0.5), mono(0.5))
    assert math.isnan(judge.scores().tpr)
    judge = Judge(VIEW)
    judge.see(teacher(NAN), mono(0.5))
    assert math.isnan(judge.scores().abs_rel)


def frames(teachers):
    rows = []
    for taught in teachers:
        known = (~np.isnan(taught)).astype(np.float32)
        image = np.zeros((1, 32, 32), np.uint8)
        rows.append(
            LabelledFrame(image, image, np.ones((), np.float32), taught, *on_grid(taught, known))
        )
    return LabelledFrame._make(np.stack(arrays) for arrays in zip(*rows, strict=True))


def test_the_constant_is_the_median_of_each_cell_and_knows_no_nan():
    first, second, third = teacher(1.0), teacher(2.0), teacher(4.0)
    for taught in (first, second, third):
        taught[:, :4] = NAN  # a column of cells that is never known
    constant = constant_prediction(frames([first, second, third]), np.arange(3))
    assert np.all(constant.inverse_depth_per_m == 2.0)
    assert np.isfinite(constant.scale_per_m).all()
    assert constant.scale_per_m[0, 4] == 1.0  # |1 - 2|, 0, |4 - 2|
