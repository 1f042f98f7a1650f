"""train, evaluate and export of a depth network: what they print, and how they end."""

import json

import msgspec
import numpy as np
import pytest

from perception.calibration import ideal_rig
from perception.model_package import read_package
from perception.mono_scores import MonoScores
from perception.quantities import StereoImages
from robot.cli import main
from robot.commands.export.mono import Measured, why_not
from robot.edges import Arrival
from robot.messages import StereoFrame
from robot.nodes.stereo import calibration_of
from robot.record import LogFile, LogWriter
from robot.stereo_pairs import StereoDataError, open_stereo_pairs
from robot.wire import encode

RIG = ideal_rig(64, 48, 58.0, 0.1)
SIZE = ("--width", 64, "--height", 48)


def textured(count, size=(48, 64), seed=0):
    """Walls of noise at 4 px of disparity, each frame another."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        wide = rng.integers(0, 255, (size[0], size[1] + 4)).astype(np.uint8)
        yield StereoImages(wide[:, :-4].copy(), wide[:, 4:].copy())


def write_log(folder, pairs, rig=RIG):
    """A run folder whose log holds a calibration and these pairs."""
    folder.mkdir()
    writer = LogWriter(LogFile(folder / "log.mcap"), {"graph": "{}"})
    messages = []
    if rig:
        calibration = msgspec.structs.replace(calibration_of(rig, 0), seq=0)
        messages.append(("camera/calibration", calibration))
    messages += [
        ("camera/frame", StereoFrame(captured_ns=n, seq=n, left=left, right=right))
        for n, (left, right) in enumerate(pairs)
    ]
    for topic, message in messages:
        writer.write(Arrival(topic, message, encode(message)))
    writer.close()
    return folder


@pytest.fixture
def refused(call):
    """Runs a command line that is wrong; gives the one line that says so."""

    def run(*arguments):
        code, out, err = call(*arguments)
        assert (code, out) == (2, "")
        (line,) = [line for line in err.splitlines() if not line.startswith("stereo looks")]
        return line

    return run


@pytest.fixture(scope="module")
def flight(tmp_path_factory):
    return write_log(tmp_path_factory.mktemp("runs") / "a", textured(10))


@pytest.fixture(scope="module")
def package(flight, tmp_path_factory):
    path = tmp_path_factory.mktemp("packages") / "mono.onnx"
    arguments = ("train", "mono", flight, "--out", path, "--updates", 3, *SIZE, "--json")
    assert main([str(argument) for argument in arguments]) == 0
    return path


def test_a_log_gives_all_its_pairs_and_its_rig(flight):
    rig, pairs = open_stereo_pairs(flight)
    assert rig == RIG
    for found, expected in zip(pairs, textured(10), strict=True):
        np.testing.assert_array_equal(found.left, expected.left)
        np.testing.assert_array_equal(found.right, expected.right)


def test_a_folder_gives_all_its_pairs(asl_room):
    for path in (asl_room, asl_room.parent):
        assert len(list(open_stereo_pairs(path).pairs)) == 6


def test_train_judges_what_it_left_out_and_says_where_the_weights_come_from(package, flight, call):
    manifest = read_package(package).manifest
    assert manifest.extra["frames"] == 16  # eight of ten pairs, both eyes
    assert manifest.extra["updates"] == 3
    assert manifest.extra["scores"]["frames"] == 2
    code, out, _ = call("evaluate", "mono", flight, "--package", package, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["learned_from_this"]
    assert found["frames"] == 2
    assert found["abs_rel"] == pytest.approx(manifest.extra["scores"]["abs_rel"], rel=1e-2)


def test_on_another_recording_all_frames_are_judged(package, tmp_path, call):
    other = write_log(tmp_path / "b", textured(5, seed=1))
    code, out, _ = call("evaluate", "mono", other, "--package", package)
    assert code == 0
    assert out.startswith("all frames: abs_rel")
    assert "of 5 frames" in out


def test_export_writes_eight_bits_or_says_why_not(package, flight, tmp_path, call):
    out_path = tmp_path / "int8.onnx"
    code, out, _ = call("export", "mono", flight, "--package", package, "--out", out_path, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["float32"]["ms_p50"] > 0
    assert found["int8"]["abs_rel"] > 0
    assert (found["reason"] is None) == out_path.exists()
    if out_path.exists():
        assert read_package(out_path).manifest.parent == read_package(package).sha256


def scores(**changed):
    good = {"abs_rel": 0.1, "tpr": 0.96, "fpr": 0.1}
    rest = dict.fromkeys(MonoScores._fields, 0)
    return MonoScores(**{**rest, **good, **changed})


@pytest.mark.parametrize(
    ("int8", "reason"),
    [
        (Measured(scores(), 0.5), None),
        (Measured(scores(), 1.0), "int8 takes 1.0 ms"),
        (Measured(scores(abs_rel=0.11), 0.5), "abs_rel rises"),
        (Measured(scores(abs_rel=float("nan")), 0.5), "abs_rel rises"),
        (Measured(scores(tpr=0.94), 0.5), "obstacles found: 0.960 becomes 0.940"),
        (Measured(scores(fpr=0.12), 0.5), "false ones: 0.100 becomes 0.120"),
    ],
)
def test_a_variant_that_is_slower_or_worse_is_refused_with_the_reason(int8, reason):
    found = why_not(Measured(scores(), 1.0), int8)
    assert found is None if reason is None else reason in (found or "")


@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_or_single_frame_log_is_refused(count, tmp_path, refused):
    run = write_log(tmp_path / "short", textured(count))
    assert f"hold {count} stereo pairs" in refused("train", "mono", run, *SIZE, "--json")


def test_a_log_without_calibration_is_refused(tmp_path, refused):
    run = write_log(tmp_path / "blind", textured(3), rig=None)
    assert "holds no calibration" in refused("train", "mono", run, "--json")


def test_frames_of_changing_size_are_refused(tmp_path):
    pairs = [*textured(2), *textured(1, (32, 48))]
    run = write_log(tmp_path / "mixed", pairs)
    with pytest.raises(StereoDataError, match="48x32, 48x32 where others are 64x48"):
        list(open_stereo_pairs(run).pairs)


def test_frames_of_another_size_than_the_calibration_are_refused(tmp_path, refused):
    run = write_log(tmp_path / "small", textured(3, (32, 48)))
    assert "48x32" in refused("train", "mono", run, *SIZE, "--json")


def test_a_changed_calibration_is_refused(package, tmp_path, refused):
    run = write_log(tmp_path / "moved", textured(3), ideal_rig(64, 48, 60.0, 0.1))
    line = refused("evaluate", "mono", run, "--package", package, "--json")
    assert "was trained behind calibration" in line


def test_a_truncated_package_is_refused(package, flight, tmp_path, refused):
    broken = tmp_path / "mono.onnx"
    broken.write_bytes(package.read_bytes()[:1000])
    (tmp_path / "mono.onnx.sha256").write_text("0" * 64)
    for verb in ("evaluate", "export"):
        line = refused(verb, "mono", flight, "--package", broken, "--json")
        assert "mono.onnx" in line


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--updates", 0), "--updates 0"),
        (("--seed", -1), "--seed -1"),
        (("--out", "mono.txt"), ".onnx"),
        (("--out", "nowhere/mono.onnx"), "no folder nowhere"),
        (("--width", 100), "multiples of 16"),
        (("--width", 128, "--height", 96), "64x48"),
    ],
)
def test_wrong_arguments_of_train_are_refused(flight, refused, arguments, named):
    assert named in refused("train", "mono", flight, "--json", *arguments)


def test_a_missing_recording_is_refused(refused, tmp_path):
    assert "no such log" in refused("train", "mono", tmp_path / "none", "--json")
