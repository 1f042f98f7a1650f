"""Imports MuJoCo so that it also works on a machine without a screen or without OpenGL.

Use `from sim.gl import mujoco` everywhere. MuJoCo chooses its OpenGL backend while it is imported:
without a display this must be EGL, and with EGL chosen but a library missing the *import* fails,
with errors from deep inside PyOpenGL. Physics needs no OpenGL, so MuJoCo is then imported without
it, and only drawing raises `RenderingError`.
"""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from perception.quantities import InputError

BACKEND = "MUJOCO_GL"  # the environment variable that MuJoCo reads


class RenderingError(InputError):
    """This machine cannot draw images off screen."""


class MissingMujocoError(InputError, ImportError):
    """The simulator is not installed."""


def open_context(model: Any, width: int, height: int) -> tuple[Any, Any]:
    """OpenGL for drawing a model off screen.

    Returns:
        The OpenGL context, current in this thread, and MuJoCo's drawing context for the model in
        it. `free()` both when done, the second first.

    Raises:
        RenderingError: OpenGL is missing; the line names what to install.
    """
    try:
        context = _context_class()(width, height)
        context.make_current()
        return context, mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
    except Exception as error:  # each backend fails in its own way: no library, driver, device
        raise RenderingError(
            "cannot draw without OpenGL: on Debian or Ubuntu run "
            "'apt-get install libegl1 libopengl0 libgl1-mesa-dri' "
            f"(MUJOCO_GL={os.environ.get(BACKEND)}: {_first_line(error)})"
        ) from error


def _context_class() -> Any:
    """MuJoCo's OpenGL backend; EGL also where somebody imported MuJoCo before this module."""
    if os.environ.get(BACKEND) == "egl":
        return import_module("mujoco.egl").GLContext
    return mujoco.GLContext


def _import_mujoco() -> Any:
    if find_spec("mujoco") is None:
        raise MissingMujocoError("the simulator needs MuJoCo: run 'pip install reflexarc[sim]'")
    has_display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if sys.platform == "linux" and not has_display:
        os.environ.setdefault(BACKEND, "egl")
    try:
        return import_module("mujoco")
    except Exception:  # noqa: BLE001  PyOpenGL raises AttributeError, ArgumentError, ImportError
        os.environ[BACKEND] = "disabled"
        return import_module("mujoco")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


mujoco: Any = _import_mujoco()  # its compiled modules carry no types
