"""The camera rig: intrinsics and extrinsics, from TOML or from a EuRoC/ASL folder.

Checked completely when built, so that no geometry behind it meets a NaN or a mirrored rotation.
The hash of a rig is stored in every model package: a network trained behind one pair of lenses
must not run silently behind another.
"""

import errno
import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from perception.quantities import InputError

INTRINSICS_KEYS = ("width", "height", "fx_px", "fy_px", "cx_px", "cy_px", "distortion")
EXPLICIT_KEYS = ("left", "right", "right_from_left")
SHORT_KEYS = ("width", "height", "fov_deg", "baseline_m")
DISTORTION_LENGTHS = (0, 4, 5, 8)  # none; k1 k2 p1 p2; + k3; + k4 k5 k6 (OpenCV's order)
MAX_SIDE_PX = 16_384  # refuse before maps of such an image are made
MAX_TEXT_BYTES = 1024 * 1024  # of a calibration or a config
ROTATION_TOLERANCE = 1e-3  # calibration files round to about six digits


class CalibrationError(InputError):
    """A calibration that is missing, incomplete, not finite or not a stereo rig."""


@dataclass(frozen=True)
class CameraIntrinsics:
    """Pinhole camera with radial-tangential distortion, in OpenCV's pixel convention.

    The centre of the top left pixel is (0, 0), so a perfect lens has cx = (width - 1) / 2.
    """

    width: int  # px
    height: int  # px
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    distortion: tuple[float, ...] = ()  # k1 k2 p1 p2 [k3 [k4 k5 k6]], no unit

    def __post_init__(self) -> None:
        focal = (self.fx_px, self.fy_px)
        _require_finite("intrinsics", (*focal, self.cx_px, self.cy_px, *self.distortion))
        if self.width < 1 or self.height < 1 or min(focal) <= 0:
            size = f"{self.width}x{self.height}, fx {self.fx_px}, fy {self.fy_px}"
            raise CalibrationError(f"intrinsics need positive size and focal lengths, got {size}")
        if max(self.width, self.height) > MAX_SIDE_PX:
            size = f"{self.width}x{self.height}"
            raise CalibrationError(f"images of {size} px; at most {MAX_SIDE_PX} a side are taken")
        if len(self.distortion) not in DISTORTION_LENGTHS:
            valid = ", ".join(map(str, DISTORTION_LENGTHS))
            found = len(self.distortion)
            raise CalibrationError(f"distortion has {found} coefficients; valid counts: {valid}")

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """The camera matrix K (3, 3) in px."""
        return np.array(
            [[self.fx_px, 0.0, self.cx_px], [0.0, self.fy_px, self.cy_px], [0.0, 0.0, 1.0]]
        )


