"""Left frames to depth and proximity: a shell over a network that a learner keeps improving.

Without weights it says so: its readings are not valid. New ones are opened and tried beside the
frames (`robot/weights.py`) and swapped in between two frames. What is unsound is refused, counted
and said, and the weights before fly on; they are also kept for the case that the new ones fail.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perception.calibration import StereoRig
from perception.mono import (
    STEADY_FRAMES,
    MonoConfig,
    MonoDepth,
    MonoEye,
    MonoModelError,
    caution_of,
    nearer,
    open_mono,
)
from perception.mono_trust import trust_of
from perception.mono_watch import MonoWatch, WatchConfig
from perception.proximity import ProximityConfig, SteadyCorridor
from perception.quantities import InputError, Proximity
from robot.config import RobotConfig
from robot.messages import (
    Alert,
    DepthMap,
    FlightState,
    MonoStatus,
    ProximityReading,
    RigCalibration,
    StereoFrame,
    Weights,
)
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output
from robot.nodes.stereo import rig_of
from robot.weights import Opened, WeightsOpener, announced_path

GREY = 127  # of the frame that new weights are tried on


@dataclass(frozen=True)
class MonoNodeConfig:
    """Parameters of a mono node."""

    package: str = ""  # a model package to begin with; empty: blind until weights come
    least_trusted: float = 0.5  # 0..1 of the pixels, for a valid reading
    caution: float | None = None  # expected errors that all is taken nearer; None: as the package
    steady_frames: int = STEADY_FRAMES  # over which the corridor's nearness is averaged
    watch: WatchConfig = field(default_factory=WatchConfig)  # of what each frame looks like
    mono: MonoConfig = field(default_factory=MonoConfig)
    proximity: ProximityConfig = field(default_factory=ProximityConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.least_trusted <= 1:
            raise InputError(f"least_trusted = {self.least_trusted} must be 0 to 1")
        if self.caution is not None and not 0 <= self.caution < float("inf"):
            raise InputError(f"caution = {self.caution} must be 0 or more")
        if self.steady_frames < 1:
            raise InputError(f"steady_frames = {self.steady_frames} must be 1 or more")


class MonoNode(Node[MonoNodeConfig]):
    """One eye; who announces weights may change, it checks them all."""

    inputs = {
        "calibration": Input(RigCalibration, wakes=False),
        "frame": Input(StereoFrame),
        "weights": Input(Weights, required=False),
        "state": Input(FlightState, required=False, wakes=False),
    }
    outputs = {
        "status": Output(MonoStatus),
        "proximity": Output(ProximityReading),
        "depth": Output(DepthMap),
    }
    Config = MonoNodeConfig

    @classmethod
    def is_played_back(cls, config: MonoNodeConfig, robot: RobotConfig) -> bool:
        """It reads packages, which are not in the log."""
        del config, robot
        return True

    def __init__(self, config: MonoNodeConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        self._rig: StereoRig | None = None
        self._watch = MonoWatch(config.watch)
        self._opener = WeightsOpener(self._open, background=not context.lockstep)
        self._eye: MonoEye | None = None
        self._weights: Weights | None = None
        self._before: tuple[MonoEye | None, Weights | None] = (None, None)
        self._swaps = self._refused = self._rollbacks = 0
        self._corridor = SteadyCorridor(config.steady_frames)

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Every new frame; then what was announced is opened, for the frames to come."""
        calibration = inputs.newest("calibration")
        if calibration is not None:
            self._meet(rig_of(calibration))
        for state in inputs.all("state"):
            self._watch.ego.sense(state.captured_ns, state.gyro_rad_s, state.velocity_b_m_s)
        frames = inputs.all("frame")
        emissions = self._swap(now_ns) if frames else []
        for frame in frames:
            emissions += self._see(frame)
        weights = inputs.newest("weights")
        if weights is not None:
            self._opener.submit(weights)
        return emissions

    def gauges(self) -> dict[str, float]:
        """What became of the weights that were announced."""
        return {
            "weights_swaps": float(self._swaps),
            "weights_refused": float(self._refused),
            "weights_rollbacks": float(self._rollbacks),
        }

    def close(self) -> None:
        """Ends the thread that opens weights."""
        self._opener.close()

    def _meet(self, rig: StereoRig) -> None:
        self._rig = rig
        if self.config.package:
            self._eye = open_mono(self.config.package, rig, self.config.mono)

    def _open(self, weights: Weights) -> MonoEye:
        """Weights that were announced, after every check and a trial; on the opener's thread."""
        if self._rig is None:
            raise MonoModelError("weights came before the calibration of the camera")
        path = announced_path(self.context.run_dir, weights)
        eye = open_mono(path, self._rig, self.config.mono)
        if eye.package.sha256 != weights.sha256:
            raise MonoModelError(f"{path.name} is not the package that was announced")
        trust_of(eye.package)  # refused here if it is malformed, not in flight
        camera = self._rig.left
        if not _is_sound(eye.infer(np.full((camera.height, camera.width), GREY, np.uint8))):
            raise MonoModelError(f"{path.name} sees numbers that are not finite")
        return eye

    def _swap(self, now_ns: int) -> list[Emission]:
        """Between two frames."""
        opened = self._opener.take()
        if opened is None:
            return []
        if opened.item is None:
            self._refused += 1
            return [_alert(now_ns, _refusal(opened))]
        self._before = (self._eye, self._weights)
        self._eye, self._weights = opened.item, opened.weights
        self._swaps += 1
        return []

    def _see(self, frame: StereoFrame) -> list[Emission]:
        if self._eye is None or not frame.left.size:  # blind until weights come, or unplugged
            return [("status", self._status(frame, 0.0)), ("proximity", self._blind(frame))]
        mono = self._eye.infer(frame.left)
        if not _is_sound(mono):
            return self._roll_back(frame)
        depth = self._eye.depth(mono)
        trusted = self._trusted(depth.depth_m)
        doubt = self._watch.doubt(self._eye, frame.left, mono, frame.captured_ns)
        believed = trusted >= self.config.least_trusted and self._watch.believes(doubt)
        valid = frame.valid and believed
        near = self._steady(self._near(self._eye, mono), valid=valid)
        stamp = {"captured_ns": frame.captured_ns, "valid": valid}
        depth_map = DepthMap(
            **stamp,
            depth_m=depth.depth_m,
            disparity_px=depth.disparity_px,
            confidence=depth.confidence,
        )
        reading = ProximityReading(**stamp, **near._asdict())
        status = self._status(frame, trusted, doubt)
        return [("status", status), ("proximity", reading), ("depth", depth_map)]

    def _near(self, eye: MonoEye, mono: MonoDepth) -> Proximity:
        """The proximity of what may be nearer than it is seen: see `perception.mono.nearer`."""
        caution = self.config.caution
        if caution is None:
            caution = caution_of(eye.package)
        return eye.proximity(nearer(mono, caution), self.config.proximity)

    def _steady(self, near: Proximity, *, valid: bool) -> Proximity:
        """With the mean over the newest corridors; what was not believed is not among them."""
        if not valid:
            self._corridor.forget()
            return near
        return near._replace(corridor_m=self._corridor.step(near.corridor_m))

    def _trusted(self, depth_m: np.ndarray) -> float:
        """The share of the frame that the network itself does not doubt."""
        return float(np.mean(~np.isnan(depth_m)))

    def _roll_back(self, frame: StereoFrame) -> list[Emission]:
        """Weights that fail in flight give way to those before; without any, it is blind."""
        self._rollbacks += 1
        name = "its package" if self._weights is None else self._weights.path
        self._eye, self._weights = self._before
        self._before = (None, None)
        text = f"{name} sees numbers that are not finite; back to the weights before"
        return [_alert(frame.captured_ns, text), *self._see(frame)]

    def _status(self, frame: StereoFrame, trusted: float, doubt: float = 1.0) -> MonoStatus:
        eye, weights = self._eye, self._weights
        origin = {} if eye is None else eye.package.manifest.extra
        return MonoStatus(
            captured_ns=frame.captured_ns,
            valid=eye is not None,
            trusted=trusted,
            doubt=doubt,
            version=0 if eye is None else max(1, _count(origin, "updates")),
            frames=_count(origin, "frames"),
            package="" if eye is None else eye.package.sha256,
            parent="" if weights is None else weights.parent,
            swaps=self._swaps,
            refused=self._refused,
            rollbacks=self._rollbacks,
        )

    def _blind(self, frame: StereoFrame) -> ProximityReading:
        return blind_reading(frame.captured_ns, self.config.proximity.sectors)


def blind_reading(captured_ns: int, sectors: int) -> ProximityReading:
    """A reading that knows nothing, and says so."""
    return ProximityReading(
        captured_ns=captured_ns,
        valid=False,
        proximity_px=float("nan"),
        sectors_per_m=np.zeros(sectors, np.float32),
        sector_valid=np.zeros(sectors, np.float32),
        corridor_m=float("inf"),
        corridor_seen=0.0,
    )


def _is_sound(mono: MonoDepth) -> bool:
    return all(bool(np.isfinite(values).all() and (values > 0).all()) for values in mono)


def _count(origin: Mapping[str, Any], name: str) -> int:
    """A number of a manifest, where anything may stand; 0 for none."""
    value = origin.get(name)
    return value if isinstance(value, int) else 0


def _refusal(opened: Opened[MonoEye]) -> str:
    weights = opened.weights
    return f"weights after {weights.updates} updates are refused: {opened.fault}"


def _alert(now_ns: int, text: str) -> Emission:
    return ("alerts", Alert(captured_ns=now_ns, text=text))
