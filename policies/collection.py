"""Lets a pilot try a goal and records it."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from policies.episodes import FAILURE, SUCCESS, Ending, Episode, EpisodeAbout
from policies.observation import Observation
from policies.policy import Policy
from policies.practice_env import ACHIEVED, GOAL, IRREVERSIBLE, PracticeEnv
from policies.spec import INSTRUCTION

NS_PER_S = 1_000_000_000

Wish = Literal["end", "again", "stop"]
"""Of a person while an attempt goes on: end it here, forget it and try again, or stop all."""


class Told(NamedTuple):
    """What is tried, and what the records call it."""

    task: str
    robot: str
    goal: int
    operator: str
    seed: int
    instruction: NDArray[np.float32]  # (D,) vector of the goal's text


class Cancelled(Exception):  # noqa: N818  not an error: somebody wished it
    """The attempt is to be forgotten."""

    def __init__(self, wish: Wish) -> None:
        super().__init__(wish)
        self.wish = wish


def record_attempt(
    env: PracticeEnv,
    policy: Policy,
    told: Told,
    steps: int,
    wish: Callable[[], Wish | None] = lambda: None,
    after: int | None = 0,
    found: Observation | None = None,
) -> Episode:
    """One attempt: until the goal is reached, all is lost, or time is up.

    Equal seeds give equal episodes, so time is the world's own: one period per step.

    Args:
        env: the world.
        policy: who acts; finds the instruction beside the observation.
        told: goal and seed.
        steps: after which the attempt counts as failed.
        wish: asked after each step.
        after: further steps for which the goal has to stay reached, so that there is more than one
            image of it; None: it goes on until time is up, reached or not.
        found: what is observed where things were left, to begin from there; None: from the usual
            beginning.

    Raises:
        Cancelled: a wish that this attempt is not kept.
    """
    policy.reset(np.random.default_rng(told.seed))
    if found is None:
        found, _ = env.reset(seed=told.seed, options={GOAL: told.goal})
    seen: list[Observation] = [found]
    actions: list[NDArray[np.float64]] = []
    success: list[bool] = []
    reached = 0  # steps on end
    ended: Ending = "timeout"
    while len(actions) < steps:
        action = policy.act({**seen[-1], INSTRUCTION: told.instruction})
        observation, _, _, _, info = env.step(action)
        actions.append(np.array(action, np.float64))
        seen.append(observation)
        success.append(bool(info[ACHIEVED][told.goal]))
        reached = reached + 1 if success[-1] else 0
        is_lost = bool(info[IRREVERSIBLE])
        ended = "success" if reached else "irreversible" if is_lost else "timeout"
        if is_lost or (after is not None and reached > after):
            break
        wished = wish()
        if wished == "end":
            break
        if wished:
            raise Cancelled(wished)
    return _episode(env, told, seen, np.array(actions), np.array(success), ended)


def _episode(
    env: PracticeEnv,
    told: Told,
    seen: list[Observation],
    action: NDArray[np.float64],
    success: NDArray[np.bool_],
    ended: Ending,
) -> Episode:
    goal = env.goals[told.goal]
    intervention = np.zeros(len(action), np.bool_)
    intervention[-1] = ended == "irreversible"  # before the next attempt
    return Episode(
        captured_ns=np.round(np.arange(len(seen)) * NS_PER_S / env.rate_hz).astype(np.int64),
        observation={name: _stacked(seen, name) for name in seen[0]},
        action=action,
        reward=np.where(success, SUCCESS, FAILURE).astype(np.float32),
        success=success,
        intervention=intervention,
        about=EpisodeAbout(
            task=told.task,
            robot=told.robot,
            goal=told.goal,
            instruction=goal.text,
            direction=goal.direction,
            operator=told.operator,
            seed=told.seed,
            ended=ended,
        ),
    )


def _stacked(seen: list[Observation], name: str) -> NDArray[Any]:
    return np.stack([observation[name] for observation in seen])
