"""A second look before "yes": other cameras, images on end, and the question put the other way.

Errors of one look are often errors of one moment, one view or one word. So "yes" is said only if
every look agrees: through each camera, in each of the last images, and, asked whether the opposite
is the case ("take the lid off" for "put the lid on"), it is "no" each time. The score is that of
the look that agrees least, in log-odds; one threshold serves them all.
"""

import math
from collections import deque
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NEVER = -1000.0  # log-odds while there are too few images; finite, so that JSON can carry it


class LookRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which looks have to agree."""

    views: tuple[str, ...]  # cameras
    frames: int = 2  # images on end
    reverse: bool = True  # ask the opposite too

    @property
    def name(self) -> str:
        """For tables."""
        words = [" + ".join(self.views), f"{self.frames} image{'s' * (self.frames > 1)}"]
        return ", ".join(words + ["asked both ways"] * self.reverse)


def helplessness(own: NDArray[np.floating]) -> NDArray[np.float64]:
    """(...) log-odds that only a person can put things right, of answers (..., v) by view.

    The mean: what one camera does not see the other may. One moment is enough, as it lasts.
    """
    return np.asarray(own, np.float64).mean(-1)


def moment_score(own: NDArray[np.floating], opposite: NDArray[np.floating]) -> float:
    """Of one moment.

    Args:
        own: (v,) calibrated log-odds of "yes" to the instruction, by view.
        opposite: (v, o) of "yes" to each of its opposites; o may be 0.
    """
    return float(min(own.min(), (-opposite).min(initial=math.inf)))


def scores(own: Array, opposite: Array, rule: LookRule, views: Sequence[str]) -> Array:
    """(T,) log-odds of the look that agrees least, at each moment of an attempt.

    Args:
        own: (T, V) calibrated log-odds of "yes" to the instruction.
        opposite: (T, V, o) of "yes" to each of its opposites.
        rule: which looks count.
        views: names of the V views, in their order.

    Raises:
        ValueError: answers through another number of views.
    """
    if own.shape[1] != len(views):
        raise ValueError(f"answers through {own.shape[1]} views, and not {', '.join(views)}")
    chosen = [views.index(view) for view in rule.views]
    against = opposite[:, chosen] if rule.reverse else opposite[:, chosen, :0]
    agreed = Agreement(rule)
    return np.array(
        [agreed.score(mine, other) for mine, other in zip(own[:, chosen], against, strict=True)]
    )


class Agreement:
    """The looks of one attempt, moment by moment."""

    def __init__(self, rule: LookRule) -> None:
        """Nothing was seen yet."""
        self._recent: deque[float] = deque(maxlen=rule.frames)
        self._frames = rule.frames

    def score(self, own: NDArray[np.floating], opposite: NDArray[np.floating]) -> float:
        """Takes in one moment; as `moment_score`, over the last images."""
        self._recent.append(moment_score(own, opposite))
        return min(self._recent) if len(self._recent) == self._frames else NEVER

    def begin(self) -> None:
        """Another attempt: what was seen before does not count."""
        self._recent.clear()

    def save(self) -> list[float]:
        """The last moments."""
        return [*self._recent]

    def restore(self, moments: Sequence[float]) -> None:
        """Goes on with saved moments."""
        self._recent.clear()
        self._recent.extend(moments)
