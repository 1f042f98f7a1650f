"""How well a policy does: attempts at each goal from where such attempts begin, counted.

The deployed policy of EARL (Sharma et al., arXiv 2112.09605): it is frozen and acts in a world of
its own, and an attempt succeeds if the goal is reached at any time of the episode. Truth counts,
whatever the reward source of its training says. Each attempt has a seed of its own, so that
attempts do not depend on how many came before.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from perception.interval import Interval
from policies.learner import Learner
from policies.observation import Observation
from policies.practice_env import ACHIEVED, GOAL, PracticeEnv
from policies.spec import INSTRUCTION
from policies.statistics import wilson


class Actor(Protocol):
    """The part of a policy that is needed to evaluate it."""

    def reset(self, rng: np.random.Generator) -> None:
        """Begins an attempt."""
        ...

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The action (n,) for the newest observation."""
        ...


class Deployed:
    """A learner as it would be deployed: it acts and draws nothing."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner

    def reset(self, rng: np.random.Generator) -> None:
        """Nothing: it has no state."""

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The likeliest action (n,)."""
        return self._learner.act(observation)


class Trial(NamedTuple):
    """One attempt."""

    goal: int
    seed: int
    reached_at: int | None  # step, from 1, at which the goal was first reached
    steps: int

    @property
    def success(self) -> bool:
        """The goal was reached at some time."""
        return self.reached_at is not None


def evaluate(
    env: PracticeEnv,
    actor: Actor,
    instructions: NDArray[np.float32],
    goals: Sequence[int],
    episodes: int,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Trial]:
    """Attempts at the goals in turn.

    Args:
        env: a world that nothing else uses.
        actor: who acts; it finds the instruction beside the observation.
        instructions: (goals of the world, D).
        goals: indices of those to be tried.
        episodes: attempts, of all goals together.
        seed: attempts with the same seed are the same attempts.
        progress: told how many attempts are done.
    """
    trials: list[Trial] = []
    for index, one in enumerate(np.random.SeedSequence(seed).generate_state(episodes)):
        trials.append(attempt(env, actor, instructions, goals[index % len(goals)], int(one)))
        progress(len(trials))
    return trials


def attempt(
    env: PracticeEnv, actor: Actor, instructions: NDArray[np.float32], goal: int, seed: int
) -> Trial:
    """One attempt, which ends when the goal is reached."""
    actor.reset(np.random.default_rng(seed))
    observation, _ = env.reset(seed=seed, options={GOAL: goal})
    for step in range(1, env.episode_steps + 1):
        action = actor.act({**observation, INSTRUCTION: instructions[goal]})
        observation, _, _, _, info = env.step(action)
        if info[ACHIEVED][goal]:
            return Trial(goal, seed, step, step)
    return Trial(goal, seed, None, env.episode_steps)


def success_rate(trials: Iterable[Trial]) -> Interval:
    """Part of the attempts that succeeded, with Wilson's interval."""
    found = [trial.success for trial in trials]
    return wilson(sum(found), len(found))


def by_goal(trials: Sequence[Trial]) -> dict[int, Interval]:
    """The same for each goal that was tried."""
    goals = sorted({trial.goal for trial in trials})
    return {goal: success_rate(t for t in trials if t.goal == goal) for goal in goals}
