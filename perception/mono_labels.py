"""Frames with the teacher's answer: what a single camera learns from.

Stereo looks at the pair in full resolution; the network gets one image at its own size, and the
answer on its own coarser grid. A cell takes the median of what is known in it, because a mean
over an edge is the depth of nothing.

Both eyes teach. What is near the left rim of the left image is not in the right one, so a network
that learns from left images alone is never told of near things there, and invents them. In the
right image the blind strip is on the other side, and a network cannot tell which eye it looks
through.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perception.calibration import StereoRig
from perception.fitting import Fit
from perception.geometry import Rectifier, disparity_range_px
from perception.matcher import make_matcher
from perception.mono import OUTPUT_STRIDE, MonoModelError, MonoSpec
from perception.quantities import FloatArray, InputError, StereoDepth, StereoImages
from perception.stereo import StereoConfig, StereoTeacher

LEAST_FRAMES = 2  # one to learn from, one to be judged on
LEAST_DISPARITY_PX = 0.5  # px; below, a sixteenth of a pixel is too large a part of the answer
LEAST_KNOWN = 0.25  # of a cell's pixels, to give it an answer


class TooFewFramesError(InputError):
    """A recording that holds too few pairs to learn from."""


class LabelledFrame(NamedTuple):
    """What one eye saw, or N such with a leading axis, in the fitted view of that eye."""

    image: npt.NDArray[np.uint8]  # (1, H, W), grey
    other: npt.NDArray[np.uint8]  # (1, H, W), what the other eye saw
    side: npt.NDArray[
        np.float32
    ]  # (), 1 for the left eye, -1: x here is x - side * disparity there
    teacher_per_m: FloatArray  # (H, W), 1/m, NaN where stereo does not trust itself
    target_per_m: FloatArray  # (H/4, W/4), 1/m, the same on the network's grid
    weight: FloatArray  # (H/4, W/4), 0..1, the teacher's confidence; 0 where there is no target


class Labeller:
    """Asks stereo about each pair and brings both to the size of the network."""

    def __init__(
        self, rig: StereoRig, spec: MonoSpec, matcher: str = "sgbm", nearest_m: float = 0.3
    ) -> None:
        """Prepares teacher and fit.

        Args:
            rig: that the pairs come from.
            spec: of the network.
            matcher: a row of `perception.matchers`.
            nearest_m: the nearest distance that stereo looks for.

        Raises:
            MonoModelError: if the network is for colour; stereo pairs are grey here.
            FitError: if the camera is smaller than the network's input.
        """
        _require_grey(spec)
        reach = {"num_disparities": disparity_range_px(Rectifier(rig).view, nearest_m)}
        self._matcher = make_matcher(matcher, reach)
        self.teacher = StereoTeacher(rig, self._matcher)
        self._rectifier = Rectifier(rig)
        self._fit = Fit(self.teacher.view, spec.width, spec.height)
        self.view = self._fit.view

    def label(self, images: StereoImages) -> LabelledFrame:
        """What the left eye saw, with its answer.

        Raises:
            ImageError: if the images are not a grey pair of the size of the calibration.
        """
        return self.label_as(images, self.teacher.infer(images))

    def label_as(self, images: StereoImages, depth: StereoDepth) -> LabelledFrame:
        """What the left eye saw, with an answer that the teacher has given elsewhere.

        Args:
            images: the pair.
            depth: of that pair, (H, W) in the rectified left view of this rig.

        Raises:
            ImageError: likewise.
        """
        rectified = self._rectifier.rectify(images)
        sure = ~np.isnan(depth.depth_m)
        return self._frame(rectified, 1.0, depth.disparity_px, np.where(sure, depth.confidence, 0))

    def label_right(self, images: StereoImages) -> LabelledFrame:
        """What the right eye saw, with its answer: seen in a mirror, it is a left eye.

        Raises:
            ImageError: likewise.
        """
        left, right = rectified = self._rectifier.rectify(images)
        mirrored = StereoImages(*(np.ascontiguousarray(i[:, ::-1]) for i in (right, left)))
        disparity_px, confidence = (v[:, ::-1] for v in self._matcher.match(mirrored))
        trusted = self._rectifier.seen_right & (confidence >= StereoConfig.min_confidence)
        swapped = StereoImages(*reversed(rectified))
        return self._frame(swapped, -1.0, disparity_px, np.where(trusted, confidence, 0))

    def _frame(
        self, eyes: StereoImages, side: float, disparity_px: FloatArray, confidence: FloatArray
    ) -> LabelledFrame:
        """One eye's frame from the rectified pair, that eye first."""
        view = self.teacher.view
        sure = (confidence > 0) & (disparity_px >= LEAST_DISPARITY_PX)
        inverse = disparity_px / np.float32(view.focal_px * view.baseline_m)
        teacher = self._fit.values(np.where(sure, inverse, np.float32(np.nan)))
        weight = self._fit.values(np.where(sure, confidence, 0).astype(np.float32))
        image, other = (self._fit.image(eye)[np.newaxis] for eye in eyes)
        return LabelledFrame(
            image, other, np.array(side, np.float32), teacher, *on_grid(teacher, weight)
        )


