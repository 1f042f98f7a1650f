"""A textured wall that a camera of known geometry flies along, for tests of what it sees."""

import cv2
import numpy as np

from perception.frame_history import CAMERA_FROM_BODY, LENS_B_M
from perception.geometry import RectifiedView

VIEW = RectifiedView(128, 96, 115.459, 63.5, 47.5, 0.06)
WALL_M = 2.0


def wall(seed=0):
    """Smooth noise, (H, W) float, of which a pixel is a centimetre."""
    noise = np.random.default_rng(seed).normal(size=(600, 900))
    return 128 + 40 * cv2.GaussianBlur(noise, (0, 0), 2.0) / 0.14


def seen(rotation_b, position_b_m, seed=0):
    """The wall, 2 m ahead of where the body began, from a pose of the body; (96, 128) uint8."""
    lens = np.array(LENS_B_M)
    rotation = CAMERA_FROM_BODY @ rotation_b @ CAMERA_FROM_BODY.T
    centre = CAMERA_FROM_BODY @ (position_b_m + rotation_b @ lens - lens)
    rows, columns = np.mgrid[0:96, 0:128]
    rays = np.stack([(columns - 63.5) / 115.459, (rows - 47.5) / 115.459, np.ones((96, 128))], -1)
    turned = rays @ rotation.T
    points = centre + turned * ((WALL_M - centre[2]) / turned[..., 2])[..., np.newaxis]
    at = [
        (points[..., axis] * 100 + size / 2).astype(np.float32)
        for axis, size in ((0, 900), (1, 600))
    ]
    return np.clip(cv2.remap(wall(seed), *at, cv2.INTER_LINEAR), 0, 255).astype(np.uint8)
