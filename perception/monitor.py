"""Whether stereo can be believed at all: the pair watched for what its own confidence cannot see.

A matcher that gets the wrong images still answers. Each check below measures one number with a
meaning, compares it with a limit, and speaks only when the limit was crossed for a while: a fault
stays, an odd frame passes. The verdict names the check, its number and its limit.

    unplugged     an eye gives no image, or did not a moment ago              (eyes)
    black         the 95th percentile of the darker eye                       (grey levels, below)
    covered       part of the image where one eye sees texture, the other none (0..1, above)
    frozen        seconds that an eye has shown one image                     (s, above)
    swapped       part of the sure coarse matches that lie behind infinity    (0..1, above)
    decalibrated  angle between the cameras that the calibration does not know (degrees, above)
    no_texture    part of the image that has a trusted depth                  (0..1, below)

Not seen: a camera that turns about the vertical axis of the pair (yaw). It shifts disparity, which
the images of one moment cannot tell from another distance.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from perception.calibration import StereoRig
from perception.coarse_match import behind_infinity, coarse_pair
from perception.decalibration import DecalibrationConfig, DecalibrationDrift, RowOffset
from perception.geometry import Rectifier
from perception.quantities import FloatArray, GreyImage, StereoDepth, StereoImages

NS_PER_S = 1_000_000_000


class Reason(StrEnum):
    """What a verdict is about."""

    OK = "ok"
    UNPLUGGED = "unplugged"
    BLACK = "black"
    COVERED = "covered"
    FROZEN = "frozen"
    SWAPPED = "swapped"
    DECALIBRATED = "decalibrated"
    NO_TEXTURE = "no_texture"


class Verdict(NamedTuple):
    """What the monitor says of one pair."""

    ok: bool
    reason: Reason
    value: float  # the number of that check, see the module's head; 0 where all is well
    limit: float  # that it crossed
    decalibration_deg: float  # the estimate of this moment; NaN while little is known


@dataclass(frozen=True)
class MonitorConfig:
    """Limits, and for how long they must be crossed."""

    black_level: float = 16.0  # grey levels; an eye whose 95th percentile is below sees nothing
    black_s: float = 0.1  # s
    least_texture: float = 3.0  # grey levels, rms within 8 px after smoothing; above: texture
    flat_texture: float = 1.0  # likewise; below: none (the sensor's noise leaves 0.4)
    covered_part: float = 0.15  # 0..1 of the blocks of the image
    covered_s: float = 0.5  # s
    frozen_s: float = 0.35  # s
    swapped_part: float = 0.6  # 0..1 of the sure coarse matches
    swapped_s: float = 0.8  # s; eyes are swapped by hands, which leaves time to be sure
    least_matches: int = 6  # blocks; fewer say nothing about the order of the eyes
    decalibrated_s: float = 0.5  # s
    least_known: float = 0.05  # 0..1 of the pixels
    no_texture_s: float = 0.5  # s
    clear_s: float = 2.0  # s, how long all must be well again before a fault is taken back
    decalibration: DecalibrationConfig = field(default_factory=DecalibrationConfig)


class StereoMonitor:
    """Watches the pairs of one rig, in the order they were taken."""

    def __init__(self, rig: StereoRig, config: MonitorConfig | None = None) -> None:
        """Nothing is known yet.

        Raises:
            CalibrationError: if the rig cannot be rectified.
        """
        self.config = config or MonitorConfig()
        self._rectifier = Rectifier(rig)
        self._drift = DecalibrationDrift(self._rectifier.view, self.config.decalibration)
        self._rows = RowOffset(self._rectifier.view, self.config.decalibration)
        self._since_ns: dict[Reason, int] = {}
        self._until_ns: dict[Reason, int] = {}
        self._last: StereoImages | None = None
        self._changed_ns = [0, 0]  # per eye, when it last showed another image

    def judge(self, images: StereoImages, depth: StereoDepth, captured_ns: int) -> Verdict:
        """What to think of a pair.

        Args:
            images: as the cameras gave them, (H, W) uint8 each; a missing eye is empty.
            depth: what the teacher made of them; not looked at where an eye is missing.
            captured_ns: when they were taken; grows from call to call.

        Returns:
            The verdict; of several faults the one named first in `Reason`.
        """
        if not images.left.size or not images.right.size:
            self._forget()
            self._until_ns[Reason.UNPLUGGED] = captured_ns + self._clear_ns
            missing = sum(not image.size for image in images)
            return Verdict(False, Reason.UNPLUGGED, missing, 0.0, self.decalibration_deg)
        found = self._checks(images, depth, captured_ns)
        lasting = [check for check in found if self._lasts(check, captured_ns)]
        first = lasting[0] if lasting else _Check(Reason.OK, 0.0, 0.0, crossed=False, hold_s=0)
        return Verdict(not lasting, first.reason, first.value, first.limit, self.decalibration_deg)

    @property
    def decalibration_deg(self) -> float:
        """How far the cameras have turned; NaN while too little was seen."""
        return float(np.fmax(self._drift.degrees, self._rows.degrees))

    def _checks(self, images: StereoImages, depth: StereoDepth, captured_ns: int) -> list["_Check"]:
        """Every check of one pair, in the order of `Reason`."""
        c = self.config
        darkest = min(_percentile_95(image) for image in images)
        textures = [block_texture(image) for image in images]
        covered = _one_sided(textures, c.least_texture, c.flat_texture)
        frozen_s = self._frozen_s(images, captured_ns)
        rectified = self._rectifier.rectify(images)
        coarse = coarse_pair(rectified)
        behind, sure = behind_infinity(coarse, c.least_texture)
        black = darkest < c.black_level
        blind = black or covered > c.covered_part
        if not blind:
            self._drift.see(rectified, depth, captured_ns)
            self._rows.see(coarse)
        turned_deg = self.decalibration_deg
        limit_deg = c.decalibration.limit_deg
        known = float(np.mean(np.isfinite(depth.depth_m)))
        matched = sure >= c.least_matches
        return [
            _Check(Reason.UNPLUGGED, 0, 0, crossed=False, hold_s=0),
            _Check(Reason.BLACK, darkest, c.black_level, black, c.black_s),
            _Check(Reason.COVERED, covered, c.covered_part, blind, c.covered_s),
            _Check(Reason.FROZEN, frozen_s, c.frozen_s, not blind and frozen_s >= c.frozen_s, 0),
            _Check(
                *(Reason.SWAPPED, behind, c.swapped_part),
                *(matched and behind > c.swapped_part, c.swapped_s),
            ),
            _Check(
                *(Reason.DECALIBRATED, turned_deg, limit_deg),
                *(turned_deg > limit_deg, c.decalibrated_s),
            ),
            _Check(
                *(Reason.NO_TEXTURE, known, c.least_known),
                *(known < c.least_known, c.no_texture_s),
            ),
        ]

    def _lasts(self, check: "_Check", captured_ns: int) -> bool:
        """Whether a check's limit has been crossed for long enough, and not long ago."""
        if not check.crossed:
            self._since_ns.pop(check.reason, None)
            return captured_ns < self._until_ns.get(check.reason, captured_ns)
        since_ns = self._since_ns.setdefault(check.reason, captured_ns)
        lasts = captured_ns - since_ns >= check.hold_s * NS_PER_S
        if lasts:
            self._until_ns[check.reason] = captured_ns + self._clear_ns
        return lasts or captured_ns < self._until_ns.get(check.reason, captured_ns)

    def _frozen_s(self, images: StereoImages, captured_ns: int) -> float:
        """Seconds since the eye changed that has not changed for longest."""
        last, self._last = self._last, images
        if last is None:
            self._changed_ns = [captured_ns, captured_ns]
            return 0.0
        changes = [_change(*both) for both in zip(last, images, strict=True)]
        for eye, (change, other) in enumerate((changes, changes[::-1])):
            if change > 0 and not change < STILL * other:
                self._changed_ns[eye] = captured_ns
        return (captured_ns - min(self._changed_ns)) / NS_PER_S

    @property
    def _clear_ns(self) -> int:
        return round(self.config.clear_s * NS_PER_S)

    def _forget(self) -> None:
        """What was under way when an eye went missing says nothing about later."""
        self._since_ns.clear()
        self._until_ns.clear()
        self._last = None


