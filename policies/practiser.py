"""The acting half of practice, where somebody else learns: what is tried, and what came of it.

`policies.finetune` steps its world itself; a robot cannot. Here observations come when they come:

    observation       o0      o1      o2      o3               o4
    said of it        -       no      no      yes              (of the next attempt)
    order                                     next goal
    action            a0      a1      a2      a3, told of the next goal
    lesson                    o0 a0   o1 a1   o2 a2 success

An attempt that begins with a reset is not acted on before whoever sets the scene says that it has
begun; an order that is lost on the way is given again. What came of an action that was held for
longer than a step is nobody's lesson, nor is a step of which nobody can say what came of it: the
clock of the attempt goes on, but no reward is paid, not even that of failing.
"""

from typing import Any, NamedTuple

from numpy.typing import NDArray

from policies.observation import Observation
from policies.rewards import judgement
from policies.strategy import SUCCESS, Step, Strategy

LATE = 1.5  # steps between two observations, above which one is missing between them


class Order(NamedTuple):
    """What is tried next."""

    attempt: int  # counts from 1
    goal: int
    reset: bool  # a person is asked to put things back


class Said(NamedTuple):
    """What is said of the step that led to an observation."""

    attempt: int  # whose order is followed; 0: none yet
    success: bool
    lost: bool  # only a person can put things back
    abstained: bool = False  # who judges does not believe what it sees


class Lesson(NamedTuple):
    """One step, as a learner takes it."""

    order: Order
    before: Observation
    action: NDArray[Any]  # (n,) in the units of the spec
    reward: float
    after: Observation
    success: bool  # nothing follows
    ended: bool  # the attempt is over


class Outcome(NamedTuple):
    """What follows from an observation."""

    lesson: Lesson | None = None
    order: Order | None = None  # to be given, perhaps again
    acts: bool = False  # whether an action is wanted now


class Practiser:
    """Holds a strategy, and counts."""

    def __init__(self, strategy: Strategy, step_ns: int, reset_every_attempts: int = 0) -> None:
        """Nothing has been asked for.

        Args:
            strategy: what is tried.
            step_ns: between two observations.
            reset_every_attempts: after so many a person is asked to put things back; 0: never.
        """
        self._strategy, self._step_ns = strategy, step_ns
        self._reset_every = reset_every_attempts
        self._order: Order | None = None
        self._last: tuple[int, Observation, NDArray[Any]] | None = None  # stamp, seen, done
        self._steps = 0  # of this attempt
        self._since_reset = 0  # attempts
        self.attempts = self.successes = self.resets = self.interventions = 0

    @property
    def goal(self) -> int:
        """That is tried now; there is one once something was to be acted on."""
        return self._order.goal if self._order else 0

    def observe(self, captured_ns: int, observation: Observation, said: Said) -> Outcome:
        """Takes the newest observation, and what is said of it."""
        if self._order is None:
            return Outcome(order=self._next(reset=True))
        if said.attempt != self._order.attempt:
            self._last = None
            return Outcome(order=self._order)
        lesson, last = None, self._last
        self._last = None
        is_over = wants_reset = False
        if last is not None and captured_ns - last[0] < LATE * self._step_ns:
            self._steps += 1
            judged = judgement(said.success)
            verdict = self._strategy.judge(Step(self._steps, observation, judged))
            is_over, wants_reset = bool(verdict.ended), verdict.reset
            if not said.abstained:
                lesson = Lesson(
                    self._order,
                    *last[1:],
                    verdict.reward,
                    observation,
                    verdict.success,
                    is_over or said.lost,
                )
            self.successes += verdict.ended == SUCCESS
        if not (is_over or said.lost):
            return Outcome(lesson, acts=True)
        self.interventions += said.lost
        order = self._end(wants_reset=wants_reset or said.lost)
        return Outcome(lesson, order, acts=not order.reset)

    def acted(self, captured_ns: int, observation: Observation, action: NDArray[Any]) -> None:
        """What was done on an observation."""
        self._last = (captured_ns, observation, action)

    def _end(self, *, wants_reset: bool) -> Order:
        self.attempts += 1
        self._since_reset += 1
        is_due = 0 < self._reset_every <= self._since_reset
        self.resets += wants_reset or is_due
        return self._next(reset=wants_reset or is_due)

    def _next(self, *, reset: bool) -> Order:
        if reset:
            self._since_reset = 0
        self._steps = 0
        attempt = 1 if self._order is None else self._order.attempt + 1
        goal = self._strategy.next_goal(after_reset=reset)
        self._order = Order(attempt, goal, reset)
        return self._order
