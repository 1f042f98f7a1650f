"""A recording to a texton student's package: what one flight taught, for the next."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from perception.calibration import StereoRig, calibration_hash
from perception.geometry import Rectifier, disparity_range_px
from perception.matcher import make_matcher
from perception.model_package import ModelPackage
from perception.persistent import Lesson
from perception.proximity import ProximityConfig, measure_proximity
from perception.quantities import GreyImage, InputError
from perception.stereo import StereoTeacher
from perception.texton_export import export_textons
from perception.texton_label import label_px
from perception.texton_student import TextonConfig, TextonStudent
from robot.nodes.stereo import StereoNodeConfig
from robot.nodes.textons import TextonsConfig
from robot.stereo_pairs import open_stereo_pairs

PARITY_FRAMES = 20  # newest ones, on which the package must answer as the student does
LEAST_FRAMES = 50  # labelled ones; fewer show neither a room nor an approach


class TextonLessonError(InputError):
    """A recording from which no texton student can be had."""


def export_lesson(data: Path, out: Path, progress: Callable[[float], None]) -> ModelPackage:
    """Shows a student each pair of a recording with stereo's answer, and writes what it learned.

    Only the newest `TextonConfig.memory_frames` are learned, as in flight.

    Args:
        data: a run folder, a log, or a EuRoC/ASL folder.
        out: the package.
        progress: told the number of pairs done.

    Raises:
        InputError: the recording cannot be read or teaches nothing, or the package not written.
    """
    rig, frames = _labelled(data, progress)
    config = replace(TextonConfig(), dictionary_frames=min(500, len(frames)))
    student = TextonStudent(rig.left.width, rig.left.height, config, np.random.default_rng(0))
    for image, near_px in frames:
        student.teach(student.see(image), near_px, Lesson(may_learn=False))
    student.learn()
    assert student.features is not None  # noqa: S101 - there were enough frames for a dictionary
    if student.version == 0:
        raise TextonLessonError(
            f"{data}: {len(frames)} frames show no obstacle beside free ones, so there is no "
            "threshold between them; record a longer flight"
        )
    extra = {
        "frames": len(frames),
        "threshold_px": student.threshold_px,
        "learned_fpr": student.false_alarm_rate,
    }
    newest = [image for image, _ in frames][-PARITY_FRAMES:]
    return export_textons(
        out,
        student.features,
        student.known,
        newest,
        calibration_hash=calibration_hash(rig),
        extra=extra,
    )


def _labelled(
    data: Path, progress: Callable[[float], None]
) -> tuple[StereoRig, list[tuple[GreyImage, float]]]:
    """The rig, and the newest left images that stereo could label, px."""
    rig, pairs = open_stereo_pairs(data)
    teacher, node = _teacher(rig), TextonsConfig()
    obstacle_px = node.student.learning.obstacle_px
    frames: deque[tuple[GreyImage, float]] = deque(maxlen=TextonConfig.memory_frames)
    for count, images in enumerate(pairs, 1):
        near = measure_proximity(teacher.infer(images), teacher.view, ProximityConfig())
        near_px = label_px(near, node.label, obstacle_px, node.obstacle_m)
        if not math.isnan(near_px):
            frames.append((np.array(images.left), near_px))
        progress(count)
    if len(frames) < LEAST_FRAMES:
        raise TextonLessonError(
            f"{data}: stereo labels {len(frames)} frames; needed: {LEAST_FRAMES}; record longer"
        )
    return rig, list(frames)


def _teacher(rig: StereoRig) -> StereoTeacher:
    """As the stereo node has it."""
    reach_px = disparity_range_px(Rectifier(rig).view, StereoNodeConfig.nearest_m)
    return StereoTeacher(rig, make_matcher("sgbm", {"num_disparities": reach_px}))
