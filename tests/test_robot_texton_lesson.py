"""`reflexarc export textons`: from a recording to a package that flies and learns on."""

import json

import cv2
import msgspec
import numpy as np
import pytest

from perception.calibration import ideal_rig
from perception.model_package import read_package
from perception.quantities import InputError
from perception.texton_package import read_textons
from robot.cli import main
from robot.edges import Arrival
from robot.messages import StereoFrame
from robot.nodes.stereo import calibration_of
from robot.record import LogFile, LogWriter
from robot.texton_lesson import TextonLessonError, export_lesson
from robot.wire import encode

RIG = ideal_rig(64, 48, 58.0, 0.1)
NEAR_PX, FAR_PX = 12, 3  # 0.48 m and 1.9 m


def record(folder, frames, nears=(True, False)):
    """A run folder with walls of noise, coarse where near and fine where far, 15 frames each."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    writer = LogWriter(LogFile(folder / "log.mcap"), {"graph": "{}"})
    calibration = msgspec.structs.replace(calibration_of(RIG, 0), seq=0)
    writer.write(Arrival("camera/calibration", calibration, encode(calibration)))
    for n in range(frames):
        near = nears[n // 15 % len(nears)]
        noise = rng.integers(0, 255, (12, 20) if near else (48, 80)).astype(np.uint8)
        wide = cv2.resize(noise, (80, 48), interpolation=cv2.INTER_CUBIC)
        shift = NEAR_PX if near else FAR_PX
        left, right = wide[:, :64].copy(), wide[:, shift : shift + 64].copy()
        frame = StereoFrame(captured_ns=n, seq=n, left=left, right=right)
        writer.write(Arrival("camera/frame", frame, encode(frame)))
    writer.close()
    return folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return record(tmp_path_factory.mktemp("data") / "run", 120)


def test_the_verb_writes_a_package_that_a_robot_can_begin_with(recorded, tmp_path, capsys):
    out = tmp_path / "textons.onnx"
    assert main(["export", "textons", str(recorded), "--out", str(out), "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    memory = read_textons(out, RIG)
    assert outcome["sha256"] == memory.sha256 == read_package(out).sha256
    assert len(memory.pairs.teacher_px) == outcome["pairs"] > 60
    assert outcome["learned_fpr"] < 0.3
    assert outcome["parity_worst_px"] < 1e-3


def test_equal_recordings_give_equal_packages(recorded, tmp_path):
    first, again = (
        export_lesson(recorded, tmp_path / name, lambda _: None) for name in ("a.onnx", "b.onnx")
    )
    assert first.sha256 == again.sha256


@pytest.mark.parametrize(
    ("frames", "nears", "fault"),
    [(20, (True, False), "labels 20 frames; needed: 50"), (60, (False,), "no obstacle beside")],
)
def test_a_recording_that_teaches_nothing_is_refused(frames, nears, fault, tmp_path):
    data = record(tmp_path / "run", frames, nears)
    with pytest.raises(TextonLessonError, match=fault):
        export_lesson(data, tmp_path / "textons.onnx", lambda _: None)
    assert not (tmp_path / "textons.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("textons", "--out", "textons.bin"), "ends in .onnx"),
        (("textons", "--package", "mono.onnx"), "Unrecognized options: --package, mono.onnx;"),
        (("mono",), "--package"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments, fault, recorded, capsys):
    subject, *rest = arguments
    try:
        code = main(["export", subject, str(recorded), *rest])
    except SystemExit as end:
        code = end.code
    assert code == InputError.exit_code
    error = capsys.readouterr().err
    assert fault in error
    assert error.count("\n") == 1
