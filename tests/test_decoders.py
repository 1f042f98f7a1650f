"""Whatever reads bytes that somebody else wrote gives a typed error or a value, in bounded memory.

One row per decoder: valid bytes to begin from, what reads them, and the errors it documents.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import lz4.frame
import msgspec
import pytest
from feetech_rig import CALIBRATION, LIMITS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from message_samples import sample

from firmware_bridge.errors import CalibrationError
from firmware_bridge.feetech.bus import Decoder as ServoDecoder
from firmware_bridge.feetech.bus import sync_read, sync_write
from firmware_bridge.feetech.calibration import Calibration, read_calibration
from firmware_bridge.feetech.lerobot import read_lerobot
from perception.calibration import load_rig, rig_from_table
from perception.cameras.folder import FolderCamera
from perception.model_package import Manifest, TensorSpec, _decode_manifest
from perception.quantities import InputError
from policies.spec import PolicySpec
from robot.bus import parse_end
from robot.config import USER_ERRORS, load_robot
from robot.control import (
    Bye,
    ControlError,
    Done,
    Failed,
    Ready,
    Start,
    Step,
    Stop,
    decode_order,
    decode_report,
)
from robot.edges import Arrival, parse_policy
from robot.graph import load_graph
from robot.launch import Launch, decode_launch
from robot.messages import DepthMap, RoomDescription, StereoFrame, Telemetry, TruePose
from robot.node import NodeReport
from robot.record import LogError, LogReader, LogWriter
from robot.validation import validate
from robot.wire import MAX_HEADER_BYTES, WireError, decode, encode, pack, unpack

HERE = Path(__file__).parent
CONFIGS = HERE.parent / "configs"
SENSOR = HERE / "data" / "asl_room" / "mav0" / "cam0" / "sensor.yaml"
MEMORY_BYTES = 32 * 1024 * 1024  # far above what any of the samples needs, far below a lie


class Decoder(NamedTuple):
    """One row."""

    samples: list[bytes]
    read: Callable[[bytes, Path], object]
    errors: tuple[type[Exception], ...]
    text: bool = False


def _file(name, read, folder=""):
    """A reader of files, as a reader of bytes."""

    def run(content, scratch):
        path = scratch / name.partition(".")[0] / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return read(path.parent.parent if folder else path)

    return run


def _graph(path):
    graph = load_graph(str(path))
    validate(graph)
    return graph.resolved_json()


def _robot(path):
    robot = load_robot(str(path))
    return robot.limits, robot.rig


def _override(content, _):
    return load_graph("folder_stereo", (content.decode("utf-8", "replace"),))


def _sensor(folder):
    other = folder / "cam1" / "sensor.yaml"
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(SENSOR.read_bytes().replace(b"0.03", b"-0.03"))
    return load_rig(folder)


def _recording(folder):
    for side in ("cam0", "cam1"):
        (folder / side / "data").mkdir(parents=True, exist_ok=True)
        (folder / side / "data" / "1.png").touch()
    (folder / "cam1" / "data.csv").write_text("1, 1.png\n")
    return FolderCamera(folder)


def _manifest(content, scratch):
    manifest = _decode_manifest(scratch, content.decode("utf-8", "replace"))
    return PolicySpec.from_manifest(manifest)


def _log(path):
    return [entry.topic for entry in LogReader(path).messages()]


def _log_sample():
    """A log of three types, one with arrays."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.mcap"
        writer = LogWriter(path.open("wb"), {"graph": "{}"})
        for kind in (StereoFrame, Telemetry, TruePose):
            message = sample(kind)
            writer.write(Arrival(f"node/{kind.__name__}", message, encode(message)))
        writer.close()
        return path.read_bytes()


def _wire(kind):
    def run(content, _):
        return decode(kind, unpack(content))

    return Decoder([pack(encode(sample(kind)))], run, (WireError,))


