"""Depth from one camera at the edge: a model package runs, and gives what stereo gives.

The depth comes as a `StereoDepth`, so that proximity, pilot and views work on either eye without
knowing which. No torch here: a robot runs this. A network sees metric depth only through the
lenses it was trained behind, so another calibration is refused, and another size or colour too.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from perception.calibration import StereoRig, calibration_hash
from perception.fitting import Fit
from perception.geometry import RectifiedView, Rectifier, depth_from_disparity
from perception.model_package import ModelPackage, TensorSpec, read_package
from perception.proximity import ProximityConfig, measure_proximity
from perception.quantities import FloatArray, InputError, Proximity, StereoDepth

KIND = "mono_depth"
IMAGE, INVERSE_DEPTH, SCALE = "image", "inverse_depth_per_m", "scale_per_m"
CAUTION = "caution"  # in the manifest's extra
USUAL_CAUTION = 0.5  # expected errors, of a package that does not say its own
STEADY_FRAMES = 2  # whose corridors are averaged; more see too late (docs/decisions/0019)
OUTPUT_STRIDE = 4  # px of the input per cell of the output, in x and y
SIZE_STEP = 16  # px, the network halves the size four times
COLOURS = {1: "grey", 3: "colour"}
HASH_DIGITS = 12  # of a hash shown to a person


class MonoModelError(InputError):
    """A package that is no mono network, or belongs to another camera."""


class MonoFrameError(InputError):
    """A frame that is not of the size or colour that the network takes."""


@dataclass(frozen=True)
class MonoSpec:
    """What a network takes."""

    width: int = 128  # px, a multiple of 16
    height: int = 96  # px, a multiple of 16
    channels: int = 1  # 1 grey, 3 colour

    def __post_init__(self) -> None:
        sides = (self.width, self.height)
        if min(sides) < SIZE_STEP or any(side % SIZE_STEP for side in sides):
            raise MonoModelError(
                f"a network for {self.width}x{self.height} px; width and height must be "
                f"multiples of {SIZE_STEP}"
            )
        if self.channels not in COLOURS:
            raise MonoModelError(f"channels is {self.channels}; valid: 1 (grey), 3 (colour)")

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the output."""
        return self.height // OUTPUT_STRIDE, self.width // OUTPUT_STRIDE

    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's input as a manifest declares it."""
        shape = (1, self.channels, self.height, self.width)
        return (TensorSpec(name=IMAGE, shape=shape, dtype="uint8", unit="1"),)

    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs as a manifest declares them."""
        shape = (1, *self.grid)
        return tuple(
            TensorSpec(name=name, shape=shape, dtype="float32", unit="1/m")
            for name in (INVERSE_DEPTH, SCALE)
        )


@dataclass(frozen=True)
class MonoConfig:
    """What the edge lets through."""

    max_relative_scale: float = 0.5  # expected error over inverse depth at which trust ends


class MonoDepth(NamedTuple):
    """What the network says of one frame, in the fitted left view."""

    inverse_depth_per_m: FloatArray  # (H/4, W/4), 1/m along z, > 0
    scale_per_m: FloatArray  # (H/4, W/4), 1/m, Laplace scale: the mean error it expects


class MonoEye:
    """One camera and a network that knows it."""

    def __init__(
        self, package: ModelPackage, rig: StereoRig, config: MonoConfig | None = None
    ) -> None:
        """Checks that the package is a mono network of this camera.

        Args:
            package: as `perception.model_package.read_package` gives it.
            rig: of the robot; only its left camera is used.
            config: what to let through.

        Raises:
            MonoModelError: if the package is of another kind, or of another calibration.
            FitError: if the camera is smaller than the network's input.
        """
        self.package = package
        self.spec = spec_of(package)
        _check_calibration(package, rig)
        self._config = config or MonoConfig()
        self._rectifier = Rectifier(rig)
        self._fit = Fit(self._rectifier.view, self.spec.width, self.spec.height)
        self._size = (rig.left.width, rig.left.height)
        self.view = self._fit.view

    def infer(self, left: npt.NDArray[np.uint8]) -> MonoDepth:
        """Inverse depth and uncertainty of a frame as the left camera gave it.

        Args:
            left: (H, W) grey or (H, W, 3) colour, uint8, of the size of the calibration.

        Raises:
            MonoFrameError: if size, dtype or colour are not those that the network takes.
        """
        fitted = self.fitted(left)
        channels_first = fitted[np.newaxis] if fitted.ndim == 2 else fitted.transpose(2, 0, 1)
        batch = np.ascontiguousarray(channels_first[np.newaxis])  # (1, C, H, W)
        found = self.package.model.infer({IMAGE: batch})
        return MonoDepth(found[INVERSE_DEPTH][0], found[SCALE][0])

    def fitted(self, left: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """What the network is shown of a frame, (height, width) grey or with colours, uint8.

        Raises:
            MonoFrameError: if size, dtype or colour are not those that the network takes.
        """
        self._check(left)
        return self._fit.image(self._rectifier.rectify_left(left))

    def depth(self, mono: MonoDepth) -> StereoDepth:
        """The same as stereo would give it, at the size of the input; NaN where not trusted."""
        return depth_of(mono, self.view, self._config)

    def proximity(self, mono: MonoDepth, config: ProximityConfig | None = None) -> Proximity:
        """The numbers that a pilot flies on, measured as for stereo."""
        return measure_proximity(self.depth(mono), self.view, config or ProximityConfig())

    def _check(self, left: npt.NDArray[np.uint8]) -> None:
        colour = () if self.spec.channels == 1 else (self.spec.channels,)
        if left.shape != (*self._size[::-1], *colour) or left.dtype != np.uint8:
            wanted = f"{COLOURS[self.spec.channels]} {self._size[0]}x{self._size[1]} uint8"
            raise MonoFrameError(
                f"the frame is {_described(left)}; {self.package.path.name} takes {wanted}"
            )


def open_mono(path: Path | str, rig: StereoRig, config: MonoConfig | None = None) -> MonoEye:
    """The eye of a package on disk.

    Raises:
        ModelPackageError: if the package is missing, damaged or of another version.
        OnnxModelError: if it is not an ONNX model.
        MonoModelError: if it is of another kind, or of another calibration.
    """
    return MonoEye(read_package(path), rig, config)


def spec_of(package: ModelPackage) -> MonoSpec:
    """What the network of a package takes.

    Raises:
        MonoModelError: if the package is not a mono network.
    """
    manifest = package.manifest
    if manifest.kind != KIND:
        raise MonoModelError(f"{package.path} is of kind {manifest.kind}; needed is {KIND}")
    shapes = {tensor.name: tensor.shape for tensor in manifest.inputs}
    channels, height, width = (size or 0 for size in (*shapes.get(IMAGE, ()), 0, 0, 0, 0)[1:4])
    spec = MonoSpec(width, height, channels)
    if (manifest.inputs, manifest.outputs) != (spec.inputs(), spec.outputs()):
        raise MonoModelError(
            f"{package.path} is no mono network of this version: it must take {IMAGE} and give "
            f"{INVERSE_DEPTH} and {SCALE} at 1/{OUTPUT_STRIDE} of the size; train it again"
        )
    return spec


def depth_of(mono: MonoDepth, view: RectifiedView, config: MonoConfig) -> StereoDepth:
    """Disparity, metres and confidence (H, W) of a prediction, linear between its cells.

    Confidence is r / (r + scale / inverse depth) with r the allowed relative scale: 1 where the
    network expects no error, 0.5 where it expects the largest that is let through.
    """
    inverse, scale = upsampled(mono)
    disparity_px = inverse * np.float32(view.focal_px * view.baseline_m)
    allowed = np.float32(config.max_relative_scale)
    confidence = allowed / (allowed + scale / inverse)
    depth_m = depth_from_disparity(disparity_px, view)
    trusted = confidence >= 0.5
    return StereoDepth(disparity_px, np.where(trusted, depth_m, np.float32(np.nan)), confidence)


def nearer(mono: MonoDepth, caution: float) -> MonoDepth:
    """The prediction moved nearer by so many expected errors.

    A network that is in doubt says the mean of what may be there, so it finds near things too far;
    a pilot must rather brake for nothing. How much: `perception/operating_point.py`.
    """
    inverse = mono.inverse_depth_per_m + np.float32(caution) * mono.scale_per_m
    return MonoDepth(inverse.astype(np.float32), mono.scale_per_m)


def caution_of(package: ModelPackage) -> float:
    """How cautious its learner found that this network must be flown, in expected errors."""
    value = package.manifest.extra.get(CAUTION)
    if isinstance(value, int | float) and 0 <= value < float("inf"):
        return float(value)
    return USUAL_CAUTION


def upsampled(mono: MonoDepth) -> MonoDepth:
    """The same at the size of the input, (H, W) each, linear between the centres of the cells."""
    return MonoDepth(
        *(
            np.asarray(cv2.resize(values, None, fx=OUTPUT_STRIDE, fy=OUTPUT_STRIDE), np.float32)
            for values in mono
        )
    )


def _check_calibration(package: ModelPackage, rig: StereoRig) -> None:
    trained, present = package.manifest.calibration_hash, calibration_hash(rig)
    if trained != present:
        known = trained[:HASH_DIGITS] if trained else "none"
        raise MonoModelError(
            f"{package.path} was trained behind calibration {known}, this rig is "
            f"{present[:HASH_DIGITS]}; train it again, or give the rig that it knows"
        )


def _described(image: npt.NDArray[np.uint8]) -> str:
    if image.ndim in (2, 3):
        channels = image.shape[2] if image.ndim == 3 else 1
        colour = COLOURS.get(channels, f"{channels} channels")
        return f"{colour} {image.shape[1]}x{image.shape[0]} {image.dtype}"
    return f"{image.dtype} of shape {image.shape}"
