"""Learns depth of one camera from stereo, beside a robot that flies.

It remembers frames with the teacher's answer, takes small steps of learning at a fixed rate of the
run's own time, and announces packages when the handover asks for one. It may lose frames, never
hold them up; what it cannot write is lost, counted and said, and the robot flies on by the weights
that it has.
"""

import importlib
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perception.calibration import StereoRig, calibration_hash
from perception.handover import Stage
from perception.model_package import ModelPackage, read_package
from perception.mono import CAUTION, MonoDepth, MonoSpec
from perception.mono_labels import LEAST_FRAMES, LabelledFrame, Labeller, stacked
from perception.mono_trust import TRUST
from perception.operating_point import Exam, ExamConfig, Examiner
from perception.quantities import InputError, StereoDepth, StereoImages
from perception.quarantine import Quarantine
from perception.trust_space import LEAST_FRAMES as LEAST_TRUST_FRAMES
from perception.trust_space import for_manifest, learned_space
from robot.clock import SECOND_NS
from robot.config import RobotConfig
from robot.messages import (
    Alert,
    DepthMap,
    HandoverState,
    RigCalibration,
    StereoFrame,
    Weights,
)
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output, Role
from robot.nodes.stereo import rig_of
from robot.weights import FOLDER, WeightsFolder

PARITY_FRAMES = 2  # newest frames on which an export is compared
TRUST_FRAMES = 200  # of all that are remembered, which the package describes
TRUST_KEPT = 100  # of them it keeps, about 20 kB
WAITING_FRAMES = 8  # without their depth, before the oldest is let go


@dataclass(frozen=True)
class LearnerConfig:
    """Parameters of a learner."""

    width: int = MonoSpec.width  # px of the network's input; at half of it, false alarms double
    height: int = MonoSpec.height  # px
    updates_per_s: float = 10.0  # small steps per second of the run; each takes 50 to 70 ms
    updates_per_package: int = 200  # 20 s at least between two: older ones miss more
    updates_per_exam: int = 200  # a student that is not fit is judged again after so many
    patience_updates: int = 1500  # without a fit student, after which one goes out all the same
    package: str = ""  # a model package to go on from; empty: from nothing
    learning_rate: float = 2e-3  # AdamW's
    batch_size: int = 8  # images of a step
    ring_frames: int = 4000  # newest labelled images kept, 31 kB each
    keep_packages: int = 5  # newest files kept in the run folder
    quarantine_frames: int = 0  # that a label waits for an objection of stereo's monitor
    both_eyes: bool = True  # every second label is the right eye's: see perception.mono_labels
    exam: ExamConfig = field(default_factory=ExamConfig)  # what each student is judged by

    def __post_init__(self) -> None:
        positive = ("updates_per_s", "updates_per_package", "updates_per_exam")
        for key in (*positive, "patience_updates", "learning_rate", "keep_packages"):
            if not getattr(self, key) > 0:
                raise InputError(f"{key} = {getattr(self, key)} must be above 0")
        if self.quarantine_frames < 0:
            raise InputError(f"quarantine_frames = {self.quarantine_frames} must be 0 or more")
        for key in ("batch_size", "ring_frames"):
            if getattr(self, key) < LEAST_FRAMES:
                raise InputError(f"{key} = {getattr(self, key)} must be {LEAST_FRAMES} or more")