_msgpack = msgspec.msgpack.encode
_ORDERS = [Start(5), Step(7, (1, 2, 3)), Stop(("relay",))]
_REPORTS = [Ready(), Done({"a": 1}), Failed("e", "t", True), Bye(NodeReport(ages_ms={"e": [1.0]}))]
_MANIFEST = Manifest(
    kind="policy",
    inputs=(TensorSpec("a", (1, None), "float32", "m"),),
    outputs=(TensorSpec("action", (1,), "float32", "m/s"),),
    rate_hz=10.0,
    limits=[{"name": "x", "unit": "m/s", "minimum": 0.0, "maximum": 1.0}],
)
_LAUNCH = Launch("n", "g.toml", ("a.b=1",), "/f", 0, True, 1.5, None)
_POLICIES = [b"latest", b"queue(512)", b"lossless(0.5), delayed"]
_OVERRIDES = [
    b"stereo.matcher=sgbm",
    b"camera.frame_hz=10",
    b"stereo.options.block_size=5",
]
_CSV = b"#timestamp [ns],filename\n1403715273000000000,1.png\n1,1.png\n"

_SHORT_RIG = b"[rig]\nwidth = 128\nheight = 96\nfov_deg = 58.0\nbaseline_m = 0.06\n"
_EYE = b"width=128\nheight=96\nfx_px=115.4\nfy_px=115.4\ncx_px=63.5\ncy_px=47.5\n"
_EXPLICIT_RIG = b"\n".join(
    (
        b"right_from_left = [[1,0,0,-0.06],[0,1,0,0],[0,0,1,0],[0,0,0,1]]",
        b"[left]",
        _EYE + b"distortion=[0.01,0.0,0.0,0.0]",
        b"[right]",
        _EYE,
    )
)

_JOINTS = CALIBRATION.joints
_LEROBOT = json.dumps(
    {
        joint.name: {
            "id": joint.id,
            "drive_mode": 0,
            "homing_offset": joint.homing_offset_steps,
            "range_min": joint.range_steps[0],
            "range_max": joint.range_steps[1],
        }
        for joint in _JOINTS
    }
).encode()

DECODERS = {
    "wire frames": _wire(StereoFrame),
    "wire of maps": _wire(Telemetry),
    "wire of structs": _wire(RoomDescription),
    "end marker": Decoder([b"12"], lambda content, _: parse_end([b"end", content]), (WireError,)),
    "order": Decoder(
        [_msgpack(o) for o in _ORDERS], lambda content, _: decode_order(content), (ControlError,)
    ),
    "report": Decoder(
        [_msgpack(r) for r in _REPORTS],
        lambda content, _: decode_report([b"node", content]),
        (ControlError,),
    ),
    "launch": Decoder(
        [msgspec.json.encode(_LAUNCH)],
        lambda content, _: decode_launch(content),
        (InputError,),
        True,
    ),
    "graph": Decoder(
        [(CONFIGS / "graphs" / "folder_stereo.toml").read_bytes()],
        _file("graph.toml", _graph),
        USER_ERRORS,
        True,
    ),
    "override": Decoder(_OVERRIDES, _override, USER_ERRORS, True),
    "edge policy": Decoder(
        _POLICIES,
        lambda content, _: parse_policy(content.decode("utf-8", "replace")),
        (InputError,),
        True,
    ),
    "robot": Decoder(
        [(CONFIGS / "robots" / "ardrone.toml").read_bytes()],
        _file("robot.toml", _robot),
        USER_ERRORS,
        True,
    ),
    "rig": Decoder([_SHORT_RIG, _EXPLICIT_RIG], _file("rig.toml", load_rig), (InputError,), True),
    "EuRoC sensor": Decoder(
        [SENSOR.read_bytes()], _file("sensor.yaml", _sensor, "cam0"), (InputError,), True
    ),
    "EuRoC index": Decoder([_CSV], _file("data.csv", _recording, "cam0"), (InputError,), True),
    "manifest and spec": Decoder([msgspec.json.encode(_MANIFEST)], _manifest, (InputError,), True),
    "calibration": Decoder(
        [Calibration(_JOINTS).to_toml().encode()],
        _file("arm.toml", lambda path: read_calibration(path, LIMITS)),
        (CalibrationError,),
        True,
    ),
    "calibration of LeRobot": Decoder(
        [_LEROBOT],
        _file("arm.json", lambda path: Calibration(read_lerobot(path)).to_toml().encode()),
        (CalibrationError,),
        True,
    ),
    "servo bus": Decoder(
        [sync_read(56, 2, [1, 2]) + sync_write(40, {1: b"\1"})],
        lambda content, _: ServoDecoder().feed(content),
        (),
    ),
    "log": Decoder([_log_sample()], _file("log.mcap", _log), (LogError,)),
}
decoders = pytest.mark.parametrize("name", DECODERS)
thorough = settings(max_examples=40, suppress_health_check=list(HealthCheck))

