"""What cameras see, and what depth is made of it."""

import msgspec

from robot.messages.header import ColourImage, FloatMap, FloatVector, GreyImage, Message


class StereoFrame(Message, frozen=True, kw_only=True):
    """What both eyes saw at one instant, unrectified; an eye that gave nothing is (0, 0)."""

    left: GreyImage
    right: GreyImage


class CameraModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pinhole camera; the fields of ``perception.calibration.CameraIntrinsics``."""

    width: int
    height: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    distortion: tuple[float, ...]


class RigCalibration(Message, frozen=True, kw_only=True):
    """The stereo rig that the frames of the same source come from; sent once, before them."""

    left: CameraModel
    right: CameraModel
    right_from_left: tuple[float, ...]
    """(16,) rows of the 4 x 4 transform, metres."""


class CameraImage(Message, frozen=True, kw_only=True):
    """What one camera saw."""

    image: ColourImage


class DepthMap(Message, frozen=True, kw_only=True):
    """Depth in the rectified left camera; NaN where the teacher does not trust itself."""

    depth_m: FloatMap
    """Metres along the optical axis."""
    disparity_px: FloatMap
    """Pixels."""
    confidence: FloatMap
    """0 (a guess) to 1 (sure)."""


class ProximityReading(Message, frozen=True, kw_only=True):
    """How near things are, as far as the act of flying on needs to know."""

    proximity_px: float
    """The scalar of van Hecke et al.: the largest disparity that enough pixels reach."""
    sectors_per_m: FloatVector
    """Inverse distance (1/m) of the nearest part of each vertical image sector, left to right."""
    sector_valid: FloatVector
    """Share of each sector's pixels that carry a depth, 0 to 1."""
    corridor_m: float
    """Distance (m) of the nearest part of the corridor about to be swept; inf: seen free."""
    corridor_seen: float
    """Share of the corridor's pixels that carry a depth, 0 to 1."""


class StereoHealth(Message, frozen=True, kw_only=True):
    """Whether a stereo pair can be believed; the fields of ``perception.monitor.Verdict``."""

    ok: bool
    reason: str
    """``ok``, or the first of the faults that ``perception.monitor.Reason`` lists."""
    value: float
    """The number of that check; its meaning stands at the head of ``perception.monitor``."""
    limit: float
    decalibration_deg: float
    """How far the cameras have turned, at least; NaN while little is known."""
