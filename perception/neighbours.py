"""The memory of appearance: what was seen with how near it was, and its nearest neighbours.

k-nearest-neighbour regression over a ring of pairs (van Hecke et al., arXiv 1603.08047: k = 5,
4,500 pairs, the oldest overwritten). It learns by remembering, so nothing has to be trained before
the first flight; a query compares with every pair, in about a tenth of a millisecond.

Pairs lie side by side (feature-major), so that the kernel's inner loop becomes SIMD code. Sums run
in the same order in `nearest_reference`; both agree to the bit.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from perception.kernels import kernel
from perception.quantities import FloatArray

CAPACITY = 4500  # pairs; 7.5 min at 10 Hz
NEIGHBOURS = 5


class Pairs(NamedTuple):
    """Remembered pairs, oldest first."""

    features: FloatArray  # (n, D)
    teacher_px: FloatArray  # (n,), proximity that the teacher measured


class PairMemory:
    """A ring of pairs of a feature and the teacher's proximity."""

    def __init__(self, dimensions: int, capacity: int = CAPACITY) -> None:
        self._features = np.zeros((dimensions, capacity), np.float32)
        self._teacher_px = np.zeros(capacity, np.float32)
        self._written = 0  # pairs ever written

    def __len__(self) -> int:
        return min(self._written, self.capacity)

    @property
    def capacity(self) -> int:
        """The most pairs it holds."""
        return self._teacher_px.size

    def append(self, feature: FloatArray, teacher_px: float) -> None:
        """Remembers one pair; when full, in place of the oldest.

        Args:
            feature: (D,).
            teacher_px: finite proximity in px.
        """
        slot = self._written % self.capacity
        self._features[:, slot] = feature
        self._teacher_px[slot] = teacher_px
        self._written += 1

    def pairs(self) -> Pairs:
        """A copy of all pairs, oldest first."""
        oldest = self._written % self.capacity if self._written > self.capacity else 0
        order = (oldest + np.arange(len(self))) % self.capacity
        return Pairs(self._features[:, order].T.copy(), self._teacher_px[order])


class NearestNeighbours:
    """The regression over a fixed set of pairs: the mean of the k nearest."""

    def __init__(self, pairs: Pairs, k: int = NEIGHBOURS) -> None:
        self.pairs = pairs
        self.k = k
        self._columns = np.ascontiguousarray(pairs.features.T)  # (D, n)

    def predict(self, feature: FloatArray) -> float:
        """Mean proximity of the nearest pairs, px; NaN where there is none.

        Args:
            feature: (D,).
        """
        return self._mean_of(nearest(self._columns, feature, self.k, 0, 0))

    def predict_left_out(self, left_out: int) -> FloatArray:
        """What each pair would be taken for if it and its neighbours in time were not known.

        A pair is its own nearest neighbour, and the frame before it looks nearly the same, so an
        estimate that may use them says nothing about frames to come.

        Args:
            left_out: pairs before and after it in time that may not be used either.

        Returns:
            (n,) px, oldest first; NaN where no pair is left.
        """
        found = nearest_to_each(self._columns, self.k, left_out)  # (n, k)
        means = self.pairs.teacher_px[found].mean(axis=1)
        for i in np.flatnonzero((found < 0).any(axis=1)):
            means[i] = self._mean_of(found[i])
        return means

    def _mean_of(self, found: npt.NDArray[Any]) -> float:
        """Of the pairs (k,), of which those that are -1 are none."""
        found = found[found >= 0]
        return float(self.pairs.teacher_px[found].mean()) if found.size else float("nan")


@kernel
def nearest(
    columns: FloatArray, feature: FloatArray, k: int, skip_from: int, skip_to: int
) -> npt.NDArray[Any]:
    """The k columns nearest to the feature, nearest first; of equal ones the first.

    Args:
        columns: (D, n).
        feature: (D,).
        k: how many.
        skip_from: first column that may not be used.
        skip_to: the column after the last of those.

    Returns:
        (k,) indices, -1 where fewer than k columns are left.
    """
    count = columns.shape[1]
    distances = np.zeros(count, np.float32)
    for d in range(columns.shape[0]):
        here, row = feature[d], columns[d]
        for i in range(count):
            difference = row[i] - here
            distances[i] += difference * difference
    best = np.full(k, -1, np.int64)
    least = np.full(k, np.inf, np.float32)
    for i in range(count):
        if distances[i] < least[k - 1] and not skip_from <= i < skip_to:
            place = k - 1
            while place > 0 and distances[i] < least[place - 1]:
                least[place], best[place] = least[place - 1], best[place - 1]
                place -= 1
            least[place], best[place] = distances[i], i
    return best


@kernel
def nearest_to_each(columns: FloatArray, k: int, left_out: int) -> npt.NDArray[Any]:
    """The k columns nearest to each column, without itself and `left_out` to both sides, (n, k)."""
    count = columns.shape[1]
    found = np.empty((count, k), np.int64)
    for i in range(count):
        feature = columns[:, i].copy()
        found[i] = nearest(columns, feature, k, max(i - left_out, 0), i + left_out + 1)
    return found


def nearest_reference(
    columns: FloatArray, feature: FloatArray, k: int, skip_from: int = 0, skip_to: int = 0
) -> npt.NDArray[np.int64]:
    """The same in NumPy: squared distances, a stable sort, the first k."""
    distances = np.zeros(columns.shape[1], np.float32)
    for row, here in zip(columns, feature, strict=True):
        distances += (row - here) ** 2
    distances[skip_from:skip_to] = np.inf
    order = np.argsort(distances, kind="stable")[:k]
    found = np.full(k, -1, np.int64)
    usable = order[np.isfinite(distances[order])]
    found[: usable.size] = usable
    return found
