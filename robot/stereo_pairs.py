"""Stereo pairs of a recording, whatever recorded them: a run's log, or a EuRoC/ASL folder.

Learning from frames is perception's part and knows no log; here both kinds become a rig and an
iterator of raw pairs, and those the teacher's answers.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from perception.calibration import StereoRig
from perception.cameras.folder import FolderCamera
from perception.geometry import RectifiedView
from perception.mono import MonoSpec
from perception.mono_labels import LabelledFrame, Labeller, stacked
from perception.quantities import InputError, StereoImages
from robot.messages import RigCalibration, StereoFrame
from robot.nodes.stereo import rig_of
from robot.record import LogReader

LOG = "log.mcap"


class StereoDataError(InputError):
    """A recording from which no stereo pairs can be had."""


class StereoPairs(NamedTuple):
    """The pairs of one recording, in the order they were taken."""

    rig: StereoRig
    pairs: Iterator[StereoImages]  # unrectified


def open_stereo_pairs(data: Path) -> StereoPairs:
    """The pairs of a run folder, a log, or a EuRoC/ASL folder; images are read when asked for.

    Raises:
        LogError: if the log is missing or not ours.
        FolderError: if the folder is no recording of a stereo pair.
        StereoDataError: if the recording has no calibration, or a frame does not fit to it.
    """
    if data.is_dir() and not (data / LOG).exists():
        return _of_folder(data)
    return _of_log(data / LOG if data.is_dir() else data)


class Lesson(NamedTuple):
    """A recording with the teacher's answers."""

    rig: StereoRig
    view: RectifiedView  # what a network of that size sees
    frames: LabelledFrame  # N of the left eye, in the order they were taken
    right: LabelledFrame | None  # the same of the right eye, where it was asked for
    sha256: str  # hex, of all left images: tells whether a network has learned from them


def load_lesson(
    data: Path, spec: MonoSpec, progress: Callable[[float], None], *, both: bool = False
) -> Lesson:
    """Reads a recording and asks stereo about each pair.

    Args:
        data: a run folder, a log, or a EuRoC/ASL folder.
        spec: of the network that shall see it.
        progress: told the number of pairs done.
        both: also what the right eye saw, to learn from.

    Raises:
        InputError: the recording cannot be read, holds fewer than two pairs, or does not fit.
    """
    rig, pairs = open_stereo_pairs(data)
    labeller = Labeller(rig, spec)
    frames: list[LabelledFrame] = []
    right: list[LabelledFrame] = []
    digest = hashlib.sha256()
    for images in pairs:
        frames.append(labeller.label(images))
        if both:
            right.append(labeller.label_right(images))
        digest.update(images.left.tobytes())
        progress(len(frames))
    of_right = stacked(right) if both else None
    return Lesson(rig, labeller.view, stacked(frames), of_right, digest.hexdigest())


def _of_folder(folder: Path) -> StereoPairs:
    camera = FolderCamera(folder / "mav0" if (folder / "mav0").is_dir() else folder)
    if camera.rig is None:
        raise StereoDataError(f"{folder} has no sensor.yaml: depth cannot be learned without a rig")
    return StereoPairs(camera.rig, _folder_pairs(camera))


def _folder_pairs(camera: FolderCamera) -> Iterator[StereoImages]:
    for frame in camera.frames:
        stamped = camera.read(frame.captured_ns)
        if stamped is not None:
            yield stamped.images


def _of_log(path: Path) -> StereoPairs:
    reader = LogReader(path)
    for logged in reader.messages(RigCalibration):
        return StereoPairs(rig_of(logged.message), _log_pairs(path, reader, logged.topic))
    raise StereoDataError(
        f"{path} holds no calibration, so no stereo pairs; record a graph with a stereo camera"
    )


def _log_pairs(path: Path, reader: LogReader, calibration_topic: str) -> Iterator[StereoImages]:
    """Frames of the source whose calibration was found first."""
    source = calibration_topic.split("/")[0]
    size: tuple[int, ...] = ()
    for logged in reader.messages(StereoFrame):
        if logged.topic.split("/")[0] != source:
            continue
        frame = logged.message
        if not frame.left.size or not frame.right.size:  # an eye gave nothing: no pair
            continue
        size = size or frame.left.shape
        if not frame.left.shape == frame.right.shape == size:
            sizes = ", ".join(map(_size, (frame.left.shape, frame.right.shape)))
            raise StereoDataError(
                f"{path}: frame {frame.seq} is {sizes} where others are {_size(size)}; learn from "
                "one camera at a time"
            )
        yield StereoImages(frame.left, frame.right)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
