"""Left frames to one number, learned in flight: a shell over the texton student of the paper.

It stands where the network stands (`robot/nodes/mono.py`), but needs no learner beside it: to learn
is to remember, so it does that between two frames. `perception/texton_student.py` is what it calls.

What goes out is a reading as stereo gives it, of which only two fields are measured:

    proximity_px    the estimate, smoothed over 4 frames
    corridor_m      obstacle_m x threshold / estimate: shorter than obstacle_m exactly where the
                    estimate is above its own threshold, which is what "obstacle" means to it
    corridor_seen   1: the number is about the whole frame
    sector_valid    0, and sectors_per_m 0: nobody may take it for a measurement to one side

The handover's orders come a frame late. When it begins to ask for a student, or sends one back to
TRAIN, the next moment at which nothing is near is a lesson; as long as it goes on asking, the
paper's rule decides: judged every 500 frames, learned anew if misses or false alarms are too many.
When it orders no labels and no training, nothing changes any more. `version` in the status counts
what was learned.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from perception.calibration import StereoRig, calibration_hash
from perception.handover import Stage
from perception.persistent import Lesson
from perception.proximity import ProximityConfig
from perception.quantities import InputError, Proximity
from perception.texton_dictionary import load_dictionary
from perception.texton_label import LabelConfig, label_px
from perception.texton_package import TextonMemory, read_textons
from perception.texton_student import Sight, TextonConfig, TextonStudent, warm_up
from perception.textons import TextonDictionary
from robot.config import RobotConfig
from robot.messages import (
    HandoverState,
    MonoStatus,
    ProximityReading,
    RigCalibration,
    StereoFrame,
)
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output
from robot.nodes.mono import blind_reading
from robot.nodes.stereo import rig_of

WAITING_FRAMES = 8  # without the teacher's answer, before the oldest is let go


@dataclass(frozen=True)
class TextonsConfig:
    """Parameters of a textons node."""

    package: str = ""  # of a student to begin with (reflexarc export textons); empty: none
    intensity: str = ""  # file of a texton dictionary to use; empty: learned from the first frames
    gradient: str = ""  # its other half
    obstacle_m: float = 1.0  # m, the handover's
    label: LabelConfig = field(default_factory=LabelConfig)
    student: TextonConfig = field(default_factory=TextonConfig)

    def __post_init__(self) -> None:
        if not self.obstacle_m > 0:
            raise InputError(f"obstacle_m = {self.obstacle_m} must be above 0")
        if bool(self.intensity) != bool(self.gradient):
            raise InputError("intensity and gradient are halves of one dictionary; give both")
        if self.package and self.intensity:
            raise InputError("a package has its own dictionary; give package, or the two files")


class _Waiting(NamedTuple):
    """A frame that the teacher has not answered yet."""

    captured_ns: int
    sight: Sight


class TextonsNode(Node[TextonsConfig]):
    """Sees, is taught, learns when it is asked to."""

    inputs = {
        "calibration": Input(RigCalibration, wakes=False),
        "frame": Input(StereoFrame),
        "teacher": Input(ProximityReading, required=False, wakes=False),
        "orders": Input(HandoverState, required=False, wakes=False),
    }
    outputs = {"status": Output(MonoStatus), "proximity": Output(ProximityReading)}
    Config = TextonsConfig

    @classmethod
    def is_played_back(cls, config: TextonsConfig, robot: RobotConfig) -> bool:
        """What it reads from files is not in the log; what it learns in flight is."""
        del robot
        return bool(config.package or config.intensity)

    def __init__(self, config: TextonsConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        self._calibration = ""
        self._student: TextonStudent | None = None
        self._package = ""
        self._waiting: deque[_Waiting] = deque(maxlen=WAITING_FRAMES)
        self._orders: HandoverState | None = None
        self._is_owed = False
        self._labels = self._lessons = 0
        if "rig" in context.robot.tables:
            warm_up()
            self._meet(context.robot.rig)

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Says what each new frame looks like, then learns from what the teacher says of it."""
        del now_ns
        calibration = inputs.newest("calibration")
        if calibration is not None:
            self._meet(rig_of(calibration))
        for orders in inputs.all("orders"):
            self._obey(orders)
        emissions: list[Emission] = []
        if self._student is None:
            return emissions
        for frame in inputs.all("frame"):
            emissions += self._see(self._student, frame)
        for reading in inputs.all("teacher"):
            self._teach(self._student, reading)
        return emissions

    def gauges(self) -> dict[str, float]:
        """How far it is."""
        known = {} if self._student is None else _described(self._student)
        return {"labels": float(self._labels), "lessons": float(self._lessons), **known}

    def _meet(self, rig: StereoRig) -> None:
        """Begins behind this camera; what was learned behind another is of no use."""
        calibration = calibration_hash(rig)
        if calibration == self._calibration:
            return
        self._calibration = calibration
        start = self._start(rig)
        self._package = start.sha256 if isinstance(start, TextonMemory) else ""
        self._student = TextonStudent(
            rig.left.width, rig.left.height, self.config.student, self.context.rng(), start
        )
        self._waiting.clear()

    def _start(self, rig: StereoRig) -> TextonDictionary | TextonMemory | None:
        config = self.config
        if config.package:
            return read_textons(config.package, rig)
        if config.intensity:
            return load_dictionary(Path(config.intensity), Path(config.gradient))
        return None

    def _obey(self, orders: HandoverState) -> None:
        """A student is owed from the frame in which one is asked for anew."""
        before, self._orders = self._orders, orders
        wants = orders.trains and orders.wants_student
        is_anew = before is None or not before.wants_student
        is_sent_back = orders.stage == Stage.TRAIN.value and orders.changed
        self._is_owed = wants and (self._is_owed or is_anew or is_sent_back)

    def _see(self, student: TextonStudent, frame: StereoFrame) -> list[Emission]:
        if frame.left.size == 0:
            blind = blind_reading(frame.captured_ns, ProximityConfig.sectors)
            return [("status", self._status(student, frame)), ("proximity", blind)]
        sight = student.see(frame.left)
        self._waiting.append(_Waiting(frame.captured_ns, sight))
        status = self._status(student, frame)
        return [("status", status), ("proximity", self._reading(student, frame, sight))]

    def _reading(
        self, student: TextonStudent, frame: StereoFrame, sight: Sight
    ) -> ProximityReading:
        sectors = ProximityConfig.sectors
        estimate_px, threshold_px = sight.estimate.px, student.threshold_px
        if math.isnan(estimate_px) or math.isnan(threshold_px):
            return blind_reading(frame.captured_ns, sectors)
        return ProximityReading(
            captured_ns=frame.captured_ns,
            valid=frame.valid,
            proximity_px=estimate_px,
            sectors_per_m=np.zeros(sectors, np.float32),
            sector_valid=np.zeros(sectors, np.float32),
            corridor_m=corridor_m(estimate_px, threshold_px, self.config.obstacle_m),
            corridor_seen=1.0,
        )

    def _status(self, student: TextonStudent, frame: StereoFrame) -> MonoStatus:
        rate = student.false_alarm_rate
        is_as_given = self._lessons == 0
        return MonoStatus(
            captured_ns=frame.captured_ns,
            valid=student.version > 0,
            trusted=0.0 if math.isnan(rate) else 1.0 - rate,
            version=student.version,
            frames=student.known_frames,
            package=self._package if is_as_given else "",
            parent="" if is_as_given else self._package,
            swaps=self._lessons,
            refused=0,
            rollbacks=0,
        )

    def _teach(self, student: TextonStudent, reading: ProximityReading) -> None:
        """Hands the teacher's answer to the frame that it is about; those before got none."""
        while self._waiting and self._waiting[0].captured_ns < reading.captured_ns:
            self._waiting.popleft()
        if not self._waiting or self._waiting[0].captured_ns != reading.captured_ns:
            return
        label_px = self._label_px(reading)
        lesson = self._lesson()
        self._labels += lesson.labels and not math.isnan(label_px)
        if student.teach(self._waiting.popleft().sight, label_px, lesson):
            self._lessons += 1
            self._is_owed = False

    def _label_px(self, reading: ProximityReading) -> float:
        """What is to be learned of a frame, px; NaN where the teacher does not know."""
        if not reading.valid:
            return math.nan
        near = Proximity(**{name: getattr(reading, name) for name in Proximity._fields})
        config = self.config
        return label_px(near, config.label, config.student.learning.obstacle_px, config.obstacle_m)

    def _lesson(self) -> Lesson:
        """Without a handover it is the paper's loop alone."""
        orders = self._orders
        if orders is None:
            return Lesson()
        return Lesson(orders.labels, orders.trains and orders.wants_student, self._is_owed)


def corridor_m(estimate_px: float, threshold_px: float, obstacle_m: float) -> float:
    """A free way in m that is shorter than `obstacle_m` exactly where the estimate is above."""
    if estimate_px > threshold_px:
        shorter_m = math.nextafter(obstacle_m, 0)
        return min(obstacle_m * threshold_px / estimate_px, shorter_m)
    if estimate_px <= 0:
        return math.inf
    return max(obstacle_m * threshold_px / estimate_px, obstacle_m)


def _described(student: TextonStudent) -> dict[str, float]:
    numbers = {
        "known_frames": float(student.known_frames),
        "threshold_px": student.threshold_px,
        "learned_fpr": student.false_alarm_rate,
        "ready": float(student.loop.ready),
    }
    return {name: value for name, value in numbers.items() if not math.isnan(value)}