@dataclass(frozen=True, eq=False)
class StereoRig:
    """Two cameras and how they stand to each other; equal when `calibration_hash` is."""

    left: CameraIntrinsics
    right: CameraIntrinsics
    right_from_left: npt.NDArray[np.float64] = field(repr=False)  # (4, 4), m; x_R = T @ x_L

    def __post_init__(self) -> None:
        transform = np.array(self.right_from_left, np.float64)  # a copy of our own
        _check_transform("right_from_left", transform)
        transform.setflags(write=False)
        object.__setattr__(self, "right_from_left", transform)
        sizes = [f"{camera.width}x{camera.height}" for camera in (self.left, self.right)]
        if sizes[0] != sizes[1]:
            raise CalibrationError(f"left and right cameras differ in size: {' and '.join(sizes)}")
        if self.baseline_m == 0:
            raise CalibrationError("baseline_m is 0; two cameras in one place see no depth")

    @property
    def baseline_m(self) -> float:
        """Distance between the optical centres in metres."""
        return float(np.linalg.norm(self.right_from_left[:3, 3]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StereoRig) and calibration_hash(self) == calibration_hash(other)

    def __hash__(self) -> int:
        return hash(calibration_hash(self))


def ideal_rig(width: int, height: int, fov_deg: float, baseline_m: float) -> StereoRig:
    """Two equal, parallel, undistorted cameras, the right one `baseline_m` to the right.

    Args:
        width: image width in px.
        height: image height in px.
        fov_deg: horizontal field of view.
        baseline_m: distance between the optical centres.
    """
    _require_finite("the rig", (fov_deg, baseline_m))
    if not 0 < fov_deg < 180 or baseline_m <= 0:
        raise CalibrationError(
            f"fov_deg {fov_deg} and baseline_m {baseline_m}: needed are 0 < fov_deg < 180 and a "
            "positive baseline_m"
        )
    if max(width, height) > MAX_SIDE_PX:
        raise CalibrationError(f"width and height are at most {MAX_SIDE_PX} px")
    focal_px = width / 2 / math.tan(math.radians(fov_deg) / 2)
    camera = CameraIntrinsics(width, height, focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)
    right_from_left = np.eye(4)
    right_from_left[0, 3] = -baseline_m
    return StereoRig(camera, camera, right_from_left)


def rig_from_table(table: Mapping[str, Any]) -> StereoRig:
    """The rig of a `[rig]` table, in one of two forms.

    Explicit: `left` and `right` tables (see `CameraIntrinsics`) and `right_from_left`, 4 rows of
    4. Short, for ideal rigs: `width`, `height`, `fov_deg` (horizontal), `baseline_m`.

    Raises:
        CalibrationError: on a missing or unknown key, or a value that is not usable.
    """
    if not table.keys() & set(EXPLICIT_KEYS):
        _check_keys("rig", table, SHORT_KEYS)
        width, height = _integer(table, "width"), _integer(table, "height")
        return ideal_rig(width, height, _number(table, "fov_deg"), _number(table, "baseline_m"))
    _check_keys("rig", table, EXPLICIT_KEYS)
    left = _intrinsics_from_table("left", table["left"])
    right = _intrinsics_from_table("right", table["right"])
    return StereoRig(left, right, _matrix("right_from_left", table["right_from_left"]))


def load_rig(path: Path | str) -> StereoRig:
    """The rig of a TOML file (its `[rig]` table, or the whole file), or of a EuRoC/ASL folder.

    Such a folder (`mav0`) holds `cam0/sensor.yaml` (left) and `cam1/sensor.yaml` (right).

    Raises:
        CalibrationError: if the file or folder is missing, unreadable or incomplete.
    """
    path = Path(path)
    if path.is_dir():
        return _rig_from_folder(path)
    try:
        content = tomllib.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, CalibrationError):
            raise
        raise CalibrationError(f"{path} is not valid TOML: {error}") from error
    table = content.get("rig", content)
    try:
        return rig_from_table(_table("rig", table))
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error}") from error


def calibration_hash(rig: StereoRig) -> str:
    """SHA-256 (hex) over every number of the rig: equal rigs, and only they, share it."""
    cameras = [
        [c.width, c.height, *map(float, (c.fx_px, c.fy_px, c.cx_px, c.cy_px, *c.distortion))]
        for c in (rig.left, rig.right)
    ]
    numbers = json.dumps([*cameras, rig.right_from_left.tolist()])
    return hashlib.sha256(numbers.encode()).hexdigest()


