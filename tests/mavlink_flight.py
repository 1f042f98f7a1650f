"""A flight of the MAVLink driver against the emulated vehicle, in memory and in virtual time."""

from collections import deque
from contextlib import contextmanager

import numpy as np

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.drivers.mavlink import Config, MavlinkDriver
from firmware_bridge.emulators.mavlink import EmulatedVehicle
from firmware_bridge.errors import PortLostError
from firmware_bridge.mavlink.autopilots import AUTOPILOTS
from firmware_bridge.safety import Mode, Wish

LIMITS = Limits(
    (
        AxisLimit("forward_speed", "m/s", 0.0, 1.0, slew_per_s=4.0, stop=0.0),
        AxisLimit("yaw_rate", "rad/s", -2.0, 2.0, slew_per_s=20.0, stop=0.0),
        AxisLimit("altitude", "m", 0.5, 2.3, slew_per_s=0.5),
    ),
    max_command_age_s=0.25,
)
TICK_NS = 20_000_000  # 50 Hz, as the actuator
HOVER = (0.0, 0.0, 1.0)


class MemoryPort:
    """The `Port` interface between the two, with the vehicle's clock in the hands of the flight."""

    def __init__(self):
        self.to_driver, self.to_vehicle = deque(), deque()
        self.closed = self.unplugged = False

    def read(self):
        if self.unplugged:
            raise PortLostError("unplugged")
        return self.to_driver.popleft() if self.to_driver else b""

    def write(self, data):
        self.to_vehicle.append(data)
        return len(data)

    def close(self):
        self.closed = True


class Flight:
    """Steps driver and vehicle together."""

    def __init__(self, autopilot="px4", *, settings=None, limits=LIMITS, ground_z_m=0.7, **options):
        self.vehicle = EmulatedVehicle(AUTOPILOTS[autopilot], settings, ground_z_m=ground_z_m)
        self.port, self.now_ns, self.state = MemoryPort(), 0, None
        options = {"autopilot": autopilot, "open_timeout_s": 0.0, **options}
        self.driver = MavlinkDriver(limits, Config(**options), self.port)
        self.faults = set()  # ever seen
        self.driver.open(0)

    def tick(self, command=None):
        """20 ms."""
        self.now_ns += TICK_NS
        self.carry()
        if command is not None:
            self.driver.send(np.array(command), self.now_ns)
        self.state = self.driver.read(self.now_ns)
        self.faults.update(self.state.faults)
        return self.state

    def carry(self):
        """Lets the vehicle hear and speak."""
        now_us = self.now_ns // 1000
        while self.port.to_vehicle:
            self.vehicle.receive(self.port.to_vehicle.popleft(), now_us)
        self.vehicle.step(now_us)
        self.port.to_driver.extend(self.vehicle.take())

    def run(self, seconds, command=None, until=lambda state: False):
        """Ticks until the time is over or the condition holds; says after how many seconds."""
        began_ns = self.now_ns
        while self.now_ns - began_ns < seconds * 1e9:
            if until(self.tick(command)):
                break
        return (self.now_ns - began_ns) / 1e9

    def ask(self, wish):
        self.driver.request(wish, self.now_ns)

    def ready(self):
        """All telemetry has come."""
        self.run(4.0)
        return self

    def armed(self):
        """Armed, following, no command yet."""
        self.ready().ask(Wish.ARM)
        self.run(8.0, until=lambda state: state.mode is Mode.ARMED)
        assert self.state.mode is Mode.ARMED, (self.state, self.driver.texts)
        return self

    def flying(self, command=HOVER, seconds=12.0):
        """In the air, following."""
        self.armed().run(seconds, command)
        assert self.state.mode is Mode.ACTIVE, (self.state, self.driver.texts)
        assert self.vehicle.body.altitude_m > 0.4
        return self

    @contextmanager
    def unplugged(self):
        """Nothing gets through; what was under way is lost."""
        self.port.unplugged = True
        yield
        self.port.unplugged = False
        self.port.to_driver.clear()

    def heard(self, kind):
        """What the vehicle received of one kind, oldest first."""
        return [message for message in self.vehicle.heard if message.get_type() == kind]

    def commands(self, number):
        return [m for m in self.heard("COMMAND_LONG") if m.command == number]
