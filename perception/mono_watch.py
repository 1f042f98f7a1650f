"""Watches one network frame by frame: how probable it is that this prediction is badly wrong.

It joins what travels with the network (the look of its training frames), what the image shows and
what the vehicle's motion shows, so that a node has one object to tell and to ask. Where the camera
was carried to another place, nothing is believed for a while.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from perception.ego_motion import EgoMotion
from perception.mono import MonoDepth, MonoEye
from perception.mono_trust import MonoTrust, trust_of
from perception.motion_check import MotionCheck, MotionConfig
from perception.quantities import InputError
from perception.scene_cut import CutConfig, SceneCut


@dataclass(frozen=True)
class WatchConfig:
    """When a prediction is not to be flown on."""

    most_doubt: float = 0.7  # 0..1, probability that the frame is badly wrong; 1 believes all
    lost_frames: int = 25  # 2.5 s in which nothing is believed after it was carried elsewhere
    motion: MotionConfig = field(default_factory=MotionConfig)
    cut: CutConfig = field(default_factory=CutConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.most_doubt <= 1:
            raise InputError(f"most_doubt = {self.most_doubt} must be 0 to 1")
        if self.lost_frames < 0:
            raise InputError(f"lost_frames = {self.lost_frames} must be 0 or more")


class MonoWatch:
    """Sees every frame of one camera, whichever network looks at it."""

    def __init__(self, config: WatchConfig | None = None) -> None:
        self._config = config or WatchConfig()
        self.ego = EgoMotion()  # to be told what the vehicle senses
        self._eye: MonoEye | None = None
        self._trust: MonoTrust | None = None
        self._check: MotionCheck | None = None
        self._cut: SceneCut | None = None
        self._lost_frames = 0  # still to come in which nothing is believed

    def doubt(
        self, eye: MonoEye, left: npt.NDArray[np.uint8], mono: MonoDepth, captured_ns: int
    ) -> float:
        """Probability that the median abs_rel of the frame exceeds 25 %; 0 without a trust.

        It is 1 for a while after the camera was carried to another place: what a network has shown,
        it has shown elsewhere.

        Args:
            eye: the network.
            left: (H, W) uint8, as the camera gave it.
            mono: what the network said of it.
            captured_ns: when it was taken.
        """
        check, cut = self._meet(eye)
        image, moved = eye.fitted(left), self.ego.since_last(captured_ns)
        check.see(image, moved)
        self._lost_frames = max(self._lost_frames - 1, 0)
        if cut.step(image, moved, mono.inverse_depth_per_m):
            self._lost_frames = self._config.lost_frames
        if self._lost_frames:
            return 1.0
        if self._trust is None:
            return 0.0
        motion = check.error(mono.inverse_depth_per_m)
        return self._trust.judge(image, mono, motion).bad_probability

    def believes(self, doubt: float) -> bool:
        """Whether a frame may be flown on."""
        return doubt <= self._config.most_doubt

    def _meet(self, eye: MonoEye) -> tuple[MotionCheck, SceneCut]:
        is_new = self._eye is None or eye.view != self._eye.view
        if self._check is None or self._cut is None or is_new:
            self._check = MotionCheck(eye.view, self._config.motion)
            lens_b_m = self._config.motion.camera_b_m
            self._cut = SceneCut(eye.view, self._config.cut, lens_b_m)
        if eye is not self._eye:
            self._eye, self._trust = eye, trust_of(eye.package)
        return self._check, self._cut
