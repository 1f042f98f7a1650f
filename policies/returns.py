"""What each step of an episode turned out to be worth."""

import numpy as np
from numpy.typing import NDArray


def returns_to_go(
    reward: NDArray[np.floating],
    mask: NDArray[np.floating],
    discount: float,
    failure_reward: float = -1.0,
) -> NDArray[np.float32]:
    """Discounted return (T,) from each step of an episode on.

    Args:
        reward: (T,) of each step.
        mask: (T,) 0 where a success ended it; the sum stops there and starts anew after it.
        discount: γ.
        failure_reward: of every step after the last one, if the last one was no success.
    """
    returns = np.empty(len(reward), np.float32)
    following = failure_reward / (1 - discount)
    for t in reversed(range(len(reward))):
        following = float(reward[t]) + discount * float(mask[t]) * following
        returns[t] = following
    return returns
