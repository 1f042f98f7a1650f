"""Who flies, what is labelled and when is trained, for each way to organise learning."""

import numpy as np
import pytest

from perception.handover import Frame, HandoverConfig, HandoverMachine, Stage
from perception.organisation import LessonConfig, Organisation, Organiser

UNGATED = LessonConfig(gated=False, lesson_frames=10, round_frames=20, turn_frames=2)
FREE = Frame(teacher_obstacle=False, student_obstacle=False)


def orders_of(organisation, frames, config=UNGATED, seed=0):
    """Orders for each frame, the gate's machine running along."""
    machine = HandoverMachine(HandoverConfig(collect_frames=5))
    organiser = Organiser(organisation, config, np.random.default_rng(seed))
    return [organiser.step(frame, machine.step(frame)) for frame in frames]


def known(count, **fields):
    return [FREE._replace(student_version=7, **fields)] * count


@pytest.mark.parametrize("organisation", Organisation)
def test_the_teacher_flies_the_lesson_whoever_is_there(organisation):
    assert not any(orders.student_flies for orders in orders_of(organisation, known(9)))


@pytest.mark.parametrize("organisation", Organisation)
def test_with_the_gate_nobody_flies_whom_the_machine_has_not_let(organisation):
    orders = orders_of(organisation, known(60), LessonConfig(lesson_frames=10))
    assert not any(order.student_flies for order in orders)


@pytest.mark.parametrize("organisation", Organisation)
def test_a_student_that_knows_nothing_never_flies(organisation):
    assert not any(orders.student_flies for orders in orders_of(organisation, [FREE] * 60))


def test_training_wheels_fly_the_student_label_everything_and_override():
    after = orders_of(Organisation.TRAINING_WHEELS, known(40))[10:]
    assert all(o.student_flies and o.wheels and o.labels and o.trains for o in after)


def test_without_the_teacher_there_is_nothing_to_label_and_nobody_to_override():
    gone = known(1, teacher_alive=False)
    (*_, last) = orders_of(Organisation.TRAINING_WHEELS, known(20) + gone)
    assert last.student_flies
    assert not last.labels
    assert not last.wheels


def test_cold_turkey_learns_once_between_lesson_and_flight():
    lesson, school, flight = [FREE] * 9, [FREE] * 5, known(10)
    orders = orders_of(Organisation.COLD_TURKEY, lesson + school + flight)
    assert all(o.labels and not o.trains for o in orders[:9])
    assert all(o.trains and o.wants_student and not o.labels for o in orders[9:14])
    assert all(o.student_flies and not (o.trains or o.labels or o.wheels) for o in orders[14:])


def test_dagger_takes_turns_of_some_frames_and_the_teacher_ever_fewer():
    orders = orders_of(Organisation.DAGGER, known(3 * 400), UNGATED, seed=1)
    flown = [o.student_flies for o in orders[10:]]
    first, last = np.mean(flown[:20]), np.mean(flown[200:])
    assert 0 < first < 1
    assert last > 0.95
    assert all(o.labels and not o.wheels for o in orders)


def test_dagger_asks_for_one_student_per_round():
    orders = orders_of(Organisation.DAGGER, [FREE] * 15)
    assert [o.wants_student for o in orders] == [False] * 9 + [True] * 6
    organiser = Organiser(Organisation.DAGGER, UNGATED, np.random.default_rng(0))
    machine = HandoverMachine()
    wants = [
        organiser.step(frame, machine.step(frame)).wants_student
        for frame in [FREE] * 12 + known(17) + known(3)
    ]
    assert wants == [False] * 9 + [True] * 3 + [False] * 17 + [True] * 3


def test_what_it_learns_goes_to_the_robot_while_it_is_judged():
    machine = HandoverMachine(HandoverConfig(collect_frames=1))
    organiser = Organiser(Organisation.TRAINING_WHEELS, LessonConfig(), np.random.default_rng(0))
    wants = []
    for frame in known(9):
        handover = machine.step(frame)
        wants.append((handover.stage, organiser.step(frame, handover).wants_student))
    assert wants == [(Stage.TRAIN, True)] + [(Stage.SHADOW, True)] * 8
