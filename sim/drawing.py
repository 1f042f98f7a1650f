"""MuJoCo's off-screen drawing, apart from the camera so that a camera's config needs no MuJoCo."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.gl import mujoco, open_context

DRAWN_GROUPS = (1, 1, 0, 0, 0, 0)  # the room; not the hull around the lenses


class View:
    """MuJoCo's drawing resources for one model and image size."""

    def __init__(self, model: Any, width: int, height: int) -> None:
        self.model = model
        self._gl, self._context = open_context(model, width, height)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 16)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[flag] = 0
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = DRAWN_GROUPS
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._rect = mujoco.MjrRect(0, 0, width, height)
        self._pixels = np.empty((height, width, 3), np.uint8)

    def draw(self, data: Any, camera_name: str) -> npt.NDArray[np.uint8]:
        """What one camera sees, (H, W) uint8 grey: all surfaces of a room are."""
        return self.draw_colour(data, camera_name)[..., 1].copy()

    def draw_colour(self, data: Any, camera_name: str) -> npt.NDArray[np.uint8]:
        """What one camera sees, (H, W, 3) uint8 RGB."""
        camera = mujoco.MjvCamera()
        camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        camera.fixedcamid = self.model.camera(camera_name).id
        self._gl.make_current()
        mujoco.mjv_updateScene(
            self.model,
            data,
            self._option,
            None,
            camera,
            mujoco.mjtCatBit.mjCAT_ALL.value,
            self._scene,
        )
        mujoco.mjr_render(self._rect, self._scene, self._context)
        mujoco.mjr_readPixels(self._pixels, None, self._rect, self._context)
        return self._pixels[::-1].copy()  # bottom row first

    def close(self) -> None:
        """Frees both contexts."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()
