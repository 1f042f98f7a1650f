"""A host and an emulated robot of two axes in virtual time: one millisecond after the other."""

import numpy as np

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.drivers.mcu import McuDriver
from firmware_bridge.emulators.controller import PythonBoard
from firmware_bridge.emulators.emulated_robot import EmulatedRobot
from firmware_bridge.emulators.plant import Plant, PlantAxis
from firmware_bridge.errors import PortLostError, PortNotFoundError
from firmware_bridge.mcu_options import McuOptions
from firmware_bridge.ports.memory_port import memory_pair
from firmware_bridge.protocol import Link
from firmware_bridge.safety_words import AxisKind, Mode, Wish

MS = 1_000_000  # ns
SECOND = 1000 * MS
BOOTED_NS = 5 * SECOND  # of the host's clock, when the controller was powered up
TICK_NS = 20 * MS  # of the host's loop
LIMITS = Limits(
    (
        AxisLimit("speed", "m/s", 0.0, 1.0, slew_per_s=4.0, stop=0.0, max_following=0.25),
        AxisLimit("shoulder", "rad", -1.5, 1.5, slew_per_s=2.0, max_speed=3.0, max_following=0.3),
    ),
    max_command_age_s=0.25,
)
PLANT_AXES = (
    PlantAxis(AxisKind.VELOCITY, 0.0, 1.0, start=0.0, lag_s=0.03),
    PlantAxis(AxisKind.POSITION, -2.0, 2.0, start=0.2, lag_s=0.05),
)


class McuRobot:
    """`driver` is the host's end; `robot` the other, or None while its cable is out."""

    def __init__(self, *, faults=(), board=None, limits=LIMITS, **options):
        self.now_ns = 8 * SECOND
        self.booted_ns = BOOTED_NS
        self.faults = faults
        self.plugged = True
        self.opened = 0
        self.board = board or PythonBoard()
        self.plant = Plant(PLANT_AXES, faults)
        self.robot = None
        options = {"port": "memory:", **options}
        self.driver = McuDriver(limits, McuOptions(**options), connect=self.connect, wait=self.wait)

    def connect(self):
        if not self.plugged:
            raise PortNotFoundError("port 'memory:' does not exist")
        self.opened += 1
        ours, self.theirs = memory_pair()
        self.robot = EmulatedRobot(self.board, self.plant, self.theirs, self.faults)
        return ours

    def connect_over(self, theirs, connect):
        """Goes through other ports than those in memory."""
        self.theirs = theirs
        self.robot = EmulatedRobot(self.board, self.plant, theirs, self.faults)
        self.driver._link._connect = connect

    def now_us(self):
        """Of the controller's clock."""
        return (self.now_ns - self.booted_ns) // 1000

    def wait(self, ns):
        for _ in range(ns // MS):
            self.millisecond()
        return self.now_ns

    def millisecond(self):
        self.now_ns += MS
        if self.robot is None:  # the controller goes on without a host
            self.board.step(self.now_us())
            answers = self.plant.receive(self.board.take(Link.PLANT))
            self.board.receive(Link.PLANT, answers, self.now_us())
            return
        try:
            self.robot.step(self.now_us())
        except PortLostError:
            self.robot = None

    def unplug(self):
        self.plugged = False
        self.theirs.close()
        self.robot = None

    def plug_in(self):
        self.plugged = True

    def power_cycle(self, board=None):
        """The controller begins anew; the cable stays in."""
        self.booted_ns = self.now_ns
        self.board = board or PythonBoard()
        self.robot.board = self.board

    def tick(self, values=None):
        """20 ms of the host's loop, then its state."""
        if values is not None:
            self.driver.send(np.array(values), self.now_ns)
        for _ in range(TICK_NS // MS):
            self.millisecond()
        return self.driver.read(self.now_ns)

    def run(self, seconds, values=None):
        """Ticks; the last state."""
        state = None
        for _ in range(round(seconds * SECOND / TICK_NS)):
            state = self.tick(values)
        return state

    def until(self, true_of, values=None, seconds=2.0):
        """Ticks until the state is so."""
        for _ in range(round(seconds * SECOND / TICK_NS)):
            state = self.tick(values)
            if true_of(state):
                return state
        raise AssertionError(f"after {seconds} s still {state}")

    def ask(self, wish):
        self.driver.request(wish, self.now_ns)

    def open(self):
        self.driver.open(self.now_ns)
        return self

    def armed(self):
        """Open, with torque, holding."""
        self.open()
        self.run(0.4)
        self.ask(Wish.ARM)
        self.until(lambda state: state.mode is Mode.ARMED)
        return self

    def active(self, values):
        """Follows these values."""
        self.armed()
        self.until(lambda state: state.mode is Mode.ACTIVE, values)
        return self
