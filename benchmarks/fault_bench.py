"""A robot of two joints whose wires are watched while something fails; for `fault_matrix`.

What is seen and what is safe is read off the controller's two wires, by its own clock:

* Sensors and actuators: the first observable deviation is the first drive (one every 5 ms) that is
  not answered as by a healthy robot: no answer, or a joint more than 1 % of its range beside that
  of a shadow which gets the same drives.
* Link and host: it is the moment when a command is due and does not arrive as sent, 20 ms after the
  last good one; a good one in between begins the count anew.
* Safe: the controller has left ACTIVE for a latched stop, and from here on there is no torque, or
  all setpoints stand still.

In real time a run in which this process was kept from running for more than 12 ms says nothing of
the controller, whose plant and wires it is; it is made again.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.drivers.mcu import McuDriver
from firmware_bridge.emulators.board import Board
from firmware_bridge.emulators.emulated_robot import ByteLine, EmulatedRobot
from firmware_bridge.emulators.faults import Fault
from firmware_bridge.emulators.plant import Plant, PlantAxis
from firmware_bridge.framing import Decoder
from firmware_bridge.mcu_options import McuOptions
from firmware_bridge.port import Port
from firmware_bridge.ports.memory_port import memory_pair
from firmware_bridge.protocol import BY_NAME, Link, unpack
from firmware_bridge.safety_words import AxisKind, Mode, Reason, Wish

MS = 1_000_000  # ns
TICK_NS = 20 * MS  # of the host's loop
MOST_AWAY_NS = 12 * MS  # of this process in real time: then it is not the controller that is late
ATTEMPTS = 50  # to arm
RANGE_RAD = 1.5  # each way
SPEED_RAD_S = 1.0  # of the commanded motion
SEEN_RAD = 0.01 * 2 * RANGE_RAD
MAX_FOLLOWING_RAD = 0.12  # a healthy joint lags 0.05 rad behind at this speed
RAMP_RAD_S = 0.4  # towards a first command that is more than 0.1 rad away
LIMITS = Limits(
    tuple(
        AxisLimit(
            *(name, "rad", -RANGE_RAD, RANGE_RAD),
            slew_per_s=2.0,
            max_speed=3.0,
            max_following=MAX_FOLLOWING_RAD,
            max_jump=0.1,
            ramp_per_s=RAMP_RAD_S,
        )
        for name in ("shoulder", "elbow")
    ),
    max_command_age_s=0.25,
)
PLANT_AXES = (PlantAxis(AxisKind.POSITION, -2.0, 2.0, start=0.0, lag_s=0.05),) * 2


def options(port: str) -> McuOptions:
    """Of the robot's link."""
    return McuOptions(port=port)


class Moment(NamedTuple):
    """One drive, and what was answered to it."""

    time_us: int
    torque: bool
    setpoint: tuple[float, ...]
    told: tuple[float, ...] | None  # values; None: no answer
    healthy: tuple[float, ...]  # what a robot without faults would say
    true: tuple[float, ...]  # where the joints are


class Stop(NamedTuple):
    """The first telemetry that is not engaged."""

    time_us: int
    mode: Mode
    reason: Reason


class WatchedPlant(Plant):
    """A plant beside its healthy shadow; `moments` has every drive."""

    def __init__(self, seed: int) -> None:
        super().__init__(PLANT_AXES, seed=seed)
        self._shadow = Plant(PLANT_AXES)
        self._decoders = {name: Decoder() for name in ("drive", "sense", "shadow")}
        self.moments: list[Moment] = []

    def receive(self, data: bytes) -> bytes:
        """Moves, answers, and notes both."""
        answers = super().receive(data)
        told = {one.time_us: one.values[:2] for one in self._read("sense", answers, "sense")}
        healthy = self._read("sense", self._shadow.receive(data), "shadow")
        for drive, sense in zip(self._read("drive", data, "drive"), healthy, strict=True):
            self.moments.append(
                Moment(
                    drive.time_us,
                    bool(drive.torque),
                    drive.setpoint[:2],
                    told.get(drive.time_us),
                    sense.values[:2],
                    tuple(self.values),
                )
            )
        return answers

    def _read(self, name: str, data: bytes, decoder: str) -> Iterator[Any]:
        for frame in self._decoders[decoder].feed(data):
            if frame.type == BY_NAME[name].id:
                yield unpack(frame.type, frame.payload)


class WatchedLine:
    """A link's faults; `good_us` tells when commands came through in time and as sent."""

    def __init__(self, line: ByteLine, clock_us: Callable[[], int]) -> None:
        self._line = line
        self.inject = line.inject
        self._clock_us = clock_us
        self._sent = Decoder()
        self._arrived = Decoder()
        self._commands: dict[int, int] = {}  # seq: when it was sent, us
        self.good_us: list[int] = []

    def passes(self, item: bytes, now_us: int) -> list[bytes]:
        """What comes out."""
        out = self._line.passes(item, now_us)
        for seq in _commands(self._sent, item):
            self._commands[seq] = now_us
        for seq in _commands(self._arrived, b"".join(out)):
            sent_us = self._commands.pop(seq, None)
            if sent_us is not None and now_us - sent_us <= TICK_NS // 1000:
                self.good_us.append(self._clock_us())
        return out


def _commands(decoder: Decoder, data: bytes) -> list[int]:
    return [frame.seq for frame in decoder.feed(data) if frame.type == BY_NAME["command"].id]


