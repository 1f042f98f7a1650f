"""The state machine on approaches made of frames; every change has its reason and its numbers."""

import pytest

from perception.approach_events import ApproachEvents
from perception.handover import Actor, Frame, HandoverConfig, HandoverMachine, Stage

CONFIG = HandoverConfig(collect_frames=10)
FREE = Frame(False, False, student_version=1)


def approach(teacher=True, student=True, **known):
    """Four frames of an obstacle and three free ones, which end the run."""
    known = {"student_version": 1, **known}
    return [Frame(teacher, student, **known)] * 4 + [Frame(False, False, **known)] * 3


def run(machine, frames):
    return [machine.step(frame) for frame in frames]


def shadow(config=CONFIG):
    """A machine whose first student has just learned."""
    machine = HandoverMachine(config)
    run(machine, [Frame(False, False)] * 10)
    assert machine.step(FREE).stage is Stage.SHADOW
    return machine


def mono(config=CONFIG):
    machine = shadow(config)
    for _ in range(30):
        states = run(machine, approach())
        if states[-1].stage is Stage.MONO:
            return machine
    raise AssertionError("no handover")


def test_the_teacher_flies_while_examples_are_collected_and_the_student_learns():
    machine = HandoverMachine(CONFIG)
    states = run(machine, [Frame(False, False)] * 25)
    assert {state.actor for state in states} == {Actor.TEACHER}
    assert [state.stage for state in states] == [Stage.COLLECT] * 9 + [Stage.TRAIN] * 16
    assert [i for i, state in enumerate(states) if state.changed] == [9]
    assert states[9].reason == "10 frames collected"


def test_frames_without_a_measurement_are_not_collected():
    machine = HandoverMachine(CONFIG)
    states = run(machine, [Frame(False, False, teacher_alive=False)] * 25)
    assert {(state.stage, state.actor) for state in states} == {(Stage.COLLECT, Actor.NOBODY)}


def test_nineteen_approaches_without_a_miss_are_the_fewest_that_earn_the_controls():
    # 0.05 ** (1 / 18) = 0.847 and 0.05 ** (1 / 19) = 0.854.
    machine = shadow()
    for _ in range(18):
        assert run(machine, approach())[-1].stage is Stage.SHADOW
    state = run(machine, approach())[-1]
    assert (state.stage, state.actor, state.changed) == (Stage.MONO, Actor.STUDENT, True)
    assert state.approaches == ApproachEvents(19, 0, 0)
    assert state.least_found == pytest.approx(0.05 ** (1 / 19))
    assert state.reason.startswith("found 19 of 19 approaches (at least 0.85)")


def test_a_thousand_frames_of_one_approach_are_one_approach():
    machine = shadow()
    states = run(machine, [Frame(True, True, student_version=1)] * 1000 + [FREE] * 3)
    assert states[-1].approaches == ApproachEvents(1, 0, 0)
    assert states[-1].stage is Stage.SHADOW


def test_one_miss_must_be_outweighed_by_more_approaches():
    machine = shadow()
    run(machine, approach(student=False))
    for _ in range(25):
        assert run(machine, approach())[-1].stage is Stage.SHADOW
    assert any(run(machine, approach())[-1].stage is Stage.MONO for _ in range(10))


def test_a_student_that_always_says_obstacle_never_flies():
    machine = shadow()
    states = []
    for _ in range(30):
        states += run(machine, approach()) + run(machine, approach(teacher=False) * 4)
    assert Stage.MONO not in {state.stage for state in states}
    assert any(state.stage is Stage.TRAIN and "are false" in state.reason for state in states)


def clinging():
    """An approach that the student finds and then takes eight free frames for; then three more."""
    return approach()[:4] + [Frame(False, True, student_version=1)] * 8 + [FREE] * 3


def test_a_student_that_blocks_most_of_the_free_frames_does_not_fly_though_it_finds_all():
    machine = shadow(HandoverConfig(collect_frames=10, least_free_frames=300))
    state = run(machine, clinging() * 20)[-1]
    assert (state.approaches.found, state.approaches.false_alarms) == (20, 0)
    assert state.least_found > CONFIG.least_found
    assert state.stage is Stage.SHADOW  # 8 of 11 free frames are blocked


def test_a_student_that_blocks_too_much_for_twenty_seconds_is_given_up():
    state = run(shadow(), clinging() * 20)[-1]
    assert state.stage is Stage.TRAIN
    assert state.reason == "it blocks 152 of 207 free frames"


def test_a_student_that_learns_on_keeps_its_record():
    machine = shadow()
    for _ in range(18):
        run(machine, approach())
    state = run(machine, approach(student_version=2))[-1]
    assert (state.stage, state.approaches) == (Stage.MONO, ApproachEvents(19, 0, 0))


def test_a_student_of_before_that_comes_back_starts_from_nothing():
    machine = shadow()
    for _ in range(9):
        run(machine, approach(student_version=3))
    for _ in range(10):
        state = run(machine, approach(student_version=2))[-1]
    assert (state.stage, state.approaches) == (Stage.SHADOW, ApproachEvents(10, 0, 0))


def test_the_controls_are_never_handed_over_before_an_obstacle():
    machine = shadow()
    for _ in range(18):
        run(machine, approach())
    last = [frame._replace(teacher_obstacle=True) for frame in approach()]
    assert run(machine, last)[-1].stage is Stage.SHADOW
    assert run(machine, [FREE] * 3)[-1].stage is Stage.MONO


