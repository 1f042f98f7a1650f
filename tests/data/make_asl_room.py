"""Renders ``asl_room/mav0``: six stereo pairs of a short flight, in the EuRoC/ASL folder layout.

Run as ``python tests/data/make_asl_room.py`` where MuJoCo can draw; the result is committed, so
that tests of the perception nodes need neither MuJoCo nor OpenGL.
"""

from pathlib import Path

import cv2
import numpy as np

from perception.calibration import CameraIntrinsics
from sim.stereo_camera import CameraConfig
from sim.world import World, WorldConfig

FOLDER = Path(__file__).parent / "asl_room" / "mav0"
PAIRS = 6
PERIOD_NS = 50_000_000  # 20 Hz, as EuRoC was recorded
FIRST_NS = 1_403_715_273_000_000_000  # EuRoC stamps are large: days must not be lost in a float
WARM_UP_STEPS = 150  # 1.5 s: it has taken up speed by then
STEP_S = 0.01
COMMAND = np.array([0.6, 0.4, 1.4])  # m/s, rad/s, m: a curve
BODY_FROM_CAMERA = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # z ahead to x ahead


def sensor_yaml(name: str, camera: CameraIntrinsics, left_of_nose_m: float) -> str:
    """A sensor.yaml as EuRoC writes it, its first line included."""
    body_from_camera = np.eye(4)
    body_from_camera[:3, :3] = BODY_FROM_CAMERA
    body_from_camera[1, 3] = left_of_nose_m
    rows = ",\n         ".join(", ".join(f"{v:g}" for v in row) for row in body_from_camera)
    fx, fy, cx, cy = camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px
    return (
        "%YAML:1.0\n"
        "# General sensor definitions.\n"
        "sensor_type: camera\n"
        f"comment: simulated {name}\n\n"
        "# Sensor extrinsics wrt. the body-frame.\n"
        f"T_BS:\n  cols: 4\n  rows: 4\n  data: [{rows}]\n\n"
        "# Camera specific definitions.\n"
        f"rate_hz: {1e9 / PERIOD_NS:g}\n"
        f"resolution: [{camera.width}, {camera.height}]\n"
        "camera_model: pinhole\n"
        f"intrinsics: [{fx!r}, {fy!r}, {cx!r}, {cy!r}] #fu, fv, cu, cv\n"
        "distortion_model: radial-tangential\n"
        "distortion_coefficients: [0.0, 0.0, 0.0, 0.0]\n"
    )


def main() -> None:
    """Flies a curve and writes what the cameras see."""
    camera = CameraConfig(rate_hz=1e9 / PERIOD_NS, read_noise=0.5, shot_noise=0.01)
    index = "#timestamp [ns],filename\n"
    with World(WorldConfig(camera=camera), seed=5) as world:
        half_m = world.rig.baseline_m / 2
        eyes = {
            "cam0": ("left", world.rig.left, half_m),
            "cam1": ("right", world.rig.right, -half_m),
        }
        for name in eyes:
            (FOLDER / name / "data").mkdir(parents=True, exist_ok=True)
        for _ in range(WARM_UP_STEPS):
            world.step(STEP_S, COMMAND)
        taken = 0
        while taken < PAIRS:
            images = world.step(STEP_S, COMMAND).images
            if images is None:
                continue
            stamp_ns = FIRST_NS + taken * PERIOD_NS
            index += f"{stamp_ns},{stamp_ns}.png\n"
            for name, (side, _, _) in eyes.items():
                path = FOLDER / name / "data" / f"{stamp_ns}.png"
                done, png = cv2.imencode(
                    ".png", getattr(images, side), [cv2.IMWRITE_PNG_COMPRESSION, 9]
                )
                assert done
                path.write_bytes(png.tobytes())
            taken += 1
        for name, (_, intrinsics, left_m) in eyes.items():
            (FOLDER / name / "data.csv").write_text(index)
            (FOLDER / name / "sensor.yaml").write_text(sensor_yaml(name, intrinsics, left_m))


if __name__ == "__main__":
    main()