class LearnerNode(Node[LearnerConfig]):
    """Labels, learns, announces."""

    inputs = {
        "calibration": Input(RigCalibration, wakes=False),
        "frame": Input(StereoFrame, wakes=False),
        "depth": Input(DepthMap),
        "orders": Input(HandoverState, required=False, wakes=False),
    }
    outputs = {"weights": Output(Weights, steady=False)}
    role = Role.LEARNING
    Config = LearnerConfig

    @classmethod
    def is_played_back(cls, config: LearnerConfig, robot: RobotConfig) -> bool:
        """It writes packages; a replay leaves files alone."""
        del config, robot
        return True

    def __init__(self, config: LearnerConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        self._training = _training_library()
        self._spec = MonoSpec(config.width, config.height)
        self._labeller: Labeller | None = None
        self._learner: Any = None  # perception.mono_training.MonoLearner, which is torch's
        self._calibration = ""
        self._waiting: deque[StereoFrame] = deque(maxlen=WAITING_FRAMES + config.quarantine_frames)
        self._quarantine: Quarantine[DepthMap] = Quarantine(config.quarantine_frames)
        self._orders: HandoverState | None = None
        self._labels = 0
        self._since_ns: int | None = None
        self._asked = 0  # updates that the time so far asked for
        self._skipped = 0
        self._announced = 0  # updates behind the last package
        self._examiner: Any = None  # perception.operating_point.Examiner, once there is a camera
        self._exam: Exam | None = None  # the newest
        self._examined = 0  # updates behind it
        self._parent = ""
        self._folder = WeightsFolder(context.run_dir, config.keep_packages)
        self._lost = 0
        self._loss: dict[str, float] = {}
        if "rig" in context.robot.tables:
            self._meet(context.robot.rig)

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Remembers what has its answer, learns what is due, announces what is asked for."""
        calibration = inputs.newest("calibration")
        if calibration is not None:
            self._meet(rig_of(calibration))
        self._obey(inputs.newest("orders"))
        self._waiting.extend(inputs.all("frame"))
        for depth in self._quarantine.passed(inputs.all("depth")):
            self._remember(depth)
        self._learn(now_ns)
        return self._announce(now_ns) if self._is_asked_for() else []

    def gauges(self) -> dict[str, float]:
        """How far it is."""
        updates = 0 if self._learner is None else self._learner.updates
        losses = {f"loss_{name}": value for name, value in self._loss.items()}
        return {
            "images": float(self._labels),
            "updates": float(updates),
            "updates_skipped": float(self._skipped),
            "packages_lost": float(self._lost),
            "labels_dropped": float(self._quarantine.dropped),
            **({} if self._exam is None else self._exam.described()),
            **losses,
        }

    def _obey(self, orders: HandoverState | None) -> None:
        """A student that flew and is judged anew is where it was not before: so is its exam."""
        if orders is None:
            return
        before, self._orders = self._orders, orders
        flew = before is not None and before.stage == Stage.MONO.value
        if flew and orders.stage == Stage.SHADOW.value and self._examiner is not None:
            self._examiner.forget()

    def _meet(self, rig: StereoRig) -> None:
        """Begins to learn behind this camera; what was learned behind another is of no use."""
        calibration = calibration_hash(rig)
        if calibration == self._calibration:
            return
        config, training = self.config, self._training
        choices = training.Config(
            online_learning_rate=config.learning_rate,
            batch_size=config.batch_size,
            ring_frames=config.ring_frames,
        )
        is_first, self._calibration = not self._calibration, calibration
        self._labeller = Labeller(rig, self._spec)
        self._learner = training.MonoLearner(
            self._spec, self._labeller.view, choices, self.context.seed
        )
        self._learner.prepare_export()
        self._examiner = Examiner(self._labeller.view, config.exam)
        self._announced = self._examined = 0
        if is_first:
            self._go_on_from(self._origin())

    def _remember(self, depth: DepthMap) -> None:
        """Labels the frame that a depth map belongs to; frames before it were skipped by stereo."""
        while self._waiting and self._waiting[0].captured_ns < depth.captured_ns:
            self._waiting.popleft()
        if not self._waiting or self._waiting[0].captured_ns != depth.captured_ns:
            return
        frame = self._waiting.popleft()
        wanted = self._orders is None or self._orders.labels
        if self._labeller is not None and wanted and frame.valid and depth.valid:
            self._label(self._labeller, frame, depth)

    def _label(self, labeller: Labeller, frame: StereoFrame, depth: DepthMap) -> None:
        """One eye's view with its answer, to be learned from; the left one is an exam before.

        What a student said of a frame that was new to it tells what it is worth. One that does not
        learn yet says nothing: frames are kept from it, to be asked of it then.
        """
        pair = StereoImages(frame.left, frame.right)
        answer = StereoDepth(depth.disparity_px, depth.depth_m, depth.confidence)
        labelled = labeller.label_as(pair, answer)
        number, self._labels = self._labels, self._labels + 1
        if self._learner.updates and self._may_learn():
            said = self._learner.infer(labelled.image[np.newaxis])
            self._examiner.keep(labelled, MonoDepth(*(values[0] for values in said)))
        elif self._examiner.wants(number):
            self._examiner.keep(labelled)
            return
        if self.config.both_eyes and number % 2:
            labelled = labeller.label_right(pair)
        self._learner.observe(_without_teacher(labelled))

    def _origin(self) -> ModelPackage | None:
        """What to go on from: what this run has already written, if the process began anew."""
        for path in sorted(self._written_before(), reverse=True):
            try:
                package = read_package(path)
            except InputError:
                continue  # it died while it wrote; the one before is whole
            if package.manifest.calibration_hash == self._calibration:
                return package
        return read_package(self.config.package) if self.config.package else None

    def _written_before(self) -> list[Path]:
        run_dir = self.context.run_dir
        return [] if run_dir is None else list((run_dir / FOLDER).glob("mono-*.onnx"))

    def _go_on_from(self, package: ModelPackage | None) -> None:
        if package is None:
            return
        self._learner.resume(package, self._calibration)
        self._announced = self._examined = self._learner.updates
        self._parent = package.sha256

    def _learn(self, now_ns: int) -> None:
        """The updates that the time since the last step asks for; what is late is skipped."""
        if self._learner is None or len(self._learner.ring) < LEAST_FRAMES or not self._may_learn():
            self._since_ns = None
            return
        if self._since_ns is None:
            self._since_ns, self._asked = now_ns, 0
        asked = int((now_ns - self._since_ns) * self.config.updates_per_s / SECOND_NS)
        due, self._asked = asked - self._asked, asked
        do_now = due if self.context.lockstep else min(due, 1)
        self._skipped += due - do_now
        for _ in range(do_now):
            self._loss = self._learner.update(self._learner.sample())

    def _may_learn(self) -> bool:
        return self._orders is None or self._orders.trains

    def _is_asked_for(self) -> bool:
        if self._learner is None:
            return False
        is_wanted = self._orders is None or self._orders.wants_student
        new = self._learner.updates - self._announced
        if not is_wanted or new < self.config.updates_per_package:
            return False
        return self._is_shown() or self._is_fit() or new >= self.config.patience_updates

    def _is_shown(self) -> bool:
        """Whether a student is judged or flies: one that learned on is better than itself before.

        Also where both are not fit, as in a place that is new to them; the exam's caution says so.
        """
        shown = (Stage.SHADOW.value, Stage.MONO.value)
        return self._orders is not None and self._orders.stage in shown

    def _is_fit(self) -> bool:
        """Whether the weights would be flown on; looked at now and then, as it takes a second."""
        since = self._learner.updates - self._examined
        is_due = self._exam is None or since >= self.config.updates_per_exam
        return is_due and self._examined_now().is_fit

    def _examined_now(self) -> Exam:
        """What frames that were new to it say of the student that would go out."""
        learner = self._learner
        if self._exam is None or self._examined != learner.updates:
            exam: Exam = self._examiner.judge(learner.infer)
            self._exam, self._examined = exam, learner.updates
            return exam
        return self._exam

    def _announce(self, now_ns: int) -> list[Emission]:
        """Writes a package and tells of it; a full disk costs this package, not the flight."""
        learner, exam = self._learner, self._examined_now()
        self._announced = learner.updates
        name = f"mono-{learner.updates:07d}.onnx"
        try:
            path = self._folder.path(name)
            package = learner.export(
                path,
                stacked(list(learner.ring)[-PARITY_FRAMES:]),
                calibration_hash=self._calibration,
                parent=self._parent or None,
                doubt=exam.doubt,
                extra={CAUTION: exam.caution, "exam": exam.described(), **self._looks()},
            )
        except (OSError, InputError, RuntimeError) as error:  # the last: it differs from torch
            self._lost += 1
            text = f"weights after {learner.updates} updates are lost ({error}); the run goes on"
            print(text, flush=True)  # noqa: T201 - shown by the supervisor under the node's name
            return [("alerts", Alert(captured_ns=now_ns, text=text))]
        weights = Weights(
            captured_ns=now_ns,
            path=self._folder.keep(path),
            sha256=package.sha256,
            parent=self._parent,
            frames=learner.frames_seen,
            updates=learner.updates,
        )
        self._parent = package.sha256
        return [("weights", weights)]

    def _looks(self) -> dict[str, Any]:
        """What the remembered frames look like, for the trust of who flies on this network."""
        ring = self._learner.ring
        rows = np.linspace(0, len(ring) - 1, min(len(ring), TRUST_FRAMES)).astype(int)
        images = np.stack([ring[row].image for row in rows])  # (n, 1, H, W)
        said = self._learner.infer(images)
        seen = [
            (image[0], MonoDepth(*both))
            for image, *both in zip(images, said.inverse_depth_per_m, said.scale_per_m, strict=True)
        ]
        if len(seen) < LEAST_TRUST_FRAMES:
            return {}
        return {TRUST: for_manifest(learned_space(seen, TRUST_KEPT))}


def _without_teacher(labelled: LabelledFrame) -> LabelledFrame:
    """Without the dense answer, which only a judge needs: more frames fit into the ring."""
    return labelled._replace(teacher_per_m=np.empty((0, 0), np.float32))


def _training_library() -> Any:
    """`perception.mono_training`; by name, because what a robot runs has no torch.

    Raises:
        InputError: torch or Lightning is not installed.
    """
    try:
        return importlib.import_module("perception.mono_training")
    except ModuleNotFoundError as error:
        raise InputError(f"a learner needs {error.name}: pip install reflexarc[train]") from error