NASTY = [
    b"",
    b"\0",
    b"\xff",
    b"\n",
    b"'",
    b'"',
    b"9" * 400,
    b"9" * 5000,
    b"-1",
    b"0",
    b"1e400",
    b"nan",
    b"inf",
    b".inf",
    b"true",
    b"null",
    b"[]",
    b"{}",
    b"[" * 1200,
    b"[" * 20 + b"]" * 20,
    b'{"a":' * 3000,
    b"a" * 5000,
    b"../" * 100,
    b"1979-05-27",
    b"2001-99-99",
    b"0x",
    b"1:99:99",
    b"&a [*a]",
    b"!!python/object/apply:os.system [ls]",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
]
SIZES = [
    bytes.fromhex(size)
    for size in ("ffffffff", "7fffffff", "ffffffffffffffff", "ffffffffffffff7f", "0000000001000000")
]
MARKS = [
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdc\xff\xff" * 60,
]


@st.composite
def damaged(draw, decoder):
    """One of the samples after one to three injuries."""
    content = bytearray(draw(st.sampled_from(decoder.samples)))
    inserts = NASTY if decoder.text else [*SIZES, *MARKS]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        kind = draw(st.sampled_from(["flip", "insert", "replace", "cut", "remove", "word"]))
        if kind == "flip" and at < len(content):
            content[at] = draw(st.integers(0, 255))
        elif kind == "insert":
            content[at:at] = draw(st.sampled_from(inserts))
        elif kind == "replace":
            new = draw(st.sampled_from(inserts))
            content[at : at + len(new)] = new
        elif kind == "word":  # a whole value of a text gives way
            end = at
            while end < len(content) and content[end : end + 1].isalnum():
                end += 1
            content[at:end] = draw(st.sampled_from(inserts))
        elif kind == "cut":
            del content[at:]
        else:
            del content[at : at + draw(st.integers(1, 20))]
    return bytes(content)


def _survives(decoder, content, scratch):
    """Reads; a documented error is right too, any other is a fault of the decoder."""
    with contextlib.suppress(*decoder.errors):
        decoder.read(content, scratch)


@decoders
def test_the_samples_are_valid(name, tmp_path):
    for content in DECODERS[name].samples:
        assert DECODERS[name].read(content, tmp_path) is not None


@decoders
@thorough
@given(data=st.data())
def test_damaged_bytes_give_a_value_or_a_typed_error(name, data, tmp_path_factory):
    decoder = DECODERS[name]
    _survives(decoder, data.draw(damaged(decoder)), tmp_path_factory.getbasetemp())


@decoders
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=200))
def test_random_bytes_give_a_value_or_a_typed_error(name, content, tmp_path_factory):
    _survives(DECODERS[name], content, tmp_path_factory.getbasetemp())


def _peak_bytes(decoder, content, scratch):
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    _survives(decoder, content, scratch)
    return tracemalloc.get_traced_memory()[1] - before


