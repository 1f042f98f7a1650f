"""``reflexarc depth``: depth of one stereo pair, as numbers and as a picture."""

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tyro
from numpy.typing import NDArray

from perception.calibration import load_rig
from perception.images import read_grey
from perception.matcher import make_matcher
from perception.quantities import InputError, StereoImages, check_pair
from perception.stereo import StereoConfig, StereoTeacher
from robot.views import ramp_colours

MM_PER_M = 1000
DISPARITY_SCALE = 256  # as KITTI writes disparity: px * 256 in 16 bits, 0 = none


@dataclass(frozen=True)
class Depth:
    """Depth of a stereo pair: a 16-bit PNG of numbers, and a picture beside it.

    With a calibration the numbers are millimetres; without one the pair counts as rectified and
    they are disparities in 1/256 pixel. 0 means unknown. With --out NAME.npy they are float32
    metres (or pixels), NaN for unknown.

    Example: reflexarc depth left.png right.png --calibration rig.toml --out depth.png
    """

    left: tyro.conf.Positional[Path]
    """Image of the left camera."""
    right: tyro.conf.Positional[Path]
    """Image of the right camera."""
    calibration: Path | None = None
    """A rig as TOML, or a EuRoC folder with cam0/sensor.yaml and cam1/sensor.yaml."""
    out: Path = Path("depth.png")
    """Where the numbers go (.png or .npy); the picture goes beside them as NAME_view.png."""
    matcher: str = "sgbm"
    """How to match: a row of perception.matchers, such as sgbm, bm, sad."""
    disparities: int | None = None
    """Largest disparity in pixels that is looked for; default: a quarter of the width."""
    json: bool = False
    """Print the result as JSON."""

    def __call__(self) -> int:
        """Reads, matches, writes."""
        if self.out.suffix not in (".png", ".npy"):
            raise InputError(f"--out {self.out}: the name must end in .png or .npy")
        images = check_pair(StereoImages(read_grey(self.left), read_grey(self.right)))
        values, unit = self._measure(images)
        known = np.isfinite(values)
        if not known.any():
            sys.stderr.write(
                "reflexarc: depth: no pixel could be matched; is this a stereo pair?\n"
            )
        view = self.out.with_name(f"{self.out.stem}_view.png")
        _write(self.out, _encoded(self.out, values, unit))
        near_first = _nearness(values, unit)
        _write(view, _png(ramp_colours(near_first)[..., ::-1]))
        self._report(values, known, unit, view)
        return 0

    def _measure(self, images: StereoImages) -> tuple[NDArray[np.float32], str]:
        """Metres with a calibration, else pixels of disparity; NaN where unknown."""
        matcher = make_matcher(self.matcher, self._options(images.left.shape[1]))
        if self.calibration is None:
            found = matcher.match(images)
            trusted = found.confidence >= StereoConfig().min_confidence
            return np.where(trusted, found.disparity_px, np.float32(np.nan)), "px"
        teacher = StereoTeacher(load_rig(self.calibration), matcher)
        return teacher.infer(images).depth_m, "m"

    def _options(self, width: int) -> dict[str, int]:
        """How far to look for matches."""
        if self.disparities is not None and not 1 <= self.disparities < width:
            raise InputError(f"--disparities {self.disparities}: must be between 1 and {width - 1}")
        wanted = self.disparities or max(16, width // 4)
        return {"num_disparities": (wanted + 15) // 16 * 16}  # the OpenCV matchers count in 16s

    def _report(
        self, values: NDArray[np.float32], known: NDArray[np.bool_], unit: str, view: Path
    ) -> None:
        spread = np.percentile(values[known], [5, 50, 95]) if known.any() else [np.nan] * 3
        p5, p50, p95 = (None if np.isnan(p) else round(float(p), 4) for p in spread)
        result = {
            "out": str(self.out),
            "view": str(view),
            "unit": unit,
            "height": values.shape[0],
            "width": values.shape[1],
            "density": round(float(known.mean()), 4),
            "p5": p5,
            "median": p50,
            "p95": p95,
        }
        if self.json:
            sys.stdout.write(json.dumps(result) + "\n")
            return
        kind = "depth" if unit == "m" else "disparity"
        sys.stdout.write(
            f"{kind} known for {100 * result['density']:.1f} % of the pixels, "
            f"median {p50} {unit} (5 % below {p5}, 5 % above {p95})\n"
            f"numbers: {self.out}\npicture: {view}\n"
        )


def _nearness(values: NDArray[np.float32], unit: str) -> NDArray[np.float32]:
    """Inverse depth or disparity, so that near is warm in both cases; NaN where unknown."""
    if unit == "px":
        return values
    with np.errstate(divide="ignore"):
        return np.where(values > 0, 1 / values, np.float32(np.nan)).astype(np.float32)


def _encoded(path: Path, values: NDArray[np.float32], unit: str) -> bytes:
    """The numbers in the format that the file's name asks for."""
    if path.suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        return buffer.getvalue()
    scale = MM_PER_M if unit == "m" else DISPARITY_SCALE
    scaled = np.nan_to_num(values * scale, nan=0.0, posinf=0.0)
    return _png(np.clip(scaled.round(), 0, 65535).astype(np.uint16))


def _png(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    done, data = cv2.imencode(".png", np.ascontiguousarray(pixels))
    if not done:
        raise InputError("the picture could not be encoded as PNG")
    return data.tobytes()


def _write(path: Path, data: bytes) -> None:
    """Writes a file.

    Raises:
        InputError: the folder does not exist, is not writable, or the disk is full.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
