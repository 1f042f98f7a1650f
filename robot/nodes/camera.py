"""Real or recorded stereo images: a shell over the cameras of ``perception``."""

from dataclasses import dataclass
from pathlib import Path

from perception.calibration import load_rig
from perception.cameras import CAMERAS
from perception.quantities import InputError
from perception.tables import load_item
from robot.messages import RigCalibration, StereoFrame
from robot.node import Emission, Inputs, Node, NodeContext, Output, Role
from robot.nodes.stereo import calibration_of


@dataclass(frozen=True)
class CameraConfig:
    """Parameters of a camera node."""

    kind: str = "folder"  # a row of perception.cameras
    path: str = ""  # folder or device
    calibration: str = ""  # a rig.toml or EuRoC folder; empty: the camera knows its own
    frame_hz: float = 20.0  # frames per second that readers may expect


class CameraNode(Node[CameraConfig]):
    """Sends the calibration once, then frames as they come; ends when the recording does."""

    outputs = {
        "calibration": Output(RigCalibration, steady=False),
        "frame": Output(StereoFrame, rate_key="frame_hz"),
    }
    role = Role.SOURCE
    owns_time = True
    Config = CameraConfig

    def __init__(self, config: CameraConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        if not config.path:
            raise InputError(
                f"node {context.name!r}: path is empty; give the camera's folder with "
                f"--set {context.name}.path=FOLDER"
            )
        self._camera = load_item(CAMERAS, "camera", config.kind)(Path(config.path))
        rig = load_rig(config.calibration) if config.calibration else self._camera.rig
        if rig is None:
            raise InputError(
                f"node {context.name!r}: {config.path} has no calibration (cam0/sensor.yaml and "
                f"cam1/sensor.yaml); give one with --set {context.name}.calibration=rig.toml"
            )
        self._rig = rig
        self._start_ns: int | None = None

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """The calibration first, then at most one frame; its time counts from the first step."""
        del inputs
        emissions: list[Emission] = []
        if self._start_ns is None:
            self._start_ns = now_ns
            emissions.append(("calibration", calibration_of(self._rig, now_ns)))
        stamped = self._camera.read(now_ns - self._start_ns)
        if stamped is not None:
            frame = StereoFrame(
                captured_ns=self._start_ns + stamped.captured_ns, **stamped.images._asdict()
            )
            emissions.append(("frame", frame))
        self.finished = self._camera.finished
        return emissions

    def close(self) -> None:
        """Lets go of the device."""
        self._camera.close()
