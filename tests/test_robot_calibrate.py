"""``reflexarc calibrate``, with emulated servos and a test that moves them as a person would."""

import io
import json
import time
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.driver import make_driver
from firmware_bridge.emulators.feetech import EmulatedPort, ServoBusEmulator
from firmware_bridge.emulators.feetech_pty import ServoBusPty
from firmware_bridge.emulators.feetech_servo import Servo, ServoFault
from firmware_bridge.errors import CalibrationError, ServoError
from firmware_bridge.feetech import registers as r
from firmware_bridge.feetech.bus import FeetechBus
from firmware_bridge.feetech.calibration import fitted, read_calibration
from firmware_bridge.feetech.calibrator import Calibrator
from firmware_bridge.safety_words import Mode, Wish
from robot.cli import main
from robot.commands import calibrate
from robot.config import load_robot

SO101 = load_robot("so101")
MIDDLES = (2048, 100, 4000, 2048, 0, 3000)  # of the encoders: the seam lies in some ranges
ENDS = ((-1250, 1250), (-1150, 1150), (-1100, 1120), (-1090, 1080), (-1800, 1850), (-500, 700))
MS = 1_000_000  # ns


def make_arm():
    """Servos as an arm is put together: each encoder looks where it will."""
    servos = [Servo(id_) for id_ in range(1, 7)]
    for servo, middle, (low, high) in zip(servos, MIDDLES, ENDS, strict=True):
        servo.encoder_steps = float(middle + 30)
        servo.stops_steps = (middle + low, middle + high)
        servo.write(r.TORQUE_ENABLE.address, b"\1")
    return servos


def person(servos, closed=-1):
    """Holds the arm and moves the joints; True: presses Enter."""
    assert all(servo.torque for servo in servos)  # it does not fall before somebody holds it
    yield True
    assert not any(servo.torque for servo in servos)
    for servo, middle in zip(servos, MIDDLES, strict=True):
        servo.encoder_steps = float(middle)
    yield True
    for servo, middle, (low, high) in zip(servos, MIDDLES, ENDS, strict=True):
        for way in (*range(0, low, -400), low, *range(low, high, 400), high, 0):
            servo.encoder_steps = float(middle + way)
            yield False
    yield True
    servos[5].encoder_steps = float(MIDDLES[5] + ENDS[5][0 if closed < 0 else 1])
    while True:
        yield True


