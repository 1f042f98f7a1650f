"""``reflexarc doctor``: can this machine do the work?"""

import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from firmware_bridge.emulators import boards
from firmware_bridge.ports.serial_port import find_ports
from firmware_bridge.probe import BAUD, probe
from robot.config import USER_ERRORS, list_configs
from robot.graph import load_graph
from robot.validation import validate
from robot.wishes import words

LEAST_DISK_GB = 1.0  # an hour of stereo at 128 x 96 and 20 Hz is about 5 GB


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    required: bool
    """Whether the edge runtime needs it."""
    found: str


@dataclass(frozen=True)
class Doctor:
    """Check this machine: libraries, rendering, sockets, disk, ports, and every graph there is.

    Example: reflexarc doctor --port /dev/ttyACM0
    """

    port: str | None = None
    """Ask the controller at this port for its firmware: a path, tcp://HOST:PORT or unix:PATH."""
    baud: int = BAUD
    """Bits per second of that port, if it is a serial one."""
    json: bool = False
    """Print the checks as JSON."""

    def __call__(self) -> int:
        """Prints what was found; exit code 1 if something that is required is missing."""
        checks = [_run(name, required, look) for name, required, look in CHECKS]
        if self.port is not None:
            checks.append(_run(f"firmware at {self.port}", True, _firmware(self.port, self.baud)))
        checks += [_run(f"graph {name}", False, _graph(name)) for name in list_configs("graphs")]
        if self.json:
            sys.stdout.write(json.dumps([asdict(check) for check in checks]) + "\n")
        else:
            for check in checks:
                mark = "ok  " if check.ok else "FAIL" if check.required else "no  "
                sys.stdout.write(f"{mark} {check.name:<20} {check.found}\n")
        return 1 if any(check.required and not check.ok for check in checks) else 0


class _MissingError(Exception):
    """What was looked at is not as it should be; the text says why."""


Look = Callable[[], str]


def _run(name: str, required: bool, look: Look) -> Check:
    """One check; what it raises is what it found."""
    try:
        return Check(name, True, required, look())
    except (_MissingError, *USER_ERRORS, ImportError, OSError) as error:
        return Check(name, False, required, " ".join(str(error).split()))


def _python() -> str:
    return f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores"


def _library(*names: str) -> Look:
    def look() -> str:
        return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)

    return look


def _onnx() -> str:
    import onnxruntime

    return (
        f"onnxruntime {onnxruntime.__version__}, providers {onnxruntime.get_available_providers()}"
    )


def _zeromq() -> str:
    import zmq

    if not (zmq.has("ipc") and zmq.has("curve")):
        raise _MissingError("this ZeroMQ has no ipc or no CURVE; install pyzmq from its wheel")
    return f"pyzmq {zmq.__version__}, libzmq {zmq.zmq_version()}, ipc and CURVE"


def _sockets() -> str:
    with tempfile.TemporaryDirectory(prefix="reflexarc-") as folder:
        longest = len(folder) + len("/e1000")
        if longest > 100:
            raise _MissingError(
                f"{folder} is too long a path for ipc sockets; set TMPDIR to a short one"
            )
        return f"in {Path(folder).parent}"


def _disk() -> str:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    if free_gb < LEAST_DISK_GB:
        raise _MissingError(f"{free_gb:.1f} GB free here; runs need {LEAST_DISK_GB:g} GB and more")
    return f"{free_gb:.0f} GB free"


def _film() -> str:
    import av

    if "libx264" not in av.codecs_available:
        raise _MissingError("this FFmpeg has no libx264, so no films; install av from its wheel")
    return f"av {av.__version__} with H.264"


def _mujoco() -> str:
    from sim.gl import mujoco

    return f"mujoco {mujoco.__version__}"


def _rendering() -> str:
    from sim.gl import mujoco, open_context

    context, drawing = open_context(mujoco.MjModel.from_xml_string("<mujoco/>"), 32, 32)
    drawing.free()
    context.free()
    return f"off screen by {os.environ.get('MUJOCO_GL', 'the display')}"


def _ports() -> str:
    found = find_ports()
    shut = [f"{port.path} is shut to this user: {port.cure}" for port in found if port.cure]
    if shut:
        raise _MissingError("; ".join(shut))
    if not found:
        return "none; a controller on a cable shows here once it is in"
    return ", ".join(f"{port.path} ({port.device})" for port in found)


def _emulated_chip() -> str:
    if cures := boards.missing():
        raise _MissingError(f"room_hil then runs the controller in Python; {' && '.join(cures)}")
    return "QEMU and a compiler for the firmware"


def _firmware(address: str, baud: int) -> Look:
    def look() -> str:
        who = probe(address, baud)
        return (
            f"version {who.firmware_version}, packets {who.schema_hash:08x} as here, "
            f"{words(who.mode)}, up {who.uptime_s:.0f} s"
        )

    return look


def _graph(name: str) -> Look:
    def look() -> str:
        graph = load_graph(name)
        validate(graph)
        return f"valid, {len(graph.nodes)} nodes, {len(graph.edges)} edges"

    return look


CHECKS: tuple[tuple[str, bool, Look], ...] = (
    ("Python", True, _python),
    ("vision", True, _library("opencv-python-headless", "numpy", "numba")),
    ("ONNX", True, _onnx),
    ("ZeroMQ", True, _zeromq),
    ("sockets", True, _sockets),
    ("log", True, _library("mcap", "foxglove-sdk", "msgspec")),
    ("film", True, _film),
    ("disk", True, _disk),
    ("serial ports", False, _ports),
    ("emulated chip", False, _emulated_chip),
    ("MuJoCo (sim)", False, _mujoco),
    ("rendering (sim)", False, _rendering),
    ("torch (train)", False, _library("torch", "pytorch-lightning")),
)
