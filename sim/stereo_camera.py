"""A pair of cameras on the vehicle's nose, drawn off screen: grey, noisy, with auto exposure.

Both lenses share one exposure, as a stereo head does. Drawing is the dearest part of the
simulation, so its time is measured and reported apart.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from perception.calibration import StereoRig
from perception.quantities import InputError, StereoImages

if TYPE_CHECKING:
    from sim.drawing import View

LEFT, RIGHT = "left", "right"
# MuJoCo's cameras look along their -z: turn that to the body's +x, up to +z.
FORWARD_QUATERNION = (0.5, 0.5, -0.5, -0.5)


class CameraError(InputError):
    """A camera that cannot be simulated."""


@dataclass(frozen=True)
class CameraConfig:
    """How the pair takes its images; its geometry is the robot's [rig]."""

    rate_hz: float = 10.0  # pairs per simulated second; 0 takes none and needs no OpenGL
    gain: float = 1.0  # of the image's brightness; with auto exposure where it starts
    auto_exposure: bool = True  # follows the mean brightness, late
    target_brightness: float = 110.0  # grey level that auto exposure aims at
    exposure_lag_s: float = 0.3  # time constant of auto exposure
    shot_noise: float = 0.04  # variance over grey level: photons arrive one by one
    read_noise: float = 1.0  # standard deviation in grey levels, of the electronics
    right_gain: float = 1.02  # of the right sensor over the left: no two are alike


class Capture(NamedTuple):
    """A stereo pair and what it cost."""

    images: StereoImages
    time_s: float  # simulated, when they were taken
    render_s: float  # wall seconds spent drawing


@dataclass
class CameraState:
    """All that changes while the camera runs; copied by World.save."""

    rng: np.random.Generator
    gain: float
    taken: int = 0  # pairs so far: pair k is due at k / rate_hz


class StereoCamera:
    """Draws what the pair sees; opens OpenGL at the first image."""

    def __init__(self, config: CameraConfig, rig: StereoRig) -> None:
        """Nothing is drawn yet.

        Raises:
            CameraError: the rig has lens distortion or is not a parallel pair, which MuJoCo's
                cameras cannot show; or the rate is negative.
        """
        if config.rate_hz < 0 or config.exposure_lag_s <= 0:
            raise CameraError("a camera needs rate_hz >= 0 and exposure_lag_s > 0")
        _require_ideal(rig)
        self.config = config
        self.rig = rig
        self.state: CameraState
        self._view: View | None = None

    def add_to(self, body: Any, position_b_m: tuple[float, float, float]) -> None:
        """Mounts the pair on a body of the model, looking along its x axis, the left lens at +y."""
        lens = self.rig.left
        fov_deg = float(np.degrees(2 * np.arctan(lens.height / (2 * lens.fy_px))))
        x, y, z = position_b_m
        for name, side in ((LEFT, 0.5), (RIGHT, -0.5)):
            body.add_camera(
                name=name,
                pos=(x, y + side * self.rig.baseline_m, z),
                quat=FORWARD_QUATERNION,
                fovy=fov_deg,
            )

    def reset(self, rng: np.random.Generator) -> None:
        """Starts a flight; the generator draws the noise from here on."""
        self.state = CameraState(rng, self.config.gain)

    def next_due_s(self) -> float:
        """Simulated time of the next pair."""
        rate_hz = self.config.rate_hz
        return self.state.taken / rate_hz if rate_hz else float("inf")

    def skip_until(self, time_s: float) -> None:
        """Counts the pairs due before the newest one at `time_s` as taken, without drawing them."""
        self.state.taken = max(self.state.taken, int(np.floor(time_s * self.config.rate_hz + 1e-9)))

    def capture(self, model: Any, data: Any, time_s: float) -> Capture:
        """Draws and exposes the next pair at the model's present state.

        Raises:
            RenderingError: this machine cannot draw.
        """
        started_ns = time.perf_counter_ns()
        if self._view is None or self._view.model is not model:
            self.close()
            from sim.drawing import View

            self._view = View(model, self.rig.left.width, self.rig.left.height)
        left, right = self._view.draw(data, LEFT), self._view.draw(data, RIGHT)
        render_s = (time.perf_counter_ns() - started_ns) * 1e-9
        self.state.taken += 1
        return Capture(self._expose(left, right), time_s, render_s)

    def close(self) -> None:
        """Frees OpenGL; the next capture opens it again."""
        if self._view is not None:
            self._view.close()
            self._view = None

    def _expose(self, left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]) -> StereoImages:
        gain = self.state.gain
        images = StereoImages(
            self._add_noise(left, gain), self._add_noise(right, gain * self.config.right_gain)
        )
        if self.config.auto_exposure:
            wanted = self.config.target_brightness / max(float(left.mean()), 1.0)
            step = 1.0 - np.exp(-1.0 / (self.config.rate_hz * self.config.exposure_lag_s))
            self.state.gain = float(np.clip(gain + step * (wanted - gain), 0.25, 4.0))
        return images

    def _add_noise(self, image: npt.NDArray[np.uint8], gain: float) -> npt.NDArray[np.uint8]:
        config = self.config
        signal = image.astype(np.float32) * np.float32(gain)
        variance = np.float32(config.shot_noise * gain) * signal + np.float32(config.read_noise**2)
        signal += np.sqrt(variance) * self.state.rng.standard_normal(image.shape, dtype=np.float32)
        return np.clip(np.rint(signal), 0, 255).astype(np.uint8)


def _require_ideal(rig: StereoRig) -> None:
    left, right = rig.left, rig.right
    if any(left.distortion) or any(right.distortion):
        raise CameraError("simulated lenses have no distortion: leave it out of the robot's [rig]")
    same = (left.width, left.height, left.fx_px, left.fy_px) == (
        right.width,
        right.height,
        right.fx_px,
        right.fy_px,
    )
    parallel = np.allclose(np.asarray(rig.right_from_left)[:3, :3], np.eye(3))
    if not (same and parallel and np.isclose(left.fx_px, left.fy_px)):
        raise CameraError(
            "simulated cameras are a parallel pair of equal lenses: use the short form of [rig]"
        )