class Bench:
    """A calibrator on emulated servos in virtual time."""

    def __init__(self):
        self.now_ns = 0
        self.servos = make_arm()
        port = EmulatedPort(ServoBusEmulator(self.servos), lambda: self.now_ns // 1000)
        bus = FeetechBus(port, 15 * MS)
        self.calibrator = Calibrator(bus, SO101.limits, range(1, 7), self._pause)

    def _pause(self):
        self.now_ns += MS
        return self.now_ns

    def converse(self, hand=None):
        hand = person(self.servos) if hand is None else hand
        return calibrate._converse(self.calibrator, lambda: next(hand))


@pytest.fixture
def bench():
    return Bench()


def test_offsets_put_the_middles_at_2048_and_ranges_are_those_of_the_stops(bench):
    joints = bench.converse()
    assert [joint.name for joint in joints] == [axis.name for axis in SO101.limits.axes]
    for joint, middle, (low, high) in zip(joints, MIDDLES, ENDS, strict=True):
        short = 1 if middle == 0 else 0  # -2048 cannot be written, -2047 can
        assert joint.homing_offset_steps == middle - 2048 + short
        assert joint.range_steps == (2048 + low - short, 2048 + high - short)
        assert joint.direction == 1
    fitted(joints, SO101.limits)


def test_a_calibrated_servo_keeps_its_offset_and_its_limits_without_power(bench):
    joints = bench.converse()
    for servo, joint in zip(bench.servos, joints, strict=True):
        assert not servo.torque
        servo.power_cycle()
        assert r.HOMING_OFFSET.decode(servo.memory) == joint.homing_offset_steps
        low, high = joint.range_steps
        assert (r.MIN_POSITION.decode(servo.memory), r.MAX_POSITION.decode(servo.memory)) == (
            low,
            high,
        )
        assert r.LOCK.decode(servo.memory) == 1


def test_a_gripper_that_closes_upwards_counts_down(bench):
    assert bench.converse(person(bench.servos, closed=1))[5].direction == -1


def test_a_joint_that_did_not_stand_in_its_middle_is_told(bench):
    def astray():
        yield True
        bench.servos[1].encoder_steps = 1200.0
        yield True
        for way in range(0, -2400, -300):  # the seam lies half a turn below
            bench.servos[1].stops_steps = (-9999, 9999)
            bench.servos[1].encoder_steps = 1200.0 + way
            yield False

    with pytest.raises(CalibrationError, match=r"servo 2 \(shoulder_lift\) went more than half"):
        bench.converse(astray())


def test_a_joint_that_was_not_moved_is_told(bench):
    with pytest.raises(CalibrationError, match=r"servo 1 \(shoulder_pan\) was hardly moved, 0"):
        bench.converse(iter([True, True, True, True]))


def test_a_silent_servo_is_told_and_costs_bounded_time(bench):
    bench.servos[2].faults.add(ServoFault.SILENT)
    with pytest.raises(ServoError, match=r"servo 3 \(elbow_flex\) is silent"):
        bench.converse()
    assert bench.now_ns < 1_100 * MS


def test_a_servo_that_does_not_keep_a_value_is_told(bench, monkeypatch):
    stubborn = bench.servos[2]
    write = stubborn.write
    monkeypatch.setattr(
        stubborn,
        "write",
        lambda at, data: None if at == r.HOMING_OFFSET.address else write(at, data),
    )
    with pytest.raises(ServoError, match=r"servo 3 \(elbow_flex\) does not keep 1952 at 31"):
        bench.converse()


@pytest.fixture
def arm():
    servos = make_arm()
    with ServoBusPty(ServoBusEmulator(servos)) as pty:
        yield pty


def test_an_arm_on_a_port_is_calibrated_from_the_command_line_and_then_driven(
    arm, tmp_path, capsys, monkeypatch
):
    hand = person(list(arm.bus.servos.values()))
    monkeypatch.setattr(calibrate, "_enter", lambda: next(hand))
    path = tmp_path / "new" / "arm.toml"
    assert main(["calibrate", "so101", "--port", arm.path, "--out", str(path), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["file"] == str(path)
    assert err.count("press Enter") == 4
    assert len(read_calibration(path, SO101.limits).joints) == 6

    patience = {"watchdog_s": 5.0, "silent_s": 5.0, "answer_s": 1.0}  # of a busy machine
    link = {**SO101.table("link"), **patience, "port": arm.path, "calibration": str(path)}
    driver = make_driver(link, SO101.limits)
    driver.open(time.monotonic_ns())
    begun = np.array([servo.encoder_steps for servo in arm.bus.servos.values()])
    driver.request(Wish.ARM, time.monotonic_ns())
    end_ns = time.monotonic_ns() + 20_000 * MS
    while (state := driver.read(time.monotonic_ns())).mode is not Mode.ARMED:
        assert time.monotonic_ns() < end_ns, state
    goal = state.values + np.array([0.05, 0.05, -0.05, 0.05, 0.05, 0.1])
    while np.abs(driver.read(time.monotonic_ns()).measured - goal).max() > 0.01:
        driver.send(goal, time.monotonic_ns())
        assert time.monotonic_ns() < end_ns
    driver.close()
    assert all(servo.torque for servo in arm.bus.servos.values())
    moved = np.array([servo.encoder_steps for servo in arm.bus.servos.values()]) - begun
    assert (np.sign(moved) == [1, 1, -1, 1, 1, 1]).all()


LEROBOT = {
    axis.name: {
        "id": id_,
        "drive_mode": 0,
        "homing_offset": 100 * id_,
        "range_min": 850,
        "range_max": 3250,
    }
    for id_, axis in enumerate(SO101.limits.axes, 1)
}
LEROBOT["wrist_roll"] |= {"range_min": 0, "range_max": 4095}


def lerobot(tmp_path, change=None):
    """The command line that takes over a file of LeRobot's, and the file that it writes."""
    source, path = tmp_path / "follower.json", tmp_path / "arm.toml"
    source.write_text(json.dumps(LEROBOT if change is None else change))
    return ["calibrate", "so101", "--lerobot", str(source), "--out", str(path)], path


def test_a_calibration_of_lerobot_is_taken_over_without_the_arm(tmp_path):
    command, path = lerobot(tmp_path)
    assert main(command) == 0
    joints = read_calibration(path, SO101.limits).joints
    assert [joint.id for joint in joints] == [1, 2, 3, 4, 5, 6]
    assert [joint.homing_offset_steps for joint in joints] == [100, 200, 300, 400, 500, 600]
    assert joints[0].range_steps == (850, 3250)
    assert {joint.direction for joint in joints} == {1}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "has no joints"),
        ([1], "has no joints"),
        ({"gripper": 1}, "'gripper' lacks id"),
        ({"gripper": {**LEROBOT["gripper"], "drive_mode": 1}}, "it lacks the axis 'shoulder_pan'"),
        ({**LEROBOT, "wrist": LEROBOT["gripper"]}, "no axis is named 'wrist'"),
        ({"gripper": {**LEROBOT["gripper"], "id": "6"}}, "'gripper': id is '6'"),
        ({"gripper": {**LEROBOT["gripper"], "range_max": 5000}}, "must rise within 0..4095"),
    ],
)
def test_what_is_no_calibration_of_lerobot_is_refused_in_one_line(change, says, tmp_path, capsys):
    command, _ = lerobot(tmp_path, change)
    assert main(command) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_a_file_of_lerobot_that_is_no_json_or_not_there_is_refused(tmp_path, capsys):
    command, _ = lerobot(tmp_path)
    source = tmp_path / "follower.json"
    source.write_text("{")
    assert main(command) == 2
    assert "is no valid JSON" in capsys.readouterr().err
    source.unlink()
    assert main(command) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_file_that_is_there_is_not_written_over(arm, tmp_path, capsys):
    path = tmp_path / "arm.toml"
    path.write_text("mine")
    assert main(["calibrate", "so101", "--port", arm.path, "--out", str(path)]) == 2
    assert "exists: give --replace, or another --out" in capsys.readouterr().err
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ardrone",), "[link] driver is 'fake': only feetech is calibrated"),
        (("so101", "--ids", "1", "2"), "--ids: 6 different ids of 0 to 252 are needed"),
        (("so101", "--ids", *"111234"), "--ids: 6 different ids of 0 to 252 are needed"),
        (("so101", "--port", "/dev/nobody"), "'/dev/nobody' does not exist"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_in_one_line(words, says, capsys, tmp_path):
    assert main(["calibrate", *words, "--out", str(tmp_path / "arm.toml")]) == 2
    assert says in capsys.readouterr().err


def test_whoever_stops_it_gets_one_line_and_no_file(arm, tmp_path, capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(calibrate, "_enter", interrupted)
    path = tmp_path / "arm.toml"
    assert main(["calibrate", "so101", "--port", arm.path, "--out", str(path)]) == 2
    assert "stopped: nothing is written" in capsys.readouterr().err
    assert not path.exists()


def test_input_that_ends_writes_nothing(arm, tmp_path, capsys, monkeypatch):
    empty = tmp_path / "empty"
    empty.write_text("")
    with empty.open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        path = tmp_path / "arm.toml"
        assert main(["calibrate", "so101", "--port", arm.path, "--out", str(path)]) == 2
    assert "the input ended before the calibration did" in capsys.readouterr().err
    assert not path.exists()
    assert isinstance(nothing, io.TextIOBase)


def test_the_robot_file_that_comes_along_fits_the_ranges_of_its_published_model():
    """Ranges: so101_new_calib.urdf of TheRobotStudio/SO-ARM100."""
    published = (1.91986, 1.74533, 1.69, 1.65806, 2.74385)
    for axis, reach in zip(SO101.limits.axes, published, strict=False):
        assert axis.unit == "rad"
        assert reach - 0.12 < axis.maximum <= reach - 0.1 + 1e-3
        assert axis.minimum == -axis.maximum
    assert SO101.limits.axes[5].unit == "1"
    assert Path(SO101.path).name == "so101.toml"
