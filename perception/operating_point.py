"""How cautious a student must be, and how much its doubt means: measured on frames new to it.

A network that learns in flight changes by the minute, and with it the threshold at which it finds
enough obstacles. So the threshold is data, not a constant. Every frame is an exam before it is a
lesson (Dawid 1984, doi 10.2307/2981683: the prequential view): what the student of that moment
says of it is kept beside the teacher's answer, and the newest of these pairs say, by the rule of
van Hecke et al. (arXiv 1603.08047, section on the ROC; true rates, not those of the flight code),
how cautious it must be: of all cautions that find 95 % of the obstacles, the one with the fewest
false alarms. Where few false alarms are the price of finding nearly all, it is more cautious than
that: the next minute may be harder than the last, and braking for nothing costs less than not
braking. A student that does not learn yet is asked later, on frames that are kept from it.

Caution is what is added to the inverse depth that the network sees, in units of the error that it
expects there. Both rates rise with it.

The same frames say how large the real error is beside the expected one. A network that expects
errors twice as large as it makes is distrusted where it is right; one factor mends the mean.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perception.geometry import RectifiedView, depth_from_disparity
from perception.mono import (
    STEADY_FRAMES,
    USUAL_CAUTION,
    MonoConfig,
    MonoDepth,
    depth_of,
    nearer,
    upsampled,
)
from perception.mono_labels import LabelledFrame
from perception.proximity import ProximityConfig, SteadyCorridor, corridor_ahead
from perception.quantities import FloatArray, InputError

See = Callable[[np.ndarray], MonoDepth]
"""Images (N, 1, H, W) uint8 to a prediction of each, arrays (N, H/4, W/4)."""


@dataclass(frozen=True)
class ExamConfig:
    """Which frames count, and what a student must show on them."""

    newest_frames: int = 600  # that count, 60 s at 10 Hz: older ones tell of an older student
    run_frames: int = 20  # kept from a student that does not learn yet, in a row
    every_runs: int = 8  # one run of so many is kept from it
    least_obstacles: int = 40  # frames with one; fewer choose no caution
    least_tpr: float = 0.95  # of the obstacles; the paper's
    most_fpr: float = 0.4  # of the free frames; worse is not fit to be shown. The paper's
    good_tpr: float = 0.99  # is aimed at, while false alarms are few
    few_fpr: float = 0.12  # of the free frames
    usual_caution: float = USUAL_CAUTION  # while too few obstacles were seen to choose
    most_caution: float = 3.0  # expected errors
    caution_steps: int = 30  # between 0 and the most
    least_doubt: float = 0.25  # no factor below: some doubt is right
    most_doubt: float = 4.0
    obstacle_m: float = 1.0  # m, a corridor shorter than this is an obstacle, for both
    steady_frames: int = STEADY_FRAMES  # as the node that flies on it
    mono: MonoConfig = field(default_factory=MonoConfig)
    proximity: ProximityConfig = field(default_factory=ProximityConfig)

    def __post_init__(self) -> None:
        least = ("run_frames", "every_runs", "newest_frames", "least_obstacles", "steady_frames")
        for key in least:
            if getattr(self, key) < 1:
                raise InputError(f"exam.{key} = {getattr(self, key)} must be 1 or more")
        for key in ("least_tpr", "most_fpr", "good_tpr", "few_fpr"):
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


class _Question(NamedTuple):
    """A frame, and what is said of it."""

    image: npt.NDArray[np.uint8]  # (1, H, W)
    teacher_per_m: FloatArray  # (H, W), 1/m, NaN where the teacher does not trust itself
    is_obstacle: bool  # by the teacher
    answer: MonoDepth | None  # the student's, before it learned from the frame; None: ask later


class Examiner:
    """Keeps frames with what was said of them, and judges students on them."""

    def __init__(self, view: RectifiedView, config: ExamConfig | None = None) -> None:
        """Nothing kept yet; `view` is the fitted one of frames and predictions."""
        self._view, self.config = view, config or ExamConfig()
        self._kept: deque[_Question] = deque(maxlen=self.config.newest_frames)

    def __len__(self) -> int:
        return len(self._kept)

    def wants(self, number: int) -> bool:
        """Whether the frame of this number is to be kept from a student that does not learn yet."""
        config = self.config
        return number // config.run_frames % config.every_runs == config.every_runs - 1

    def keep(self, frame: LabelledFrame, answer: MonoDepth | None = None) -> None:
        """Takes a frame of the left eye with the teacher's dense answer; the oldest leaves.

        Args:
            frame: that the student has not learned from.
            answer: what it says of the frame, (H/4, W/4) each; None: the one who is judged is
                asked, and must not have learned from it by then.
        """
        view = self._view
        disparity_px = frame.teacher_per_m * np.float32(view.focal_px * view.baseline_m)
        distance_m = self._corridor_m(depth_from_disparity(disparity_px, view))
        is_obstacle = distance_m < self.config.obstacle_m
        self._kept.append(_Question(frame.image, frame.teacher_per_m, is_obstacle, answer))

    def forget(self) -> None:
        """What was asked before was asked elsewhere."""
        self._kept.clear()

    def judge(self, see: See) -> Exam:
        """What a student shows on the frames kept; `see` is asked where no answer is there."""
        config = self.config
        if not self._kept:
            return Exam(0, 0, config.usual_caution, np.nan, np.nan, 1.0, is_fit=False)
        answers = self._answers(see)
        doubt = self._doubt(answers)
        honest = [MonoDepth(mono[0], mono[1] * np.float32(doubt)) for mono in answers]
        taught = np.array([question.is_obstacle for question in self._kept])  # (n,)
        enough = int(taught.sum()) >= config.least_obstacles
        caution = self._caution(honest, taught) if enough else config.usual_caution
        said = self._said(honest, caution)
        tpr, fpr = _rate(said[taught]), _rate(said[~taught])
        is_fit = enough and tpr >= config.least_tpr and fpr <= config.most_fpr
        return Exam(len(taught), int(taught.sum()), caution, tpr, fpr, doubt, is_fit)

    def _answers(self, see: See) -> list[MonoDepth]:
        """One per frame kept."""
        unasked = [question.image for question in self._kept if question.answer is None]
        later = iter(map(MonoDepth, *see(np.stack(unasked))) if unasked else ())
        return [q.answer if q.answer is not None else next(later) for q in self._kept]

    def _caution(self, answers: list[MonoDepth], taught: npt.NDArray[np.bool_]) -> float:
        """The least that finds nearly all at few false alarms, or else the least that finds enough.

        The most of the grid if none finds enough.
        """
        config = self.config
        steps = config.caution_steps
        step = config.most_caution / steps
        looks: dict[int, npt.NDArray[np.bool_]] = {}

        def rate(number: int, frames: npt.NDArray[np.bool_]) -> float:
            if number not in looks:
                looks[number] = self._said(answers, number * step)
            return _rate(looks[number][frames])

        enough = _first(lambda number: rate(number, taught) >= config.least_tpr, 0, steps)
        good = _first(lambda number: rate(number, taught) >= config.good_tpr, enough, steps)
        many = _first(lambda number: rate(number, ~taught) > config.few_fpr, enough, good + 1)
        return max(enough, many - 1) * step

    def _said(self, answers: list[MonoDepth], caution: float) -> npt.NDArray[np.bool_]:
        """In which frames (n,) the student says obstacle, one after the other as in flight."""
        config, corridor = self.config, SteadyCorridor(self.config.steady_frames)
        return np.array(
            [
                corridor.step(
                    self._corridor_m(
                        depth_of(nearer(mono, caution), self._view, config.mono).depth_m
                    )
                )
                < config.obstacle_m
                for mono in answers
            ]
        )

    def _doubt(self, answers: list[MonoDepth]) -> float:
        """Mean real error over mean expected error, where the teacher trusts itself."""
        real = expected = 0.0
        for question, mono in zip(self._kept, answers, strict=True):
            known = ~np.isnan(question.teacher_per_m)
            dense = upsampled(mono)
            found = dense.inverse_depth_per_m[known]
            real += float(np.abs(found - question.teacher_per_m[known]).sum(dtype=np.float64))
            expected += float(dense.scale_per_m[known].sum(dtype=np.float64))
        if not expected:
            return 1.0
        return float(np.clip(real / expected, self.config.least_doubt, self.config.most_doubt))

    def _corridor_m(self, depth_m: FloatArray) -> float:
        return corridor_ahead(depth_m, self._view, self.config.proximity)[0]


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first number from `low` on for which it holds, if from there on it does; else `high`.

    Found by halving: what rises with caution needs five looks, not thirty.
    """
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _rate(said: npt.NDArray[np.bool_]) -> float:
    """The part of the frames (n,) in which it says obstacle; NaN of none."""
    return float(np.mean(said)) if said.size else np.nan
