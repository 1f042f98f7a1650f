"""Attempts that a pilot shows, as arrays: what a learner starts from where nobody recorded any."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.quantities import InputError
from policies.evaluate import Actor
from policies.practice_env import ACHIEVED, GOAL, PracticeEnv
from policies.replay_buffer import ReplayBuffer
from policies.rewards import judgement

MOST_TRIES = 20  # for each demonstration; a pilot that fails so often shows nothing


class DemonstrationError(InputError):
    """A pilot that does not reach the goal it is to show."""


class Demonstration(NamedTuple):
    """One attempt of T steps that ends when the goal is reached."""

    goal: int
    observation: dict[str, NDArray[Any]]  # (T + 1, ...) each
    action: NDArray[np.float64]  # (T, n) in the units of the spec
    reward: NDArray[np.float32]  # (T,)
    success: NDArray[np.bool_]  # (T,) the last alone


def demonstrate(
    env: PracticeEnv,
    expert: Callable[[int], Actor],
    goals: Sequence[int],
    count: int,
    seed: int,
) -> list[Demonstration]:
    """Successful attempts, the goals in turn; an attempt that fails is left out.

    Args:
        env: the world.
        expert: the pilot for a goal.
        goals: indices.
        count: how many there are to be.
        seed: equal seeds give equal demonstrations.

    Raises:
        DemonstrationError: a pilot fails time and again.
    """
    chances = np.random.SeedSequence(seed).spawn(count)
    return [
        _shown(env, expert, goals[index % len(goals)], chance)
        for index, chance in enumerate(chances)
    ]


def add_all(
    buffer: ReplayBuffer,
    demonstrations: Sequence[Demonstration],
    instructions: NDArray[np.float32],
) -> None:
    """Adds each as an episode, told its goal's instruction (goals, D)."""
    for shown in demonstrations:
        buffer.add_episode(
            shown.observation, shown.action, shown.reward, shown.success, instructions[shown.goal]
        )


def states_of(demonstrations: Sequence[Demonstration]) -> dict[str, NDArray[Any]]:
    """(N, ...) by tensor: all states that they went through."""
    names = demonstrations[0].observation if demonstrations else ()
    return {name: np.concatenate([d.observation[name] for d in demonstrations]) for name in names}


def _shown(
    env: PracticeEnv, expert: Callable[[int], Actor], goal: int, chance: np.random.SeedSequence
) -> Demonstration:
    for seed in chance.generate_state(MOST_TRIES):
        shown = _attempt(env, expert(goal), goal, int(seed))
        if shown.success[-1]:
            return shown
    raise DemonstrationError(
        f"the pilot failed {MOST_TRIES} times at {env.goals[goal].text!r}; "
        "give another pilot, or less noise"
    )


def _attempt(env: PracticeEnv, actor: Actor, goal: int, seed: int) -> Demonstration:
    actor.reset(np.random.default_rng(seed))
    observation, _ = env.reset(seed=seed, options={GOAL: goal})
    seen, actions, successes = [observation], [], []
    while len(actions) < env.episode_steps and not (successes and successes[-1]):
        actions.append(actor.act(observation))
        observation, _, _, _, info = env.step(actions[-1])
        seen.append(observation)
        successes.append(bool(info[ACHIEVED][goal]))
    return Demonstration(
        goal,
        {name: np.stack([one[name] for one in seen]) for name in seen[0]},
        np.array(actions),
        np.array([judgement(success).reward for success in successes], np.float32),
        np.array(successes),
    )
