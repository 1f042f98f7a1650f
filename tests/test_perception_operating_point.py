"""How cautious a student must be: chosen on frames that it did not learn from."""

import numpy as np
import pytest

from perception.mono import MonoDepth, MonoSpec, nearer
from perception.mono_labels import LabelledFrame, Labeller, on_grid
from perception.operating_point import ExamConfig, Examiner
from perception.quantities import InputError
from robot.config import load_robot

SPEC = MonoSpec()
VIEW = Labeller(load_robot("ardrone").rig, SPEC).view
ROWS, COLUMNS = SPEC.grid
CONFIG = ExamConfig(least_obstacles=4)


def wall(distance_m):
    """A frame of which the image says nothing but its number, and the teacher sees a wall."""
    image = np.zeros((1, SPEC.height, SPEC.width), np.uint8)
    teacher = np.full((SPEC.height, SPEC.width), 1 / distance_m, np.float32)
    return LabelledFrame(
        image, image, np.array(1, np.float32), teacher, *on_grid(teacher, np.ones_like(teacher))
    )


def examiner_of(*distances_m, config=CONFIG):
    examiner = Examiner(VIEW, config)
    for distance_m in distances_m:
        examiner.keep(wall(distance_m))
    return examiner


def seer(*predictions):
    """A student that says (inverse depth, scale) of the frames in turn."""

    def see(images):
        assert len(images) == len(predictions)
        full = np.ones((len(images), ROWS, COLUMNS), np.float32)
        inverse, scale = np.array(predictions, np.float32).T[:, :, None, None] * full
        return MonoDepth(inverse, scale)

    return see


def test_a_run_of_frames_is_kept_back_out_of_five():
    examiner = Examiner(VIEW, ExamConfig(run_frames=2, every_runs=5))
    assert [n for n in range(22) if examiner.wants(n)] == [8, 9, 18, 19]


def test_caution_moves_everything_nearer_by_expected_errors():
    cell = np.ones((1, 1), np.float32)
    assert nearer(MonoDepth(0.5 * cell, 0.2 * cell), 1.5).inverse_depth_per_m == pytest.approx(0.8)


def test_the_least_caution_is_chosen_that_finds_the_obstacles():
    # Walls at 0.8 m are seen at 1.25 m = 0.8/m; with honest doubt (0.4/m + 4 x 0)/8 frames the
    # error that is expected must bridge 0.2/m.
    frames = (0.8,) * 4 + (4.0,) * 4
    exam = examiner_of(*frames).judge(seer(*[(0.8, 0.225)] * 4, *[(0.25, 0.225)] * 4))
    assert exam.doubt == pytest.approx(1.0)  # (4 x 0.45 + 4 x 0) / (8 x 0.225)
    assert (exam.frames, exam.obstacles) == (8, 4)
    assert exam.caution == pytest.approx(0.9)  # 0.8 + 0.9 x 0.225 = 1.0025; 0.8 is not enough
    assert (exam.tpr, exam.fpr, exam.is_fit) == (1.0, 0.0, True)


def test_a_student_that_sees_well_needs_no_caution():
    exam = examiner_of(*(0.8,) * 4, *(4.0,) * 4).judge(
        seer(*[(1.25, 0.01)] * 4, *[(0.25, 0.01)] * 4)
    )
    assert (exam.caution, exam.is_fit) == (0.0, True)


@pytest.mark.parametrize(("alarming", "caution"), [(0, 1.1), (2, 1.1), (6, 0.5)])
def test_it_is_more_cautious_than_it_must_be_while_false_alarms_are_few(alarming, caution):
    """24 walls of 25 are found without caution, the last with 1.1 errors of 0.2/m.

    Of 20 free frames some are called obstacle with more than 0.5 errors of 0.2/m.
    """
    config = ExamConfig(least_obstacles=25, steady_frames=1, least_doubt=1.0, most_doubt=1.0)
    walls = [(1.25, 0.1)] * 24 + [(0.8, 0.2)]
    free = [(0.9, 0.2)] * alarming + [(0.25, 0.1)] * (20 - alarming)
    exam = examiner_of(*(0.8,) * 25, *(4.0,) * 20, config=config).judge(seer(*walls, *free))
    assert exam.caution == pytest.approx(caution)


def test_a_student_that_cannot_tell_walls_from_air_is_not_fit():
    """All frames look the same to it: what finds the walls takes the air for walls as well."""
    exam = examiner_of(*(0.8,) * 4, *(4.0,) * 4).judge(seer(*[(0.6, 0.3)] * 8))
    assert exam.tpr == exam.fpr == 1.0
    assert not exam.is_fit


def test_too_few_obstacles_choose_no_caution():
    exam = examiner_of(*(0.8,) * 3, *(4.0,) * 4).judge(
        seer(*[(1.25, 0.01)] * 3, *[(0.25, 0.01)] * 4)
    )
    assert (exam.caution, exam.is_fit) == (CONFIG.usual_caution, False)


def test_what_was_said_before_the_lesson_counts_and_nobody_is_asked_again():
    """Both walls were found when they were new, whatever the student of now would say."""
    examiner = Examiner(VIEW, ExamConfig(least_obstacles=2))
    for distance_m in (0.8, 0.8, 4.0):
        cells = np.full((ROWS, COLUMNS), 1 / distance_m, np.float32)
        examiner.keep(wall(distance_m), MonoDepth(cells, 0.01 * cells))
    examiner.keep(wall(4.0))
    exam = examiner.judge(seer((0.25, 0.01)))  # the last one alone
    assert (exam.tpr, exam.fpr, exam.caution) == (1.0, 0.0, 0.0)


def test_an_exam_averages_over_frames_as_the_flight_does():
    """A wall that is seen in every second frame, at 0.5 m, is at 0.89 m in the mean."""
    seen = [(2.0, 0.01), (0.25, 0.01)] * 4
    for steady_frames, found in ((1, 0.5), (2, 1.0)):
        config = ExamConfig(least_obstacles=9, usual_caution=0.0, steady_frames=steady_frames)
        exam = examiner_of(*(0.8,) * 8, config=config).judge(seer(*seen))
        assert exam.tpr == found


def test_nothing_kept_back_judges_nothing():
    exam = Examiner(VIEW).judge(seer())
    assert (exam.frames, exam.doubt, exam.is_fit) == (0, 1.0, False)
    assert set(exam.described()) == {"frames", "obstacles", "caution", "doubt", "is_fit"}


@pytest.mark.parametrize(("expected", "factor"), [(0.1, 1.0), (0.2, 0.5), (0.05, 2.0), (9.0, 0.25)])
def test_doubt_is_the_real_error_over_the_expected_one(expected, factor):
    frames = examiner_of(*(2.0,) * 6)  # 0.5/m, seen as 0.6/m
    assert frames.judge(seer(*[(0.6, expected)] * 6)).doubt == pytest.approx(factor, rel=1e-3)


def test_old_frames_no_longer_count():
    examiner = examiner_of(*(0.8,) * 4, *(4.0,) * 3, config=ExamConfig(newest_frames=3))
    assert len(examiner) == 3
    assert examiner.judge(seer(*[(0.25, 0.1)] * 3)).obstacles == 0


@pytest.mark.parametrize("wrong", [{"run_frames": 0}, {"least_tpr": 1.5}, {"most_fpr": -0.1}])
def test_refuses_what_is_out_of_range(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        ExamConfig(**wrong)