def stacked(frames: Sequence[LabelledFrame]) -> LabelledFrame:
    """N frames as one, each array with a leading axis.

    Raises:
        TooFewFramesError: if there are fewer than two.
    """
    if len(frames) < LEAST_FRAMES:
        raise TooFewFramesError(
            f"the data hold {len(frames)} stereo pairs; at least {LEAST_FRAMES} are needed: "
            "record a longer flight"
        )
    return LabelledFrame._make(np.stack(arrays) for arrays in zip(*frames, strict=True))


def rows_of(frames: LabelledFrame, rows: npt.NDArray[np.intp]) -> LabelledFrame:
    """The frames of these numbers (n,)."""
    return LabelledFrame._make(array[rows] for array in frames)


def on_grid(teacher_per_m: FloatArray, confidence: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Median and mean confidence per cell of the network's grid.

    Args:
        teacher_per_m: (H, W) 1/m, NaN for unknown.
        confidence: (H, W) 0..1, 0 where unknown.

    Returns:
        Target in 1/m (H/4, W/4), 1 where there is none, and its weight 0..1, 0 there.
    """
    known = ~np.isnan(_cells(teacher_per_m))  # (H/4, W/4, 16)
    enough = known.mean(-1) >= LEAST_KNOWN
    ordered = np.sort(_cells(teacher_per_m), axis=-1)  # NaN last
    middle = np.maximum(known.sum(-1) - 1, 0) // 2
    median = np.take_along_axis(ordered, middle[..., np.newaxis], axis=-1)[..., 0]
    weight = np.where(enough, _cells(confidence).mean(-1), 0)
    return np.where(enough, median, 1).astype(np.float32), weight.astype(np.float32)


def split(count: int, run: int = 50, every: int = 5) -> tuple[npt.NDArray[np.intp], ...]:
    """Numbers of the frames to learn from and of those left out.

    Whole runs are left out: the neighbour of a frame is nearly the frame itself. With few frames
    the runs are shorter; every fifth run, at least one frame, is left out.

    Args:
        count: frames there are, at least 2.
        run: frames of a run.
        every: one run of so many is left out.
    """
    run = max(1, min(run, count // every))
    every = min(every, count)
    left_out = np.arange(count) // run % every == every - 1
    return np.flatnonzero(~left_out), np.flatnonzero(left_out)


def _cells(values: FloatArray) -> FloatArray:
    """(H, W) as (H/4, W/4, 16)."""
    rows, columns = (size // OUTPUT_STRIDE for size in values.shape)
    blocks = values.reshape(rows, OUTPUT_STRIDE, columns, OUTPUT_STRIDE)
    return blocks.swapaxes(1, 2).reshape(rows, columns, -1)


def _require_grey(spec: MonoSpec) -> None:
    if spec.channels != 1:
        raise MonoModelError("stereo pairs are grey; train a network with channels 1")
