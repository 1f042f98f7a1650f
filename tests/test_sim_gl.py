import os
import subprocess
import sys

import pytest

from sim import gl


def break_opengl(*_):
    raise ImportError("Cannot initialize a EGL device display.\nmore lines")


def test_without_opengl_one_line_names_the_packages(monkeypatch):
    monkeypatch.setattr(gl, "_context_class", lambda: break_opengl)
    with pytest.raises(gl.RenderingError, match="apt-get install libegl1") as caught:
        gl.open_context(None, 8, 8)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_mujoco_is_imported_without_opengl_where_that_breaks_its_import(monkeypatch):
    def import_module(name):
        if os.environ["MUJOCO_GL"] == "egl":  # what PyOpenGL raises when libEGL is missing
            raise AttributeError("'NoneType' object has no attribute 'eglQueryString'")
        return name

    monkeypatch.setattr(gl, "import_module", import_module)
    monkeypatch.setenv("MUJOCO_GL", "egl")
    assert gl._import_mujoco() == "mujoco"


def test_without_mujoco_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(gl, "find_spec", lambda name: None)
    with pytest.raises(gl.MissingMujocoError, match=r"pip install reflexarc\[sim\]"):
        gl._import_mujoco()


def test_it_draws_though_mujoco_was_imported_before_it():
    code = (
        "import mujoco\n"
        "from sim.world import World, WorldConfig\n"
        "with World(WorldConfig()) as world:\n"
        "    print(world.reset().images.left.shape)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "(96, 128)\n", done.stderr


def test_physics_runs_where_nothing_can_be_drawn():
    code = (
        "from sim.gl import RenderingError\n"
        "from sim.world import CameraConfig, World, WorldConfig\n"
        "World(WorldConfig(camera=CameraConfig(rate_hz=0))).step(0.1)\n"
        "try:\n"
        "    World(WorldConfig())\n"
        "except RenderingError:\n"
        "    print('flew blind')\n"
    )
    environment = {**os.environ, "MUJOCO_GL": "egl", "PYOPENGL_PLATFORM": "none such"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "flew blind\n", done.stderr