class _Check(NamedTuple):
    reason: Reason
    value: float
    limit: float
    crossed: bool
    hold_s: float


BLOCK_PX = 8  # side of the blocks that texture is measured over
STILL = 0.3  # an eye that changes by less than this part of the other's change shows no motion


def block_texture(image: GreyImage) -> FloatArray:
    """Grey levels, rms around the mean of each 8 x 8 block after smoothing, (H/8, W/8)."""
    smooth = cv2.GaussianBlur(image, (0, 0), 1.5).astype(np.float32)
    size = (image.shape[1] // BLOCK_PX, image.shape[0] // BLOCK_PX)
    mean = np.asarray(cv2.resize(smooth, size, interpolation=cv2.INTER_AREA))
    square = np.asarray(cv2.resize(smooth * smooth, size, interpolation=cv2.INTER_AREA))
    return np.sqrt(np.maximum(square - mean * mean, 0)).astype(np.float32)


def _one_sided(
    textures: list[npt.NDArray[np.float32]], least_texture: float, flat_texture: float
) -> float:
    """Part of the blocks in which one eye sees texture and the other none, 0..1.

    The eyes look past each other by a disparity, so a block counts as seen by the other eye if any
    block of a neighbourhood in its row has texture there.
    """
    parts = []
    for one, other in (textures, textures[::-1]):
        near = cv2.dilate(other, np.ones((1, 5), np.uint8))
        parts.append(float(np.mean((one > least_texture) & (near < flat_texture))))
    return max(parts)


def _percentile_95(image: GreyImage) -> float:
    """Grey level that 95 % of every fourth pixel stay below."""
    sample = np.sort(image[::2, ::2], axis=None)
    return float(sample[int(0.95 * (sample.size - 1))])


def _change(before: GreyImage, after: GreyImage) -> float:
    """Mean change of the smoothed image over its contrast; exactly 0 only for equal images.

    Over its contrast, because a misted eye shows the same motion with less of it.
    """
    if np.array_equal(before, after):
        return 0.0
    size = (after.shape[1] // 4, after.shape[0] // 4)
    small = [cv2.resize(i, size, interpolation=cv2.INTER_AREA) for i in (before, after)]
    return max(float(np.mean(cv2.absdiff(*small))) / (float(np.std(small[1])) + 1), 1e-6)