class WatchedBoard:
    """A board whose telemetry is read where it leaves; `stop` is the first not engaged."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._decoder = Decoder()
        self._was_engaged = False
        self.stop: Stop | None = None
        self.receive = board.receive
        self.step = board.step

    def take(self, link: Link) -> bytes:
        """What it wants to send."""
        data = self._board.take(link)
        if link == Link.HOST:
            for frame in self._decoder.feed(data):
                if frame.type == BY_NAME["telemetry"].id:
                    self._note(unpack(frame.type, frame.payload))
        return data

    def _note(self, told: Any) -> None:
        mode = Mode(told.mode)
        if self._was_engaged and not mode.is_engaged and self.stop is None:
            self.stop = Stop(told.time_us, mode, Reason(told.reason))
        self._was_engaged = mode.is_engaged


class VirtualTime:
    """A millisecond passes when it is asked to."""

    def __init__(self) -> None:
        self.now_ns = 10_000 * MS

    def pass_to(self, until_ns: int) -> None:
        """Nothing else happens meanwhile."""
        self.now_ns = until_ns


class RealTime:
    """The monotonic clock."""

    @property
    def now_ns(self) -> int:
        """Now."""
        return time.monotonic_ns()

    def pass_to(self, until_ns: int) -> None:
        """Sleeps."""
        time.sleep(max(0, until_ns - time.monotonic_ns()) / 1e9)


class Bench:
    """A board with its watched plant and link, behind a port that a host holds the other end of."""

    def __init__(
        self, board: Board, clock: VirtualTime | RealTime, port: Port, seed: int = 0
    ) -> None:
        self.clock = clock
        self._began_ns = self._next_ns = clock.now_ns
        self._stepped_ns = clock.now_ns
        self.was_disturbed = False
        self._ahead_us = math.inf  # of this bench's time before the board's, at least
        self.plant = WatchedPlant(seed)
        self.board = WatchedBoard(board)
        self.robot = EmulatedRobot(self.board, self.plant, port, seed=2 * seed)
        self.commands = WatchedLine(self.robot.inward, self.now_us)
        self.robot.inward = self.commands

    def now_us(self) -> int:
        """By the board's clock; that of a board which runs by itself is known to a millisecond."""
        return self._passed_us() - (0 if math.isinf(self._ahead_us) else round(self._ahead_us))

    def wait(self, longest_ns: int) -> int:
        """Lets time pass in steps of a millisecond; the time then, ns."""
        until_ns = self.clock.now_ns + longest_ns
        while self.clock.now_ns < until_ns:
            self._next_ns = max(self._next_ns + MS, self.clock.now_ns)
            self.clock.pass_to(self._next_ns)
            self.was_disturbed |= self.clock.now_ns - self._stepped_ns > MOST_AWAY_NS
            self._stepped_ns = self.clock.now_ns
            known = len(self.plant.moments)
            self.robot.step(self._passed_us())
            for moment in self.plant.moments[known:]:
                self._ahead_us = min(self._ahead_us, self._passed_us() - moment.time_us)
        return self.clock.now_ns

    def begin(self) -> int:
        """The board's time, us; from here on it matters whether this process is kept waiting."""
        self.was_disturbed = self.board.stop is not None
        self._stepped_ns = self.clock.now_ns
        return self.now_us()

    def inject(self, fault: Fault) -> None:
        """Puts a fault where it belongs."""
        self.plant.inject(fault)
        self.robot.outward.inject(fault)
        self.commands.inject(fault)

    def _passed_us(self) -> int:
        return (self.clock.now_ns - self._began_ns) // 1000


class DrivenBench(Bench):
    """A bench with its host in the same process."""

    def __init__(self, board: Board, clock: VirtualTime | RealTime, seed: int = 0) -> None:
        ours, theirs = memory_pair()
        super().__init__(board, clock, theirs, seed)
        self.driver = McuDriver(
            LIMITS,
            options("memory:"),
            connect=lambda: ours,
            wait=self.wait,
        )

    def run(self, seconds: float, command: Callable[[float], float] | None = None) -> None:
        """The host's loop: 50 commands a second for both joints, by the time since it began."""
        for number in range(round(seconds * 1e9 / TICK_NS)):
            if command is not None:
                values = np.full(2, command(number * TICK_NS / 1e9))
                self.driver.send(values, self.clock.now_ns)
            self.wait(TICK_NS)
            self.driver.read(self.clock.now_ns)

    def arm(self) -> None:
        """Opens, and has torque.

        Raises:
            RuntimeError: the robot does not arm.
        """
        self.driver.open(self.clock.now_ns)
        self.run(0.4)
        state = self.driver.read(self.clock.now_ns)
        for _ in range(ATTEMPTS):  # a busy machine keeps the sensors of the chip waiting
            self.driver.request(Wish.ARM, self.clock.now_ns)
            self.run(0.1)
            state = self.driver.read(self.clock.now_ns)
            if state.mode is Mode.ARMED:
                return
        raise RuntimeError(f"the robot does not arm: {state}")


def triangle(seconds: float) -> float:
    """Back and forth between -1 and 1 rad at 1 rad/s, from 0; from 1 to 3 s it goes down."""
    return 1 - abs((seconds + 1) % 4 - 2) * SPEED_RAD_S


class PortBoard:
    """A board that runs elsewhere, by its two ports."""

    def __init__(self, host: Port, plant: Port) -> None:
        self._ports = {Link.HOST: host, Link.PLANT: plant}
        self._waiting = {Link.HOST: bytearray(), Link.PLANT: bytearray()}

    def receive(self, link: Link, data: bytes, now_us: int) -> None:
        """Hands over what fits."""
        del now_us
        waiting = self._waiting[link]
        waiting += data
        if waiting:
            del waiting[: self._ports[link].write(bytes(waiting))]

    def step(self, now_us: int) -> None:
        """It steps by itself."""

    def take(self, link: Link) -> bytes:
        """What has come."""
        return self._ports[link].read()
