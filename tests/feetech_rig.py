"""An arm of emulated servos in virtual time, and a driver on it: what the tests of both share."""

import numpy as np

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.drivers.feetech import FeetechDriver
from firmware_bridge.emulators.feetech import EmulatedPort, ServoBusEmulator
from firmware_bridge.emulators.feetech_servo import Servo
from firmware_bridge.feetech import registers as r
from firmware_bridge.feetech.calibration import Calibration, JointCalibration

MS = 1_000_000  # ns
TICK_NS = 20 * MS
LIMITS = Limits(
    (
        AxisLimit("shoulder", "rad", -1.0, 1.0, slew_per_s=2.0),
        AxisLimit("elbow", "rad", -1.2, 1.2, slew_per_s=2.0),
        AxisLimit("gripper", "1", 0.0, 1.0, slew_per_s=2.0),
    ),
    max_command_age_s=0.5,
)
CALIBRATION = Calibration(
    (
        JointCalibration("shoulder", 1, 300, 1, (1000, 3100)),
        JointCalibration("elbow", 2, -500, -1, (1000, 3100)),
        JointCalibration("gripper", 6, 0, 1, (1900, 3300)),
    )
)
START = (2148, 1848, 2600)  # steps; 0.153 rad, 0.307 rad, half open
START_VALUES = np.array([100 * r.RAD_PER_STEP, 200 * r.RAD_PER_STEP, 0.5])


def make_servos():
    """Calibrated servos, standing at START."""
    servos = []
    for joint, steps in zip(CALIBRATION.joints, START, strict=True):
        servo = Servo(joint.id, encoder_steps=float(steps + joint.homing_offset_steps))
        servo.write(r.LOCK.address, b"\0")
        offset = r.HOMING_OFFSET.encode(joint.homing_offset_steps)
        servo.write(r.HOMING_OFFSET.address, offset)
        servo.write(r.LOCK.address, b"\1")
        servos.append(servo)
    return servos


class Rig:
    """Time stands still unless `tick` or a waiting driver lets it pass."""

    def __init__(self, folder, limits=LIMITS, **options):
        self.limits = limits
        path = folder / "arm.toml"
        path.write_text(CALIBRATION.to_toml())
        self.now_ns = 1_000 * MS
        self.waits = 0
        self.bus = ServoBusEmulator(make_servos())
        self.options = {"port": "emulated", "calibration": str(path), **options}
        self.driver = self.new_driver()

    def new_driver(self):
        config = FeetechDriver.Config(**self.options)
        return FeetechDriver(self.limits, config, self._connect, self._pause)

    def _connect(self, address, baud):
        self.port = EmulatedPort(self.bus, lambda: self.now_ns // 1000)
        return self.port

    def _pause(self):
        self.waits += 1
        self.now_ns += MS
        return self.now_ns

    def servo(self, name):
        ids = {joint.name: joint.id for joint in CALIBRATION.joints}
        return self.bus.servos[ids[name]]

    def tick(self, values=None):
        """One tick of the actuator; `values` None: it sends nothing."""
        self.now_ns += TICK_NS
        if values is not None:
            self.driver.send(np.asarray(values, float), self.now_ns)
        return self.driver.read(self.now_ns)

    def run(self, ticks, values=None):
        """Several ticks; the states."""
        return [self.tick(values) for _ in range(ticks)]

    def ask(self, wish):
        """A wish, and the ticks that it takes; the state after them."""
        self.driver.request(wish, self.now_ns)
        return self.run(5)[-1]

    def positions(self):
        """Where the joints are, steps."""
        return [self.servo(joint.name).position_steps for joint in CALIBRATION.joints]

    def torques(self):
        return [self.servo(joint.name).torque for joint in CALIBRATION.joints]
