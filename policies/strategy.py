"""What a way to practise decides, and how one is chosen by name.

A strategy says which goal is tried now, when the attempt ends, whether a person should put things
back then, and what reward the learner is told. It sees judgements and counts steps, and knows
neither the world nor the learner: so each is a few lines that can be tested on a few steps.

    attempt       goal 2, forward               goal 4, backward      goal 0, ...
    step          1    2    3    4    5         1    2    3           1
    success       -    -    -    -    yes       -    -    -           -
    verdict       -1   -1   -1   -1   0 ended   -1   -1   -1 ended    -1
                                   "success"              "timeout"

What "success" means to a learner is one thing everywhere: nothing follows (mask 0). An attempt that
is cut for any other reason would have gone on (mask 1).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from perception.goal import Direction, Goal
from perception.quantities import InputError
from perception.tables import config_from_options, load_item
from policies.observation import Observation
from policies.rewards import Judgement
from policies.strategies import STRATEGIES

SUCCESS, TIMEOUT, SWITCH = "success", "timeout", "switch"  # why an attempt ended


class StrategyError(InputError):
    """A task or settings with which a strategy cannot work."""


class Scene(NamedTuple):
    """What a strategy knows of the task."""

    goals: Sequence[Goal]
    instructions: NDArray[np.float32]  # (goals, D) what each goal's text stands for
    episode_steps: int  # usual length of an attempt
    demonstrated: Mapping[str, NDArray[Any]] = {}
    """Tensors (N, ...) by name: the states that forward demonstrations went through."""


class Step(NamedTuple):
    """What a strategy is told after a step."""

    steps: int  # of the attempt's steps, with this one
    observation: Observation  # after it, without the instruction
    judged: Judgement


class Verdict(NamedTuple):
    """What a strategy makes of a step."""

    reward: float  # that the learner is told
    success: bool = False  # nothing follows, to the learner
    ended: str = ""  # SUCCESS, TIMEOUT or SWITCH where the attempt ends with this step
    reset: bool = False  # asks a person to put things back for the next attempt


class Strategy(Protocol):
    """A way to practise."""

    def next_goal(self, *, after_reset: bool) -> int:
        """The goal of the attempt that begins now; `after_reset`: a person puts things back."""
        ...

    def judge(self, step: Step) -> Verdict:
        """What a step of the attempt means."""
        ...

    def relabel(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """A batch with the rewards of today, where they changed since the step was taken."""
        ...

    def save(self) -> dict[str, Any]:
        """All that it goes on from: JSON values and arrays, nested in dicts."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what was saved."""
        ...


def make_strategy(
    name: str, scene: Scene, options: Mapping[str, Any] | None = None, seed: int = 0
) -> Strategy:
    """The strategy `name` of the table for this task, with `options` of its `Config`.

    Raises:
        ChoiceError: a name that is not in the table, or an option that the strategy does not have.
        StrategyError: the task lacks what the strategy needs.
    """
    strategy = load_item(STRATEGIES, "strategy", name)
    config = config_from_options(strategy.Config, options or {}, f"strategy {name}")
    return strategy(config, scene, np.random.default_rng(seed))


def goals_of(scene: Scene, direction: Direction) -> list[int]:
    """The indices of the goals of one direction.

    Raises:
        StrategyError: there are none.
    """
    found = [index for index, goal in enumerate(scene.goals) if goal.direction == direction]
    if not found:
        listed = ", ".join(f"{goal.text!r} ({goal.direction})" for goal in scene.goals)
        raise StrategyError(f"the task has no {direction} goal; its goals: {listed}")
    return found


def usual_verdict(step: Step, most_steps: int, *, reset: bool = False) -> Verdict:
    """An attempt that ends with success or with its last step.

    Args:
        step: what happened.
        most_steps: of the attempt.
        reset: whether a person is asked to put things back at its end.
    """
    reward, success = step.judged.reward, step.judged.success
    ended = SUCCESS if success else TIMEOUT if step.steps >= most_steps else ""
    return Verdict(reward, success, ended, reset and bool(ended))
