"""The acting half of practice, on observations written by hand."""

import numpy as np
import pytest
from tiny_data import GOALS

from policies.practiser import Order, Practiser, Said
from policies.strategy import Scene, make_strategy

STEP_NS = 200_000_000
ACTION = np.array([0.5])


class Bench:
    """Obeys orders at once, and is asked to act as a node would be."""

    def __init__(self, strategy="switching", episode_steps=3, **options):
        scene = Scene(GOALS, np.eye(2, dtype=np.float32), episode_steps)
        self.practiser = Practiser(make_strategy(strategy, scene), STEP_NS, **options)
        self.now_ns, self.attempt, self.seen = 0, 0, 0

    def see(self, success=False, lost=False, obeys=True, late=False, abstained=False):
        """The next observation and what follows from it; `late`: one before it was lost."""
        self.now_ns += STEP_NS * (2 if late else 1)
        self.seen += 1
        seen = {"position_m": np.float32([self.seen])}
        said = Said(self.attempt, success, lost, abstained)
        outcome = self.practiser.observe(self.now_ns, seen, said)
        if outcome.acts:
            self.practiser.acted(self.now_ns, seen, ACTION)
        if outcome.order and obeys:
            self.attempt = outcome.order.attempt
        return outcome


@pytest.fixture
def bench():
    """In its first attempt, about to act for the first time."""
    made = Bench()
    assert made.see().order == Order(1, 0, reset=True)
    return made


def test_the_first_attempt_begins_with_a_person_who_sets_the_scene():
    outcome = Bench().see()
    assert outcome == (None, Order(1, 0, reset=True), False)


def test_each_step_is_a_lesson_of_what_was_seen_before_and_after(bench):
    assert bench.see() == (None, None, True)
    lesson = bench.see().lesson
    assert (lesson.before["position_m"], lesson.after["position_m"]) == (2, 3)
    assert (lesson.action, lesson.reward, lesson.success, lesson.ended) == (0.5, -1, False, False)


def test_success_turns_the_instruction_and_the_robot_acts_on_at_once(bench):
    bench.see()
    lesson, order, acts = bench.see(success=True)
    assert (lesson.reward, lesson.success, lesson.ended) == (0, True, True)
    assert order == Order(2, 1, reset=False)
    assert acts
    assert bench.see().lesson.order == order
    assert (bench.practiser.attempts, bench.practiser.successes) == (1, 1)


def test_the_clock_ends_an_attempt_that_would_have_gone_on(bench):
    ends = [bench.see().lesson for _ in range(4)][1:]
    assert [(lesson.ended, lesson.success) for lesson in ends] == [
        *[(False, False)] * 2,
        (True, False),
    ]


def test_before_a_reset_is_obeyed_nothing_is_done_and_the_order_is_given_again():
    bench = Bench("episodic")
    bench.see()
    bench.see()
    ended = bench.see(success=True, obeys=False)
    assert (ended.order.reset, ended.acts) == (True, False)
    assert bench.see() == (None, ended.order, False)
    assert bench.see() == (None, None, True)
    assert bench.practiser.resets == 1


def test_what_only_a_person_can_mend_ends_an_attempt_and_is_counted(bench):
    bench.see()
    lesson, order, acts = bench.see(lost=True)
    assert (lesson.ended, lesson.success, order.reset, acts) == (True, False, True, False)
    assert bench.practiser.interventions == 1


def test_a_person_comes_after_so_many_attempts():
    bench = Bench(reset_every_attempts=2)
    bench.see()
    orders = [bench.see(success=True).order for _ in range(9)]
    assert [order.reset for order in orders if order] == [False, True] * 3


def test_an_action_that_was_held_for_longer_is_nobodys_lesson(bench):
    bench.see()
    assert bench.see(late=True) == (None, None, True)
    assert bench.see().lesson is not None


def test_a_step_that_nobody_can_judge_is_nobodys_lesson_but_takes_its_time(bench):
    bench.see()
    assert bench.see(abstained=True) == (None, None, True)
    assert bench.see().lesson is not None
    ended = bench.see(abstained=True)  # the third step: time is up
    assert ended.lesson is None
    assert ended.order == Order(2, 1, reset=False)