def read_small_text(path: Path) -> str:
    """The text of a plain file of a mebibyte at most, so that no pipe or device is waited for.

    Raises:
        OSError: it cannot be read, or is no plain file.
        ValueError: it is too large, or not UTF-8 text.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "no plain file")
    with path.open("rb") as file:
        content = file.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise ValueError(f"larger than {MAX_TEXT_BYTES} bytes")
    try:
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8 text") from error


def _rig_from_folder(folder: Path) -> StereoRig:
    left, body_from_left = _read_sensor(folder / "cam0" / "sensor.yaml")
    right, body_from_right = _read_sensor(folder / "cam1" / "sensor.yaml")
    return StereoRig(left, right, np.linalg.inv(body_from_right) @ body_from_left)


def _read_sensor(path: Path) -> tuple[CameraIntrinsics, npt.NDArray[np.float64]]:
    """Intrinsics and T_BS, which takes points from the camera (sensor) to the body (4, 4)."""
    try:
        sensor = _read_sensor_yaml(path)
        body_from_camera = _matrix("T_BS", sensor["T_BS"]["data"])
        _check_transform("T_BS", body_from_camera)
        return _intrinsics_from_sensor(sensor), body_from_camera
    except (KeyError, TypeError) as error:
        reason = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise CalibrationError(f"{path}: {reason}; see a EuRoC sensor.yaml") from error
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error}") from error


def _read_sensor_yaml(path: Path) -> Mapping[str, Any]:
    # OpenCV's writer starts the file with "%YAML:1.0", which is not YAML.
    lines = _read_text(path).splitlines()
    text = "\n".join(line for line in lines if not line.startswith("%YAML"))
    try:
        return _table("sensor", yaml.safe_load(text))
    except CalibrationError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date or number that is none
        reason = " ".join(str(error).split())
        raise CalibrationError(f"not valid YAML: {reason}") from error


def _intrinsics_from_sensor(sensor: Mapping[str, Any]) -> CameraIntrinsics:
    model, distortion = sensor["camera_model"], sensor["distortion_model"]
    if (model, distortion) != ("pinhole", "radial-tangential"):
        raise CalibrationError(
            f"camera model {model} with {distortion} distortion; only pinhole with "
            "radial-tangential is supported"
        )
    values = [*sensor["resolution"], *sensor["intrinsics"], sensor["distortion_coefficients"]]
    if len(values) != len(INTRINSICS_KEYS):
        raise CalibrationError("resolution needs 2 numbers and intrinsics 4 (fu, fv, cu, cv)")
    return _intrinsics_from_table("camera", dict(zip(INTRINSICS_KEYS, values, strict=True)))


def _intrinsics_from_table(name: str, table: Any) -> CameraIntrinsics:
    table = {"distortion": [], **_table(name, table)}
    _check_keys(name, table, INTRINSICS_KEYS)
    if not isinstance(table["distortion"], list):
        raise CalibrationError(f"{name}.distortion must be a list of numbers")
    coefficients = dict(enumerate(table["distortion"]))
    return CameraIntrinsics(
        width=_integer(table, "width"),
        height=_integer(table, "height"),
        fx_px=_number(table, "fx_px"),
        fy_px=_number(table, "fy_px"),
        cx_px=_number(table, "cx_px"),
        cy_px=_number(table, "cy_px"),
        distortion=tuple(_number(coefficients, index) for index in coefficients),
    )


def _matrix(name: str, values: Any) -> npt.NDArray[np.float64]:
    """A (4, 4) matrix from 4 rows of 4 numbers, or from 16 numbers row by row."""
    try:
        return np.asarray(values, np.float64).reshape(4, 4)
    except (TypeError, ValueError, OverflowError) as error:
        raise CalibrationError(f"{name} must be 4 rows of 4 numbers") from error


def _check_transform(name: str, transform: npt.NDArray[np.float64]) -> None:
    if transform.shape != (4, 4):
        raise CalibrationError(f"{name} has shape {transform.shape}; needed is (4, 4)")
    _require_finite(name, transform.flat)
    rotation = transform[:3, :3]
    orthonormal = np.allclose(rotation @ rotation.T, np.eye(3), atol=ROTATION_TOLERANCE)
    affine = np.allclose(transform[3], [0, 0, 0, 1], atol=ROTATION_TOLERANCE)
    if not orthonormal or not affine or np.linalg.det(rotation) < 0:
        raise CalibrationError(f"{name} is not a rotation and translation (rows of R, t; 0 0 0 1)")


def _require_finite(name: str, numbers: Any) -> None:
    if not np.all(np.isfinite(np.fromiter(numbers, np.float64))):
        raise CalibrationError(f"{name}: every number must be finite, found NaN or infinity")


def _check_keys(name: str, table: Mapping[str, Any], valid: tuple[str, ...]) -> None:
    unknown, missing = sorted(table.keys() - set(valid)), [k for k in valid if k not in table]
    if unknown or missing:
        problems = [f"unknown {', '.join(unknown)}"] if unknown else []
        problems += [f"missing {', '.join(missing)}"] if missing else []
        raise CalibrationError(f"{name}: {'; '.join(problems)}; valid keys: {', '.join(valid)}")


def _table(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CalibrationError(f"{name} must be a table of keys and values")
    return value


def _number(table: Mapping[Any, Any], key: Any) -> float:
    value = table[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CalibrationError(f"{key} is {value!r}; a number is needed")
    try:
        return float(value)
    except OverflowError as error:
        raise CalibrationError(f"{key} is a number too large to calculate with") from error


def _integer(table: Mapping[str, Any], key: str) -> int:
    value = table[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise CalibrationError(f"{key} is {value!r}; a whole number is needed")
    return value


def _read_text(path: Path) -> str:
    try:
        return read_small_text(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CalibrationError(f"cannot read calibration {path}: {reason}") from error
