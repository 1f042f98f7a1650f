"""From two cameras as they are to one ideal pair, and from disparity to metres.

After rectification a point appears in the same row of both images, `disparity_px` further left in
the right one, and lies at depth Z = focal_px * baseline_m / disparity_px.
"""

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from perception.calibration import CalibrationError, CameraIntrinsics, StereoRig
from perception.quantities import FloatArray, GreyImage, ImageError, StereoImages, check_pair

MAX_ZOOM = 2.5  # rectified focal length per original; 1.4 for cameras turned by 11 degrees
MIN_SEEN = 0.5  # part of a rectified image that its camera must see
DISPARITY_STEP_PX = 16  # OpenCV's matchers take ranges in multiples of 16

BoolMap = npt.NDArray[np.bool_]
RemapTable = tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]]  # OpenCV's fixed-point maps


class RectifiedView(NamedTuple):
    """The ideal stereo pair after rectification, as seen from its left camera."""

    width: int  # px
    height: int  # px
    focal_px: float  # the same in x and y
    cx_px: float  # principal point, the same in both images
    cy_px: float
    baseline_m: float


class Rectifier:
    """Maps the images of a rig onto its rectified view; ideal rigs pass untouched."""

    def __init__(self, rig: StereoRig) -> None:
        """Prepares the maps.

        Raises:
            CalibrationError: if the right camera does not stand to the right of the left one, or
                they look so differently that little common view is left.
        """
        camera = rig.left
        self._size = (camera.width, camera.height)
        self._maps: tuple[RemapTable, ...] = ()
        if _is_ideal(rig):
            centre = (camera.cx_px, camera.cy_px)
            self.view = RectifiedView(*self._size, camera.fx_px, *centre, rig.baseline_m)
        else:
            self.view, self._maps = _rectification(rig)
        self.seen_left, self.seen_right = self._seen()
        self._check_common_view(rig)

    def rectify(self, images: StereoImages) -> StereoImages:
        """The pair as the rectified view shows it, (H, W) uint8 each, black where not seen.

        Raises:
            ImageError: if the images are not a grey pair of the size of the calibration.
        """
        check_pair(images)
        height, width = images.left.shape
        if (width, height) != self._size:
            expected = "x".join(map(str, self._size))
            raise ImageError(f"images are {width}x{height}, the calibration is for {expected}")
        if not self._maps:
            return images
        return StereoImages(*map(_remap, images, self._maps))

    def rectify_left(self, left: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The left image as the rectified view shows it, (H, W) or (H, W, 3) as it came.

        The caller has checked that it is uint8 of the size of the calibration.
        """
        return _remap(left, self._maps[0]) if self._maps else left

    def matchable(self, disparity_px: FloatArray) -> BoolMap | None:
        """Where both ends of a match lie on pixels that the cameras saw, (H, W) bool.

        None stands for "everywhere", which is so for ideal rigs and for most real ones.
        """
        if self.seen_left.all() and self.seen_right.all():
            return None
        columns = np.arange(self.view.width) - np.rint(np.nan_to_num(disparity_px))  # (H, W)
        columns = np.clip(columns, 0, self.view.width - 1).astype(np.intp)
        return self.seen_left & np.take_along_axis(self.seen_right, columns, axis=1)

    def _check_common_view(self, rig: StereoRig) -> None:
        zoom = self.view.focal_px / rig.left.fx_px
        seen = min(self.seen_left.mean(), self.seen_right.mean())
        if zoom > MAX_ZOOM or seen < MIN_SEEN:
            cosine = (np.trace(rig.right_from_left[:3, :3]) - 1) / 2
            turn_deg = math.degrees(math.acos(np.clip(cosine, -1, 1)))
            raise CalibrationError(
                f"the cameras have too little common view (turned by {turn_deg:.0f} degrees); "
                "check right_from_left and the distortion"
            )

    def _seen(self) -> tuple[BoolMap, BoolMap]:
        white = np.full(self._size[::-1], 255, np.uint8)  # (H, W)
        if not self._maps:
            return white > 0, white > 0
        left, right = (_remap(white, maps) == 255 for maps in self._maps)
        return left, right


def depth_from_disparity(disparity_px: FloatArray, view: RectifiedView) -> FloatArray:
    """Depth along z in metres, same shape: inf at disparity <= 0, NaN stays NaN."""
    at_least_zero_px = np.maximum(disparity_px, 0)  # keeps NaN
    with np.errstate(divide="ignore"):
        return np.asarray(view.focal_px * view.baseline_m / at_least_zero_px, np.float32)


def disparity_from_depth(depth_m: FloatArray, view: RectifiedView) -> FloatArray:
    """Disparity in px of points at `depth_m` > 0, same shape: 0 at inf, NaN stays NaN."""
    return np.asarray(view.focal_px * view.baseline_m / depth_m, np.float32)


def disparity_range_px(view: RectifiedView, nearest_m: float) -> int:
    """The search range a matcher needs to see things as near as `nearest_m`.

    Rounded up to a multiple of 16, as OpenCV's matchers demand.
    """
    largest_px = view.focal_px * view.baseline_m / nearest_m
    return DISPARITY_STEP_PX * math.ceil((largest_px + 1) / DISPARITY_STEP_PX)


def _is_ideal(rig: StereoRig) -> bool:
    parallel = np.eye(4)
    parallel[0, 3] = -rig.baseline_m
    square = rig.left.fx_px == rig.left.fy_px
    undistorted = not any((*rig.left.distortion, *rig.right.distortion))
    same = (rig.left.matrix == rig.right.matrix).all()
    return bool(square and undistorted and same and (rig.right_from_left == parallel).all())


def _rectification(
    rig: StereoRig,
) -> tuple[RectifiedView, tuple[RemapTable, ...]]:
    """The rectified view and, per camera, the maps for `cv2.remap`."""
    left, right = rig.left, rig.right
    size = (left.width, left.height)
    distortions = [np.array(camera.distortion or (0.0,) * 4) for camera in (left, right)]
    rotation, translation_m = rig.right_from_left[:3, :3], rig.right_from_left[:3, 3]
    # alpha=0 zooms until no pixel from outside the images (a black rim, in which every matcher
    # finds a surface) remains; `seen_left` and `seen_right` guard what it leaves over.
    rotation_l, rotation_r, projection_l, projection_r, *_ = cv2.stereoRectify(
        *(left.matrix, distortions[0], right.matrix, distortions[1], size),
        *(rotation.copy(), translation_m.reshape(3, 1)),
        flags=cv2.STEREO_ZERO_DISPARITY,
        alpha=0,
    )
    focal_px, offset_px_m = projection_r[0, 0], projection_r[0, 3]
    if projection_r[1, 3] != 0 or offset_px_m >= 0:
        raise CalibrationError(
            "the right camera must stand to the right of the left one (right_from_left has a "
            f"translation of {np.round(translation_m, 4).tolist()} m; x must be the largest and "
            "negative); swap the cameras or turn the images"
        )
    baseline_m = float(-offset_px_m / focal_px)
    centre = (float(projection_l[0, 2]), float(projection_l[1, 2]))
    view = RectifiedView(*size, float(focal_px), *centre, baseline_m)
    maps = (
        _remap_table(left, distortions[0], rotation_l, projection_l),
        _remap_table(right, distortions[1], rotation_r, projection_r),
    )
    return view, maps


def _remap_table(
    camera: CameraIntrinsics, distortion: Any, rotation: Any, projection: Any
) -> RemapTable:
    """For each rectified pixel, where it is in the camera's own image."""
    size = (camera.width, camera.height)
    matrix = projection[:, :3]
    tables = cv2.initUndistortRectifyMap(
        camera.matrix, distortion, rotation, matrix, size, cv2.CV_16SC2
    )
    return np.asarray(tables[0], np.int16), np.asarray(tables[1], np.uint16)


def _remap(image: GreyImage, maps: RemapTable) -> GreyImage:
    remapped = cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(remapped, np.uint8)
