"""Episodes as what learners learn from: one row per step, with its return to go.

    reward        -1   -1    0    -1          0: the reward source said success
    mask           1    1    0     1          0: nothing comes after a success
    steps to go    2    1    0   none         until the next success
    mc_return    -1-g  -1    0  -1/(1-g)      g: gamma

A return of k steps of -1 before a success is -(1 - g^k) / (1 - g). Where no success follows it is
the limit of that sum, -1 / (1 - g), and not the sum up to the end of the record: an attempt would
otherwise look better the earlier it was cut (the sparse-reward rule of Cal-QL, Nakamoto et al.
2023, arXiv 2303.05479, in its published code).
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.episodes import SUCCESS, Episode
from policies.practice_env import INSTRUCTION
from policies.spec import ACTION

REWARD, MASK, MC_RETURN, NEXT = "reward", "mask", "mc_return", "next_"

Transitions = dict[str, NDArray[Any]]


def transitions(
    episode: Episode, gamma: float, instruction: NDArray[np.float32] | None = None
) -> Transitions:
    """The T steps of an episode as a batch.

    Args:
        episode: of T steps.
        gamma: discount per step, 0 <= gamma < 1.
        instruction: (D,) what the goal's text stands for; a row of it stands beside each
            observation. None for a policy that is told nothing.

    Returns:
        Every tensor of the observation (T, ...) and once more as `next_NAME`; `action` (T, n) in
        the units of the spec; `reward`, `mask`, `mc_return` (T,). float32, images uint8.
    """
    observation = dict(episode.observation)
    if instruction is not None:
        told = np.asarray(instruction, np.float32)
        observation[INSTRUCTION] = np.tile(told, (len(episode) + 1, 1))
    rows: Transitions = {name: values[:-1] for name, values in observation.items()}
    rows |= {NEXT + name: values[1:] for name, values in observation.items()}
    rows[ACTION] = episode.action.astype(np.float32)
    rows[REWARD] = episode.reward.astype(np.float32)
    rows[MASK] = (episode.reward != SUCCESS).astype(np.float32)
    rows[MC_RETURN] = mc_return(episode.reward, gamma)
    return rows


def mc_return(reward: ArrayLike, gamma: float) -> NDArray[np.float32]:
    """Return to go (T,) of rewards (T,) that are -1, or 0 at a success, which ends the counting."""
    is_success = np.asarray(reward) == SUCCESS  # (T,)
    index = np.where(is_success, np.arange(len(is_success)), np.inf)
    next_success = np.minimum.accumulate(index[::-1])[::-1]  # inf where none follows
    steps_to_go = next_success - np.arange(len(is_success))
    return (-(1 - gamma**steps_to_go) / (1 - gamma)).astype(np.float32)
