"""The driver with the firmware on the emulated chip, over the chip's own serial lines.

In real time, by the chip's clock: what is waited for is an event, however busy this computer is.
"""

import shutil
import time

import numpy as np
import pytest
from mcu_robot import LIMITS, MS, PLANT_AXES

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.drivers.mcu import McuDriver
from firmware_bridge.emulators import chip_build, qemu
from firmware_bridge.emulators.plant import Plant
from firmware_bridge.emulators.qemu import Qemu
from firmware_bridge.errors import LimitsRefusedError, PortNotFoundError
from firmware_bridge.mcu_options import McuOptions
from firmware_bridge.protocol import Link
from firmware_bridge.safety_words import Mode, Wish

MISSING = [
    tool.INSTALL
    for tool, program in ((qemu, qemu.PROGRAM), (chip_build, chip_build.COMPILER))
    if shutil.which(program) is None
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=" && ".join(MISSING))
PATIENCE_S = 60.0
GO = np.array([0.6, 0.5])  # m/s, rad
SLACK = {"watchdog_s": 1.0, "sensor_s": 1.0, "max_delay_s": 1.0}  # for a computer that is busy


class QemuRobot:
    """A driver at the chip's first wire, a plant at its second."""

    def __init__(self, limits=LIMITS):
        self.chip = Qemu()
        self.plant = Plant(PLANT_AXES)
        options = McuOptions(
            port=self.chip.address(Link.HOST), heartbeat_s=5.0, open_timeout_s=PATIENCE_S, **SLACK
        )
        self.driver = McuDriver(limits, options, wait=self.wait)

    def wait(self, longest_ns):
        until_ns = time.monotonic_ns() + longest_ns
        wire = self.chip.port(Link.PLANT)
        while (now_ns := time.monotonic_ns()) < until_ns:
            wire.write(self.plant.receive(wire.read()))
            time.sleep(min(until_ns - now_ns, MS) / 1e9)
        return time.monotonic_ns()

    def until(self, is_so, values=None):
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            if values is not None:
                self.driver.send(values, time.monotonic_ns())
            self.wait(20 * MS)
            state = self.driver.read(time.monotonic_ns())
            if is_so(state):
                return state
        raise AssertionError(f"still {state}")

    def arm(self):
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:  # a busy computer keeps the sensors waiting
            self.driver.request(Wish.ARM, time.monotonic_ns())
            state = self.until(lambda state: state.mode is Mode.ARMED or state.faults)
            if state.mode is Mode.ARMED:
                return
        raise AssertionError(f"it does not arm: {state}")


@pytest.fixture
def robot():
    robot = QemuRobot()
    yield robot
    robot.driver.close()
    robot.chip.close()


def test_on_qemu_the_robot_follows_and_a_reset_in_mid_flight_leaves_it_disarmed(robot):
    robot.driver.open(time.monotonic_ns())
    robot.until(lambda state: state.mode is Mode.DISARMED)
    assert not robot.plant.torque
    robot.arm()
    state = robot.until(lambda state: np.allclose(state.measured, GO, atol=0.02), GO)
    assert state.mode is Mode.ACTIVE
    robot.chip.reset()
    state = robot.until(
        lambda state: state.mode is Mode.DISARMED and state.counters["controller_resets"], GO
    )
    assert state.counters["controller_resets"] == 1
    assert not robot.plant.torque


def test_on_qemu_a_limit_beyond_the_chips_is_named(robot):
    far = Limits((AxisLimit("shoulder", "rad", -1.5, 11.0, slew_per_s=2.0),), 0.25)
    robot.driver = McuDriver(far, robot.driver._config, wait=robot.wait)
    with pytest.raises(LimitsRefusedError, match=r"axis .shoulder.: maximum 11.0 is beyond"):
        robot.driver.open(time.monotonic_ns())


def test_a_qemu_that_has_ended_is_no_port_any_more(robot):
    robot.driver.open(time.monotonic_ns())
    robot.chip.close()
    robot.wait = lambda ns: time.monotonic_ns() + ns
    robot.driver._wait = robot.wait
    give_up = time.monotonic() + PATIENCE_S
    while "port_lost" not in (state := robot.driver.read(time.monotonic_ns())).faults:
        assert time.monotonic() < give_up
    assert state.stopped
    with pytest.raises(PortNotFoundError, match="nobody listening"):
        robot.driver.open(time.monotonic_ns())
