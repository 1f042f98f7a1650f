"""The learning loop on streams of one number, where what is right is known."""

import math
from collections import deque

import numpy as np
import pytest

from perception.obstacle_rates import Definition, Judged
from perception.persistent import LearningConfig, PersistentLearner
from perception.student import KnnStudent

NAN = math.nan


class Recital:
    """A student that repeats its cue from the first learning on, and counts what it is told."""

    def __init__(self):
        self.remembered = []
        self.learned = 0

    def predict(self, cue):
        return cue if self.learned else NAN

    def remember(self, cue, teacher_px):
        self.remembered.append((cue, teacher_px))

    def relearn(self):
        self.learned += 1


def quick(**options):
    return LearningConfig(check_frames=20, **options)


def run(learner, pairs):
    """Observes (cue, teacher px) pairs, each four times, so that smoothing settles."""
    return [learner.observe(cue, px) for cue, px in pairs for _ in range(4)]


def checks(observed):
    return [(o.check.frame, o.check) for o in observed if o.check]


TRUTH = [(2, 2), (3, 3), (10, 10), (11, 11), (2, 2)]  # 20 frames; 8 of obstacles


def test_it_is_judged_every_so_many_frames():
    observed = run(PersistentLearner(Recital(), quick()), TRUTH * 3)
    assert [frame for frame, _ in checks(observed)] == [20, 40, 60]
    assert LearningConfig().check_frames == 500


@pytest.mark.parametrize("near_px", [8.0, 10.0, NAN])
def test_a_judgement_waits_until_nothing_is_near(near_px):
    learner = PersistentLearner(Recital(), quick())
    near = [learner.observe(near_px, near_px) for _ in range(30)]
    assert not checks(near)
    free = learner.observe(1, 1)  # 3 x 10 and 1 are 7.75 in the mean
    assert free.check is not None
    assert free.check.frame == 31


def test_the_first_judgement_teaches_an_untaught_student():
    learner = PersistentLearner(Recital(), quick())
    observed = run(learner, TRUTH)
    (_, check), *rest = checks(observed)
    assert not rest
    assert check.relearned
    assert all(math.isnan(o.estimate_px) and not o.student_obstacle for o in observed)
    # A student without estimates of what it learned has no threshold yet.
    assert check.threshold is None
    assert not check.ready
    assert math.isnan(check.held_out.positive)


def test_a_student_that_is_right_becomes_ready_and_is_left_alone():
    learner = PersistentLearner(Recital(), quick())
    observed = run(learner, TRUTH * 6)
    assert learner.ready
    threshold = learner.threshold
    assert threshold is not None
    assert threshold.rates == (1, 0)
    assert [check.relearned for _, check in checks(observed)] == [True, True, *[False] * 4]
    assert [check.ready for _, check in checks(observed)] == [False, *[True] * 5]
    for o in observed[44:]:
        assert o.student_obstacle == o.teacher_obstacle
        assert o.teacher_obstacle == (o.teacher_px > 8)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ([(2, 2), (2, 2), (2, 11), (2, 11), (2, 2)], "it misses obstacles"),
        ([(2, 2), (12, 2), (11, 11), (12, 2), (2, 2)], "it fears what is free"),
    ],
)
def test_a_student_that_became_wrong_learns_again(wrong, why):
    learner = PersistentLearner(Recital(), quick())
    run(learner, TRUTH * 4)
    before = learner.student.learned
    found = [check for _, check in checks(run(learner, wrong * 12))]
    check = next(check for check in found if check.relearned)
    assert learner.student.learned > before, why
    assert check.held_out.positive < 0.95 or check.held_out.false_alarm > 0.4


def test_rates_are_held_out_since_the_last_learning_only():
    learner = PersistentLearner(Recital(), quick())
    run(learner, TRUTH * 2)  # learned at 20 and 40
    (_, first), *_ = checks(run(learner, [(2, 2), (2, 11), (2, 11), (2, 11), (2, 2)]))
    assert first.held_out.positive == 0
    assert first.relearned
    (_, second), *_ = checks(run(learner, TRUTH))
    assert second.threshold is None or second.held_out.positive == 1


