"""Stereo frames to depth and proximity: a shell over the stereo teacher."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perception.calibration import CameraIntrinsics, StereoRig
from perception.geometry import RectifiedView, Rectifier, disparity_range_px
from perception.matcher import make_matcher
from perception.monitor import MonitorConfig, StereoMonitor
from perception.proximity import ProximityConfig, measure_proximity
from perception.quantities import StereoDepth, StereoImages
from perception.stereo import StereoConfig, StereoTeacher
from robot.messages import (
    CameraModel,
    DepthMap,
    ProximityReading,
    RigCalibration,
    StereoFrame,
    StereoHealth,
)
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output


@dataclass(frozen=True)
class StereoNodeConfig:
    """Parameters of a stereo node."""

    matcher: str = "sgbm"  # a row of perception.matchers
    options: dict[str, Any] = field(default_factory=dict)  # of that matcher's Config
    nearest_m: float = 0.3  # m, nearest distance to find; sets num_disparities unless options do
    min_confidence: float = StereoConfig.min_confidence  # 0..1
    proximity: ProximityConfig = field(default_factory=ProximityConfig)
    monitor: bool = False  # whether a monitor watches the pairs and makes readings invalid
    limits: MonitorConfig = field(default_factory=MonitorConfig)  # of that monitor


class StereoNode(Node[StereoNodeConfig]):
    """Rectifies, matches and measures each frame, by the calibration that its source sends."""

    inputs = {
        "calibration": Input(RigCalibration, wakes=False),
        "frame": Input(StereoFrame),
    }
    outputs = {
        "depth": Output(DepthMap),
        "proximity": Output(ProximityReading),
        "health": Output(StereoHealth, steady=False),
    }
    Config = StereoNodeConfig

    def __init__(self, config: StereoNodeConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        make_matcher(config.matcher, config.options)  # refuse what is wrong before the first frame
        self._teacher: StereoTeacher | None = None
        self._monitor: StereoMonitor | None = None
        if "rig" in context.robot.tables:
            self._warm_up(context.robot.rig)

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Depth and proximity of every new frame."""
        del now_ns
        calibration = inputs.newest("calibration")
        if calibration is not None:
            rig = rig_of(calibration)
            self._teacher = make_teacher(rig, self.config)
            self._monitor = StereoMonitor(rig, self.config.limits) if self.config.monitor else None
        if self._teacher is None:
            return []
        emissions: list[Emission] = []
        for frame in inputs.all("frame"):
            emissions += self._see(self._teacher, frame)
        return emissions

    def _see(self, teacher: StereoTeacher, frame: StereoFrame) -> list[Emission]:
        images = StereoImages(frame.left, frame.right)
        complete = bool(frame.left.size and frame.right.size)
        depth = teacher.infer(images) if complete else _nothing_seen(teacher.view)
        near = measure_proximity(depth, teacher.view, self.config.proximity)
        health = self._judge(images, depth, frame.captured_ns)
        believed = complete and all(message.ok for _, message in health)
        stamp = {"captured_ns": frame.captured_ns, "valid": frame.valid and believed}
        depth_map = DepthMap(
            **stamp,
            depth_m=depth.depth_m,
            disparity_px=depth.disparity_px,
            confidence=depth.confidence,
        )
        reading = ProximityReading(**stamp, **near._asdict())
        return [("proximity", reading), *health, ("depth", depth_map)]  # what acts goes first

    def _judge(
        self, images: StereoImages, depth: StereoDepth, captured_ns: int
    ) -> list[tuple[str, StereoHealth]]:
        """What the monitor says, where there is one."""
        if self._monitor is None:
            return []
        verdict = self._monitor.judge(images, depth, captured_ns)
        return [("health", StereoHealth(captured_ns=captured_ns, **verdict._asdict()))]

    def _warm_up(self, rig: StereoRig) -> None:
        """Compiles and loads what the first frame would otherwise wait for."""
        teacher = make_teacher(rig, self.config)
        grey = np.random.default_rng(0).integers(0, 255, (rig.left.height, rig.left.width))
        image = grey.astype(np.uint8)
        depth = teacher.infer(StereoImages(image, image))
        measure_proximity(depth, teacher.view, self.config.proximity)


def make_teacher(rig: StereoRig, config: StereoNodeConfig) -> StereoTeacher:
    """The teacher of a rig as a node would have it."""
    reach = {"num_disparities": disparity_range_px(Rectifier(rig).view, config.nearest_m)}
    matcher = make_matcher(config.matcher, {**reach, **config.options})
    return StereoTeacher(rig, matcher, StereoConfig(config.min_confidence))


def _nothing_seen(view: RectifiedView) -> StereoDepth:
    """The depth of a pair of which an eye is missing: nothing is known, nothing is guessed."""
    unknown = np.full((view.height, view.width), np.nan, np.float32)
    return StereoDepth(unknown, unknown, np.zeros_like(unknown))


def rig_of(message: RigCalibration) -> StereoRig:
    """The rig that a calibration message describes."""
    left, right = (_intrinsics(camera) for camera in (message.left, message.right))
    return StereoRig(left, right, np.array(message.right_from_left).reshape(4, 4))


def _intrinsics(camera: CameraModel) -> CameraIntrinsics:
    return CameraIntrinsics(**{name: getattr(camera, name) for name in camera.__struct_fields__})


def calibration_of(rig: StereoRig, captured_ns: int) -> RigCalibration:
    """The message that describes a rig."""
    left, right = (
        CameraModel(**{n: getattr(camera, n) for n in CameraModel.__struct_fields__})
        for camera in (rig.left, rig.right)
    )
    transform = tuple(float(value) for value in np.asarray(rig.right_from_left).ravel())
    return RigCalibration(
        captured_ns=captured_ns, left=left, right=right, right_from_left=transform
    )
