"""Episodes as what learners learn from: one row per step, with its return to go.

    reward        -1   -1    0    -1          0: the reward source said success
    mask           1    1    0     1          0: nothing comes after a success
    mc_return    -1-g  -1    0  -1/(1-g)      g: gamma

A return of k steps of -1 before a success is -(1 - g^k) / (1 - g). Where no success follows it is
the limit of that sum, -1 / (1 - g), and not the sum up to the end of the record: an attempt would
otherwise look better the earlier it was cut (the sparse-reward rule of Cal-QL, Nakamoto et al.
2023, arXiv 2303.05479, in its published code).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.episodes import FAILURE, SUCCESS, Episode
from policies.replay_buffer import MASK, MC_RETURN, NEXT, REWARD, returns_to_go
from policies.spec import ACTION, INSTRUCTION

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
    rows[MC_RETURN] = returns_to_go(episode.reward, rows[MASK], gamma, FAILURE)
    return rows