def test_without_obstacles_since_it_learned_it_does_not_learn_again():
    learner = PersistentLearner(Recital(), quick())
    run(learner, TRUTH * 3)
    (_, check), *_ = checks(run(learner, [(2, 2)] * 5))
    assert math.isnan(check.held_out.positive) or check.held_out.positive == 1
    assert not check.relearned


def test_every_frame_with_a_measurement_is_remembered_with_the_smoothed_one():
    student = Recital()
    learner = PersistentLearner(student, quick())
    observed = [learner.observe(i, px) for i, px in enumerate([4, 8, NAN, 6, 2, 10])]
    assert [o.remembered for o in observed] == [True, True, False, True, True, True]
    assert student.remembered == [(0, 4), (1, 6), (3, 6), (4, 5), (5, 6.5)]


@pytest.mark.parametrize(
    ("error_px", "remembered"),
    [(0.0, False), (0.5, False), (0.6, True), (3.0, True), (-1.0, False), (-1.1, True)],
)
def test_an_active_learner_remembers_misses_sooner_than_fears(error_px, remembered):
    student = Recital()
    student.learned = 1
    learner = PersistentLearner(student, quick(active=True))
    assert learner.observe(4.0, 4.0 + error_px).remembered is remembered


def test_an_active_learner_remembers_all_until_its_student_knows_something():
    learner = PersistentLearner(Recital(), quick(active=True))
    assert learner.observe(4.0, 4.0).remembered


def test_the_rates_of_an_active_learner_are_of_all_frames_not_of_the_wrong_ones():
    learner = PersistentLearner(Recital(), quick(active=True))
    observed = run(learner, TRUTH * 4)
    assert checks(observed)[-1][1].held_out == (1, 0)


def test_the_flown_definition_hands_over_where_the_true_one_does_not():
    # 3 of 4 obstacles are missed, among many free frames.
    stream = [(2, 2)] * 60 + [(10, 10)] + [(1.5, 11)] * 3 + [(2, 2)] * 56
    ready = {}
    for definition in Definition:
        learner = PersistentLearner(
            Recital(), LearningConfig(check_frames=480, definition=definition)
        )
        run(learner, stream * 3)
        ready[definition] = learner.ready
    assert ready == {Definition.TRUE: False, Definition.FLOWN: True}


def test_a_student_that_says_how_it_does_on_what_it_learned_is_judged_by_that():
    class Honest(Recital):
        def relearn(self):
            super().relearn()
            return Judged(np.array([1, 7.5] * 20, np.float32), np.array([2, 9] * 20, np.float32))

    learner = PersistentLearner(Honest(), quick())
    (_, check), *_ = checks(run(learner, TRUTH))
    assert check.threshold == (7, (1, 0))
    assert check.ready


def test_what_is_kept_for_judging_is_bounded():
    learner = PersistentLearner(Recital(), LearningConfig(check_frames=10_000, held_out=50))
    for _ in range(200):
        learner.observe(1.0, 1.0)
    kept = learner._held_out
    assert isinstance(kept, deque)
    assert len(kept) == 50


def appearance(near_px, rng):
    """A feature that tells the proximity, with noise."""
    return np.array([np.sin(near_px / 5), np.cos(near_px / 5), rng.normal(0, 0.1)], np.float32)


def corridor(frames, seed):
    """A robot that approaches a wall, turns and approaches the next, 10 s each."""
    rng = np.random.default_rng(seed)
    for i in range(frames):
        near_px = 2 + 11 * (i % 100) / 100
        yield appearance(near_px, rng), near_px


def test_the_papers_student_becomes_ready_on_a_robot_that_flies_from_wall_to_wall():
    learner = PersistentLearner(KnnStudent(3))
    ready_at = [o.check.ready for o in (learner.observe(*p) for p in corridor(1600, 0)) if o.check]
    assert ready_at[-1]
    later = [learner.observe(*pair) for pair in corridor(300, 1)]
    agreed = [o.student_obstacle == o.teacher_obstacle for o in later]
    assert np.mean(agreed) > 0.9


def test_the_same_frames_give_the_same_student_to_the_bit():
    runs = []
    for _ in range(2):
        learner = PersistentLearner(KnnStudent(3))
        runs.append([learner.observe(*pair)[:5] for pair in corridor(700, 3)])
    assert repr(runs[0]) == repr(runs[1])
