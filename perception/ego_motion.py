"""How a vehicle has moved from one frame to the next, from what it senses itself.

Gyroscope and velocity, summed over the few samples between two frames: the drift of a tenth of a
second is far below a pixel. Optical flow is late, so of each moment the velocity is taken that came
in a little after it, and for the newest moments the newest there is.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LATE_SAMPLES = 2  # by which velocity lags behind the gyroscope; 40 ms at 50 Hz
MOST_SAMPLES = 100  # kept between two frames; what is older than 2 s is of no use
LONGEST_S = 0.25  # between two frames or samples; after a longer gap the way is not known
NS_PER_S = 1_000_000_000


class Motion(NamedTuple):
    """Pose of a later moment in the frame of an earlier one."""

    rotation: Array  # (3, 3)
    translation_m: Array  # (3,)

    def then(self, later: "Motion") -> "Motion":
        """This motion and one that follows it."""
        return Motion(
            self.rotation @ later.rotation, self.translation_m + self.rotation @ later.translation_m
        )


STILL = Motion(np.eye(3), np.zeros(3))


class _Sample(NamedTuple):
    captured_ns: int
    gyro_rad_s: Array  # (3,)
    velocity_b_m_s: Array  # (3,)


class EgoMotion:
    """Told each sample, asked at each frame."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=MOST_SAMPLES)
        self._frame_ns: int | None = None

    def sense(
        self, captured_ns: int, gyro_rad_s: Sequence[float], velocity_b_m_s: Sequence[float]
    ) -> None:
        """One sample of the vehicle's own sensing, body frame (x forward, y left, z up)."""
        self._samples.append(_Sample(captured_ns, np.array(gyro_rad_s), np.array(velocity_b_m_s)))

    def since_last(self, captured_ns: int) -> Motion | None:
        """Motion of the body since the frame asked for before; None when it is not known."""
        before_ns, self._frame_ns = self._frame_ns, captured_ns
        samples = list(self._samples)
        while len(self._samples) > LATE_SAMPLES and self._samples[0].captured_ns < captured_ns:
            self._samples.popleft()
        if before_ns is None or not 0 < captured_ns - before_ns <= LONGEST_S * NS_PER_S:
            return None
        if not samples or abs(captured_ns - samples[-1].captured_ns) > LONGEST_S * NS_PER_S:
            return None
        return _summed(samples, before_ns, captured_ns)


def _summed(samples: list[_Sample], from_ns: int, to_ns: int) -> Motion:
    motion = STILL
    at_ns = from_ns
    for number, sample in enumerate(samples):
        if sample.captured_ns <= from_ns:
            continue
        end_ns = min(sample.captured_ns, to_ns)
        if end_ns <= at_ns:
            break
        step_s = (end_ns - at_ns) / NS_PER_S
        at_ns = end_ns
        seen = samples[min(number + LATE_SAMPLES, len(samples) - 1)]
        turned, _ = cv2.Rodrigues(sample.gyro_rad_s * step_s)
        motion = motion.then(Motion(np.asarray(turned, np.float64), seen.velocity_b_m_s * step_s))
    return motion.then(_held(samples[-1], (to_ns - at_ns) / NS_PER_S))


def _held(sample: _Sample, step_s: float) -> Motion:
    """What is sensed goes on for a while."""
    turned, _ = cv2.Rodrigues(sample.gyro_rad_s * step_s)
    return Motion(np.asarray(turned, np.float64), sample.velocity_b_m_s * step_s)