@pytest.fixture
def traced():
    """Counts the memory that Python and its extensions take."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("name", [name for name, row in DECODERS.items() if not row.text])
def test_a_size_that_lies_takes_no_memory(name, tmp_path, traced):
    decoder = DECODERS[name]
    for content in decoder.samples:
        for at in range(0, len(content), max(1, len(content) // 40)):
            for lie in SIZES if name == "log" else (*SIZES, *MARKS):
                lying = content[:at] + lie + content[at + len(lie) :]
                assert _peak_bytes(decoder, lying, tmp_path) < MEMORY_BYTES, (at, lie)


def _u64(number):
    return number.to_bytes(8, "little")


def _mcap_chunk(data, says, compression=b"lz4"):
    """A log of one chunk of ``data`` that says it unpacks to ``says`` bytes."""
    body = _u64(0) + _u64(0) + _u64(says) + bytes(4)
    body += len(compression).to_bytes(4, "little") + compression + _u64(len(data)) + data
    return b"\x89MCAP0\r\n" + b"\x06" + _u64(len(body)) + body


@pytest.mark.parametrize(
    ("inside", "says"),
    [
        (0, 2**20),
        (100, 0),
        (100, 400 * 2**20),
        (100, 2**64 - 1),
        (300 * 2**20, 0),
        (300 * 2**20, 2**20),
        (300 * 2**20, 2**64 - 1),
    ],
)
def test_a_chunk_that_unpacks_to_other_than_it_says_takes_no_memory(inside, says, tmp_path, traced):
    packed = lz4.frame.compress(bytes(inside))
    assert _peak_bytes(DECODERS["log"], _mcap_chunk(packed, says), tmp_path) < MEMORY_BYTES


def test_a_chunk_of_an_unknown_compression_is_refused(tmp_path):
    with pytest.raises(LogError, match="zstd"):
        DECODERS["log"].read(_mcap_chunk(b"", 0, b"zstd"), tmp_path)


def test_a_header_of_many_small_items_is_refused_before_it_is_read(tmp_path, traced):
    header = b"\xdd" + (32 * 2**20).to_bytes(4, "big") + bytes(32 * 2**20)
    with pytest.raises(WireError, match=f"at most {MAX_HEADER_BYTES}"):
        decode(Telemetry, [header])


@pytest.mark.parametrize("kind", [DepthMap, RoomDescription])
def test_a_message_with_a_field_of_another_version_is_refused(kind):
    frames = encode(sample(kind))
    header = msgspec.msgpack.decode(frames[0])
    with pytest.raises(WireError, match="unknown field `colour`"):
        decode(kind, [msgspec.msgpack.encode({**header, "colour": 1}), *frames[1:]])


def test_an_unknown_field_inside_a_field_is_refused_too():
    header = msgspec.msgpack.decode(encode(sample(RoomDescription))[0])
    header["obstacles"][0]["colour"] = 1
    with pytest.raises(WireError, match="unknown field `colour`"):
        decode(RoomDescription, [msgspec.msgpack.encode(header)])


def test_a_config_that_is_a_device_or_a_mountain_is_refused_without_reading_on(tmp_path):
    with pytest.raises(InputError, match="no plain file"):
        load_rig("/dev/zero")
    (tmp_path / "large.toml").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(InputError, match="larger than"):
        load_rig(tmp_path / "large.toml")
    with pytest.raises(InputError, match="larger than"):
        load_graph(str(tmp_path / "large.toml"))


def test_a_rig_of_impossible_images_is_refused_before_maps_of_them_are_made():
    for width, height in [(10**6, 10), (10, 10**6), (10**400, 10)]:
        with pytest.raises(InputError, match="16384"):
            rig_from_table({"width": width, "height": height, "fov_deg": 58.0, "baseline_m": 0.06})


def test_yaml_that_names_python_objects_makes_none(tmp_path):
    (tmp_path / "cam0").mkdir()
    made = tmp_path / "made"
    (tmp_path / "cam0" / "sensor.yaml").write_text(
        f"T_BS: !!python/object/apply:os.mkdir ['{made}']\n"
    )
    with pytest.raises(InputError, match="not valid YAML"):
        load_rig(tmp_path)
    assert not made.exists()


def test_a_worker_that_is_told_nonsense_says_so_in_one_line():
    ended = subprocess.run(
        [sys.executable, "-m", "robot.worker"],
        input=b"nonsense\n",
        capture_output=True,
        timeout=60,
        check=False,
        cwd=HERE.parent,
    )
    assert ended.returncode == 2
    assert ended.stderr.count(b"\n") == 1
    assert b"tells no node to run" in ended.stderr