def test_approaches_that_a_student_does_not_trust_itself_in_count_for_nothing():
    machine = shadow()
    for _ in range(40):
        state = run(machine, approach(student_trusted=False))[-1]
    assert (state.stage, sum(state.approaches)) == (Stage.SHADOW, 0)
    state = run(machine, approach())[-1]
    assert state.approaches == ApproachEvents(1, 0, 0)


UNTRUSTED = FREE._replace(student_trusted=False)
LASTING = [UNTRUSTED] * HandoverConfig.distrust_frames


def test_while_a_student_distrusts_itself_the_teacher_flies_and_it_keeps_what_it_earned():
    machine = mono()
    states = run(machine, LASTING[1:])
    assert {(state.stage, state.actor) for state in states} == {(Stage.MONO, Actor.TEACHER)}
    assert machine.step(FREE).actor is Actor.STUDENT


def test_distrust_that_lasts_brings_a_student_back_to_the_shadow():
    state = run(mono(), LASTING)[-1]
    assert (state.stage, state.actor) == (Stage.SHADOW, Actor.TEACHER)
    assert state.reason == "the student does not trust itself"
    flickering = [UNTRUSTED, UNTRUSTED, FREE] * len(LASTING)
    assert run(mono(), flickering)[-1].stage is Stage.SHADOW


def test_distrust_while_the_teacher_is_gone_costs_no_stage():
    gone = [frame._replace(teacher_alive=False) for frame in LASTING * 3]
    machine = mono()
    assert {(s.stage, s.actor) for s in run(machine, gone)} == {(Stage.MONO, Actor.NOBODY)}
    assert machine.step(FREE._replace(teacher_alive=False)).actor is Actor.STUDENT


def test_what_a_student_has_shown_elsewhere_counts_no_more_where_it_lost_its_trust():
    machine = mono()
    run(machine, LASTING)
    state = run(machine, approach())[-1]
    assert (state.stage, state.approaches) == (Stage.SHADOW, ApproachEvents(1, 0, 0))
    states = [run(machine, approach())[-1].stage for _ in range(18)]
    assert states == [Stage.SHADOW] * 17 + [Stage.MONO]


def test_too_many_overrides_take_the_controls_back_with_their_number():
    machine = mono()
    overridden = [f._replace(overridden=i == 2) for i, f in enumerate(approach())]
    states = [run(machine, overridden)[-1] for _ in range(4)]
    assert [state.overrides for state in states] == [1, 2, 3, 4]
    assert [state.stage for state in states] == [Stage.MONO] * 3 + [Stage.REVERT]
    assert states[-1].reason == "4 overrides in 4 approaches"


def test_misses_in_flight_take_the_controls_back_when_the_upper_bound_falls():
    machine = mono()
    for _ in range(60):
        state = run(machine, approach(student=False))[-1]
        if state.stage is not Stage.MONO:
            break
    assert state.most_found < CONFIG.least_found or state.changed
    assert state.stage in (Stage.REVERT, Stage.TRAIN)
    assert "approaches (at most" in state.reason


def test_after_a_revert_it_learns_again_and_has_to_earn_its_trust_again():
    machine = mono()
    overridden = [f._replace(overridden=i == 2) for i, f in enumerate(approach())]
    while run(machine, overridden)[-1].stage is not Stage.REVERT:
        pass
    near = machine.step(Frame(True, False, student_version=1))
    assert near.stage is Stage.REVERT
    free = machine.step(FREE)
    assert free.stage is Stage.TRAIN
    assert free.reason == "after a revert: 4 overrides in 4 approaches"
    again = machine.step(FREE._replace(student_version=2))
    assert again.stage is Stage.SHADOW
    assert again.approaches == ApproachEvents(0, 0, 0)


def test_without_the_teacher_a_student_that_has_earned_it_flies_on_and_no_other():
    gone = FREE._replace(teacher_alive=False)
    flying = mono()
    assert {state.actor for state in run(flying, [gone] * 50)} == {Actor.STUDENT}
    assert flying.step(gone._replace(student_trusted=False)).actor is Actor.NOBODY
    assert flying.step(gone).actor is Actor.STUDENT  # it stood while it was in doubt
    assert {state.actor for state in run(shadow(), [gone] * 50)} == {Actor.NOBODY}


def test_what_the_student_says_while_the_teacher_is_gone_counts_for_nothing():
    machine = shadow()
    blind = [frame._replace(teacher_alive=False) for frame in approach(teacher=False) * 20]
    states = run(machine, [*blind, FREE, FREE, FREE])
    assert states[-1].approaches == ApproachEvents(0, 0, 0)


def test_a_flying_student_may_learn_on_without_losing_the_controls():
    machine = mono()
    state = run(machine, approach(student_version=7))[-1]
    assert state.stage is Stage.MONO
    assert state.approaches.found == 20


def test_old_skill_expires():
    machine = mono(HandoverConfig(collect_frames=10, window_approaches=20, most_overrides=99))
    run(machine, approach() * 100)
    stages = [run(machine, approach(student=False))[-1].stage for _ in range(8)]
    assert Stage.REVERT in stages or Stage.TRAIN in stages
