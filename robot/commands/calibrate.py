"""``reflexarc calibrate``: which steps of an arm's servos are which angles."""

import json
import select
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from firmware_bridge.driver import make_driver
from firmware_bridge.feetech.bus import FeetechBus
from firmware_bridge.feetech.calibration import (
    LARGEST_ID,
    Calibration,
    JointCalibration,
    fitted,
)
from firmware_bridge.feetech.calibrator import Calibrator
from firmware_bridge.feetech.config import Config
from firmware_bridge.feetech.lerobot import read_lerobot
from firmware_bridge.port import open_port
from perception.atomic_file import write_atomically
from perception.quantities import InputError
from robot.config import RobotConfig, load_robot

Enter = Callable[[], bool]
"""Whether Enter was pressed; waits a moment for it."""
LOOK_S = 0.02  # s between two looks at the arm


@dataclass(frozen=True)
class Calibrate:
    """Calibrate an arm of servos: you move it, this writes its file.

    Hold the arm: it goes limp. Put every joint into the middle of its range, then move each from
    end to end, then close the gripper; press Enter after each. It takes a minute or two.

    Example: reflexarc calibrate so101 --port /dev/ttyACM0
    """

    robot: tyro.conf.Positional[str] = "so101"
    """A robot under configs/robots, or a path, whose [link] driver is feetech."""
    port: str | None = None
    """Address of the bus adapter; default: that of the robot's [link]."""
    out: Path | None = None
    """The file; default: the calibration of the robot's [link]."""
    ids: tuple[int, ...] = ()
    """Of the servos, in the order of the axes; default: 1, 2, 3 and so on."""
    lerobot: Path | None = None
    """A calibration of LeRobot for this arm, to be taken over: the arm is not touched."""
    replace: bool = False
    """Replaces the file if there is one."""
    json: bool = False
    """Print the result as JSON."""

    def __call__(self) -> int:
        """Talks with the person; raises an InputError or BridgeInputError if it fails."""
        robot = load_robot(self.robot)
        link = _servo_link(robot)
        path = self.out or Path(link.calibration).expanduser()
        if path.exists() and not self.replace:
            raise InputError(f"{path} exists: give --replace, or another --out")
        joints = self._measure(robot, link) if self.lerobot is None else read_lerobot(self.lerobot)
        made = Calibration(joints)
        _write(path, made)
        self._show(path, made)
        fitted(joints, robot.limits)
        return 0

    def _measure(self, robot: RobotConfig, link: Config) -> tuple[JointCalibration, ...]:
        ids = self._servo_ids(robot)
        port = open_port(self.port or link.port, link.baud)
        try:
            bus = FeetechBus(port, round(link.answer_s * 1e9))
            return _converse(Calibrator(bus, robot.limits, ids, _pause), _enter)
        except KeyboardInterrupt as error:
            raise InputError("stopped: nothing is written, calibrate anew") from error
        finally:
            port.close()

    def _servo_ids(self, robot: RobotConfig) -> tuple[int, ...]:
        axes = len(robot.limits.axes)
        ids = self.ids or tuple(range(1, axes + 1))
        known = all(0 <= id_ <= LARGEST_ID for id_ in ids)
        if len(ids) != axes or len(set(ids)) < axes or not known:
            raise InputError(f"--ids: {axes} different ids of 0 to {LARGEST_ID} are needed")
        return ids

    def _show(self, path: Path, made: Calibration) -> None:
        if self.json:
            ranges: dict[str, Any] = {joint.name: joint.range_steps for joint in made.joints}
            sys.stdout.write(json.dumps({"file": str(path), "range_steps": ranges}) + "\n")
        else:
            for joint in made.joints:
                low, high = joint.range_steps
                sys.stdout.write(f"{joint.name:<16} servo {joint.id:<4} {low}..{high} steps\n")
            sys.stdout.write(f"{path} is written\n")


def _write(path: Path, made: Calibration) -> None:
    """Writes the file whole.

    Raises:
        InputError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, made.to_toml().encode())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def _servo_link(robot: RobotConfig) -> Config:
    """The options of a robot of servos.

    Raises:
        InputError: it has another driver.
    """
    table = robot.table("link")
    make_driver(table, robot.limits)  # tells every wrong option
    if table["driver"] != "feetech":
        raise InputError(
            f"{robot.path}: [link] driver is {table['driver']!r}: only feetech is calibrated"
        )
    return Config(**{key: value for key, value in table.items() if key != "driver"})


def _converse(calibrator: Calibrator, enter: Enter) -> tuple[JointCalibration, ...]:
    """Asks a person for four things; gives the joints."""
    calibrator.find()
    _ask("hold the arm: it goes limp when you press Enter")
    _await(enter)
    calibrator.release()
    _ask("put every joint into the middle of its range, then press Enter")
    _await(enter)
    calibrator.set_middle()
    _ask("now move each joint from end to end, one after the other, then press Enter")
    while not enter():
        calibrator.look()
    _ask("now close the gripper, then press Enter")
    while not enter():
        calibrator.look()
    return calibrator.finish()


def _await(enter: Enter) -> None:
    while not enter():
        pass


def _ask(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _enter() -> bool:
    """Whether a line came on standard input within a look.

    Raises:
        InputError: it has ended.
    """
    ready, _, _ = select.select([sys.stdin], [], [], LOOK_S)
    if not ready:
        return False
    if not sys.stdin.readline():
        raise InputError("the input ended before the calibration did: nothing is written")
    return True


def _pause() -> int:
    time.sleep(0.001)
    return time.monotonic_ns()
