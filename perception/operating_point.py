"""How cautious a student must be, and how much its doubt means: measured on frames kept back.

A network that learns in flight changes by the minute, and with it the threshold at which it finds
enough obstacles. So the threshold is data, not a constant: a part of the frames is never learned
from, and before a student goes to the robot they say, by the rule of van Hecke et al. (arXiv
1603.08047, section on the ROC; true rates, not those of the flight code), how cautious it must be:
of all cautions that find 95 % of the obstacles, the one with the fewest false alarms.

Caution is what is added to the inverse depth that the network sees, in units of the error that it
expects there. The rates rise with it, so the least caution that finds enough is the answer.

The same frames say how large the real error is beside the expected one. A network that expects
errors twice as large as it makes is distrusted where it is right; one factor mends the mean.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from perception.geometry import RectifiedView, depth_from_disparity
from perception.mono import USUAL_CAUTION, MonoConfig, MonoDepth, depth_of, nearer, upsampled
from perception.mono_labels import LabelledFrame
from perception.proximity import ProximityConfig, corridor_ahead
from perception.quantities import FloatArray, InputError

See = Callable[[np.ndarray], MonoDepth]
"""Images (N, 1, H, W) uint8 to a prediction of each, arrays (N, H/4, W/4)."""


@dataclass(frozen=True)
class ExamConfig:
    """Which frames are kept back, and what a student must show on them."""

    run_frames: int = 20  # kept back in a row, 2 s at 10 Hz: the neighbour of a frame is the same
    every_runs: int = 8  # one run of so many is kept back
    newest_frames: int = 400  # kept back and not too old to count
    least_obstacles: int = 40  # frames with one; fewer choose no caution
    least_tpr: float = 0.95  # of the obstacles; the paper's
    most_fpr: float = 0.4  # of the free frames; worse is not fit to be shown. The paper's
    usual_caution: float = USUAL_CAUTION  # while too few obstacles were seen to choose
    most_caution: float = 3.0  # expected errors
    caution_steps: int = 30  # between 0 and the most
    least_doubt: float = 0.25  # no factor below: some doubt is right
    most_doubt: float = 4.0
    obstacle_m: float = 1.0  # m, a corridor shorter than this is an obstacle, for both
    mono: MonoConfig = field(default_factory=MonoConfig)
    proximity: ProximityConfig = field(default_factory=ProximityConfig)

    def __post_init__(self) -> None:
        for key in ("run_frames", "every_runs", "newest_frames", "least_obstacles"):
            if getattr(self, key) < 1:
                raise InputError(f"exam.{key} = {getattr(self, key)} must be 1 or more")
        for key in ("least_tpr", "most_fpr"):
            if not 0 <= getattr(self, key) <= 1:
                raise InputError(f"exam.{key} = {getattr(self, key)} must be 0 to 1")


class Exam(NamedTuple):
    """What a student showed, and how it is to be flown on."""

    frames: int  # that it was judged on
    obstacles: int  # of them
    caution: float  # to fly with
    tpr: float  # 0..1 at that caution; NaN if nothing was to be judged
    fpr: float  # 0..1 likewise
    doubt: float  # real error over the expected one, means; a factor for its scale
    is_fit: bool  # it finds enough, with few enough false alarms

    def described(self) -> dict[str, float]:
        """For a manifest: plain numbers, without those that are not there."""
        numbers = {name: float(value) for name, value in self._asdict().items()}
        return {name: value for name, value in numbers.items() if np.isfinite(value)}


class Examiner:
    """Keeps frames back and judges students on them."""

    def __init__(self, view: RectifiedView, config: ExamConfig | None = None) -> None:
        """Nothing kept yet; `view` is the fitted one of frames and predictions."""
        self._view, self.config = view, config or ExamConfig()
        self._kept: deque[tuple[LabelledFrame, bool]] = deque(maxlen=self.config.newest_frames)

    def __len__(self) -> int:
        return len(self._kept)

    def wants(self, number: int) -> bool:
        """Whether the frame of this number is to be kept back: the last run of each few."""
        config = self.config
        return number // config.run_frames % config.every_runs == config.every_runs - 1

    def keep(self, frame: LabelledFrame) -> None:
        """Takes a frame of the left eye with the teacher's dense answer; the oldest leaves."""
        view = self._view
        disparity_px = frame.teacher_per_m * np.float32(view.focal_px * view.baseline_m)
        self._kept.append((frame, self._is_obstacle(depth_from_disparity(disparity_px, view))))

    def judge(self, see: See) -> Exam:
        """What a student shows on the frames kept back."""
        config = self.config
        if not self._kept:
            return Exam(0, 0, config.usual_caution, np.nan, np.nan, 1.0, is_fit=False)
        frames, taught = zip(*self._kept, strict=True)
        seen = see(np.stack([frame.image for frame in frames]))
        doubt = self._doubt(frames, seen)
        honest = [
            MonoDepth(inverse, scale * np.float32(doubt))
            for inverse, scale in zip(*seen, strict=True)
        ]
        obstacles = [mono for mono, is_one in zip(honest, taught, strict=True) if is_one]
        free = [mono for mono, is_one in zip(honest, taught, strict=True) if not is_one]
        enough = len(obstacles) >= config.least_obstacles
        caution = self._least_caution(obstacles) if enough else config.usual_caution
        tpr, fpr = self._rate(obstacles, caution), self._rate(free, caution)
        is_fit = enough and tpr >= config.least_tpr and fpr <= config.most_fpr
        return Exam(len(frames), len(obstacles), caution, tpr, fpr, doubt, is_fit)

    def _least_caution(self, obstacles: list[MonoDepth]) -> float:
        """The least caution of the grid that finds enough; the most if none does.

        Found by halving: a rate that rises with caution needs five looks, not thirty.
        """
        config = self.config
        step = config.most_caution / config.caution_steps
        low, high = 0, config.caution_steps
        while low < high:
            middle = (low + high) // 2
            if self._rate(obstacles, middle * step) >= config.least_tpr:
                high = middle
            else:
                low = middle + 1
        return low * step

    def _rate(self, seen: list[MonoDepth], caution: float) -> float:
        """The part of the frames in which the student says obstacle; NaN of none."""
        config = self.config.mono
        said = [
            self._is_obstacle(depth_of(nearer(mono, caution), self._view, config).depth_m)
            for mono in seen
        ]
        return float(np.mean(said)) if said else np.nan

    def _doubt(self, frames: tuple[LabelledFrame, ...], seen: MonoDepth) -> float:
        """Mean real error over mean expected error, where the teacher trusts itself."""
        real = expected = 0.0
        for frame, inverse, scale in zip(frames, *seen, strict=True):
            known = ~np.isnan(frame.teacher_per_m)
            dense = upsampled(MonoDepth(inverse, scale))
            found = dense.inverse_depth_per_m[known]
            real += float(np.abs(found - frame.teacher_per_m[known]).sum(dtype=np.float64))
            expected += float(dense.scale_per_m[known].sum(dtype=np.float64))
        if not expected:
            return 1.0
        return float(np.clip(real / expected, self.config.least_doubt, self.config.most_doubt))

    def _is_obstacle(self, depth_m: FloatArray) -> bool:
        config = self.config
        distance_m, _ = corridor_ahead(depth_m, self._view, config.proximity)
        return distance_m < config.obstacle_m
