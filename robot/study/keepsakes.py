"""A few frames of a flight, kept with the truth, on which every package of that flight is judged.

Reservoir sampling (Vitter 1985, algorithm R) keeps each frame of a phase with the same chance,
however long the phase lasts. Frames that no learner saw make the curve of a network's error over
its updates, and tell what a network still knows of a room that it has left.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perception.mono import MonoEye, upsampled
from perception.quantities import FloatArray
from robot.study.tally import Errors, is_judged


class Kept(NamedTuple):
    """Frames with what stereo and the truth say on the judge's grid."""

    left: npt.NDArray[np.uint8]  # (n, H, W) as the camera gave it
    teacher_per_m: FloatArray  # (n, h, w) inverse depth, NaN where it does not trust itself
    true_per_m: FloatArray  # (n, h, w)


class Keepsakes:
    """At most so many frames, each of those offered as likely as any other."""

    def __init__(self, most: int, rng: np.random.Generator) -> None:
        self._most, self._rng = most, rng
        self._offered = 0
        self._frames: list[tuple[np.ndarray, ...]] = []

    def offer(self, left: np.ndarray, teacher_per_m: FloatArray, true_per_m: FloatArray) -> None:
        """One frame; copied if it is kept."""
        self._offered += 1
        row = len(self._frames)
        if row == self._most:
            row = int(self._rng.integers(self._offered))
        if row >= self._most:
            return
        frame = tuple(np.array(array) for array in (left, teacher_per_m, true_per_m))
        self._frames[row : row + 1] = [frame]

    def write(self, path: Path) -> None:
        """As .npz; nothing if no frame was kept."""
        if self._frames:
            arrays = (np.stack(column) for column in zip(*self._frames, strict=True))
            np.savez(path, **Kept(*arrays)._asdict())


def read_kept(path: Path) -> Kept | None:
    """The frames of a flight; None if none were kept."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return Kept(*(arrays[name] for name in Kept._fields))


def errors_of(eye: MonoEye, kept: Kept) -> Errors:
    """Of a network against the truth, on the pixels that the teacher trusts."""
    errors = Errors()
    for left, teacher, true in zip(*kept, strict=True):
        student = upsampled(eye.infer(left)).inverse_depth_per_m
        step = -(-student.shape[0] // teacher.shape[0])
        student = student[::step, ::step]
        known = ~np.isnan(teacher) & is_judged(true)
        errors.add(true[known], student[known])
    return errors


def teacher_errors(kept: Kept) -> Errors:
    """Of the teacher itself, on the same pixels."""
    errors = Errors()
    known = ~np.isnan(kept.teacher_per_m) & is_judged(kept.true_per_m)
    errors.add(kept.true_per_m[known], kept.teacher_per_m[known])
    return errors
