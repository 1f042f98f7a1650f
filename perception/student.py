"""Who learns from the teacher: what the learning loop asks of it, and the paper's student.

A network can stand where `KnnStudent` stands; the loop in `perception/persistent.py` and the state
machine know the protocol only.
"""

import math
from collections import deque
from typing import Protocol, TypeVar

import numpy as np

from perception.neighbours import CAPACITY, NEIGHBOURS, NearestNeighbours, PairMemory, Pairs
from perception.obstacle_rates import Judged
from perception.quantities import FloatArray
from perception.textons import FEATURES

Cue = TypeVar("Cue", contravariant=True)


class Student(Protocol[Cue]):
    """Learns from pairs to tell the teacher's proximity from another cue.

    The cue is what it sees: the 21 numbers of a frame, or the frame itself.
    """

    def predict(self, cue: Cue) -> float:
        """Proximity in px, unsmoothed; NaN before it has learned anything."""
        ...

    def remember(self, cue: Cue, teacher_px: float) -> None:
        """Keeps one example. It changes no prediction before `relearn`."""
        ...

    def relearn(self) -> Judged | None:
        """Learns from all it remembers.

        Returns:
            Estimates of the remembered frames, each made as if those around it were not known;
            None from a student that cannot do that. Then the estimates stand that it made in
            flight, before it learned those frames.
        """
        ...


class KnnStudent:
    """The paper's student: the mean of the five nearest of the last 4,500 frames."""

    def __init__(
        self,
        dimensions: int = FEATURES,
        capacity: int = CAPACITY,
        k: int = NEIGHBOURS,
        left_out: int = 20,
    ) -> None:
        """An empty memory.

        Args:
            dimensions: numbers in a feature.
            capacity: pairs that it remembers.
            k: neighbours that it takes the mean of.
            left_out: pairs before and after a frame, 2 s at 10 Hz each, that `relearn` hides when
                it estimates that frame.
        """
        self._memory = PairMemory(dimensions, capacity)
        self._k, self._left_out = k, left_out
        empty = Pairs(np.zeros((0, dimensions), np.float32), np.zeros(0, np.float32))
        self.known = NearestNeighbours(empty, k)

    def predict(self, cue: FloatArray) -> float:
        """Proximity in px of a feature (D,)."""
        return self.known.predict(cue)

    def remember(self, cue: FloatArray, teacher_px: float) -> None:
        """Overwrites the oldest pair when the memory is full."""
        self._memory.append(cue, teacher_px)

    def relearn(self) -> Judged:
        """From now on predicts from all that is remembered at this moment.

        With a full memory the estimates take about 0.4 s: not for a process that steers.
        """
        self.known = NearestNeighbours(self._memory.pairs(), self._k)
        estimates = self.known.predict_left_out(self._left_out)
        return Judged(smooth(estimates), self.known.pairs.teacher_px)


class MovingAverage:
    """The mean of the last few values."""

    def __init__(self, width: int) -> None:
        self._last: deque[float] = deque(maxlen=width)

    def step(self, value: float) -> float:
        """The mean with this value; NaN, which is not kept, for NaN."""
        if math.isnan(value):
            return math.nan
        self._last.append(value)
        return math.fsum(self._last) / len(self._last)


SMOOTHING = 4  # frames, of estimate and teacher alike


def smooth(values: FloatArray, width: int = SMOOTHING) -> FloatArray:
    """The moving average over a whole series, (n,)."""
    average = MovingAverage(width)
    return np.array([average.step(float(value)) for value in values], np.float32)
