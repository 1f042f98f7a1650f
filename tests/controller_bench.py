"""A controller on the bench: a scripted host at one wire, an emulated plant at the other.

Time is virtual, that of the controller: it goes on by milliseconds, however busy the computer is.
"""

import math
import pkgutil
import shutil
from dataclasses import asdict

import pytest
from controller_tables import JOINT, TOLD, WHEEL

from firmware_bridge.emulators import BOARDS
from firmware_bridge.emulators.faults import FaultLine, Place, parse_fault
from firmware_bridge.emulators.plant import Plant, PlantAxis
from firmware_bridge.framing import Decoder, Encoder
from firmware_bridge.protocol import BY_ID, BY_NAME, SCHEMA_HASH, Link, pack, unpack
from firmware_bridge.safety_words import AxisKind, Mode, Reason, Wish

NEEDS = {
    "python": {},
    "native": {"cc": "sudo apt install gcc libc6-dev"},
    "qemu": {
        "qemu-system-arm": "sudo apt install qemu-system-arm",
        "arm-none-eabi-gcc": "sudo apt install gcc-arm-none-eabi",
    },
}
"""Programs that a board needs, and the line that installs them."""

STEP_US = 1_000
TICK_S = 0.005
HEARTBEAT_US = 50_000
COMMAND_US = 10_000

PLANT = (
    PlantAxis(AxisKind.POSITION, -2.5, 2.5, start=0.5, lag_s=0.02),
    PlantAxis(AxisKind.VELOCITY, -1.5, 1.5, start=0.0, lag_s=0.02),
)


class Rig:
    """A board and its plant."""

    def __init__(self, make_board, plant):
        self._make_board = make_board
        self._board = make_board()
        self.plant = plant
        self.now_us = 0
        self.sensed = b""  # bytes to add to what the plant says

    def power_cycle(self):
        """Takes the controller's power away and gives it back; the robot stays where it is."""
        self.close()
        self._board = self._make_board()
        self.now_us = 0

    def step(self, to_board):
        """Hands over the host's bytes, goes on by a millisecond; returns the board's bytes."""
        if to_board:
            self._board.receive(Link.HOST, to_board, self.now_us)
        self.now_us += STEP_US
        self._board.step(self.now_us)
        sensed = self.plant.receive(self._board.take(Link.PLANT)) + self.sensed
        self.sensed = b""
        if sensed:
            self._board.receive(Link.PLANT, sensed, self.now_us)
        return self._board.take(Link.HOST)

    def close(self):
        close = getattr(self._board, "close", None)  # of boards that are processes of their own
        if close is not None:
            close()


class Bench:
    """The host's end. What the controller says is kept by name of packet."""

    def __init__(self, rig, told=TOLD, axes=(JOINT, WHEEL)):
        self.rig = rig
        self.told = told
        self.axes = axes
        self.believed = None  # mode in heartbeats; None: what telemetry said
        self.beats = True  # sends heartbeats
        self.wanted = None  # values commanded again and again
        self.link_faults = {way: FaultLine(Place.LINK, ()) for way in ("out", "back")}
        self.history = []  # telemetry
        self.restart_host()

    def restart_host(self):
        """Another process, that knows nothing."""
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._outgoing = bytearray()
        self.said = {name: [] for name in BY_NAME}
        self._beat_us = self._commanded_us = -math.inf
        self.wanted = None

    @property
    def now_us(self):
        return self.rig.now_us

    @property
    def plant(self):
        return self.rig.plant

    @property
    def state(self):
        return self.said["telemetry"][-1]

    @property
    def mode(self):
        return Mode(self.state.mode)

    @property
    def reason(self):
        return Reason(self.state.reason)

    def send(self, name, **fields):
        """Puts a packet on the wire; returns the bytes."""
        data = self._encoder.encode(BY_NAME[name].id, pack(name, **fields))
        self.send_bytes(data)
        return data

    def send_bytes(self, data):
        self._outgoing += data

    def command(self, *values, age_s=0.0):
        return self.send("command", values=values, stamped_us=self.now_us - round(age_s * 1e6))

    def fail(self, text, seconds=math.inf):
        """Injects a fault from now on, as `sensor:stuck`."""
        begin_s = self.now_us / 1e6
        fault = parse_fault(text)._replace(begin_s=begin_s, end_s=begin_s + seconds)
        self.plant.inject(fault)
        for line in self.link_faults.values():
            line.inject(fault)

    def advance(self, seconds):
        """Lets time go by."""
        end_us = self.now_us + round(seconds * 1e6)
        while self.now_us < end_us:
            self.step()

    def advance_until(self, condition, most_s=2.0):
        """Lets time go by until something is so; returns how long that took, in seconds."""
        began_us = self.now_us
        while not condition():
            assert self.now_us - began_us < most_s * 1e6, "it never came true"
            self.step()
        return (self.now_us - began_us) / 1e6

    def step(self):
        self._keep_alive()
        outgoing = bytes(self._outgoing)
        self._outgoing.clear()
        passed = self.link_faults["out"].passes(outgoing, self.now_us)
        came = self.rig.step(b"".join(passed))
        for data in self.link_faults["back"].passes(came, self.now_us):
            for frame in self._decoder.feed(data):
                message = unpack(frame.type, frame.payload)
                if message is not None:
                    self.said[BY_ID[frame.type].name].append(message)

    def _keep_alive(self):
        if self.beats and self.said["telemetry"] and self.now_us - self._beat_us >= HEARTBEAT_US:
            self._beat_us = self.now_us
            believed = self.state.mode if self.believed is None else self.believed
            self.send("heartbeat", mode=believed)
        if self.wanted is not None and self.now_us - self._commanded_us >= COMMAND_US:
            self._commanded_us = self.now_us
            self.command(*self.wanted)

    def hello(self, schema_hash=SCHEMA_HASH):
        self.send("hello", schema_hash=schema_hash)
        self.advance(0.02)

    def configure(self, told=None, axes=None):
        """Tells the configuration; returns the reasons of the verdicts."""
        axes = self.axes if axes is None else axes
        before = len(self.said["verdict"])
        self.send("configure", **asdict(told or self.told))
        for axis in axes:
            self.send("configure_axis", **asdict(axis))
        self.advance_until(lambda: len(self.said["verdict"]) > before + len(axes))
        return [Reason(verdict.reason) for verdict in self.said["verdict"][before:]]

    def wish(self, wish):
        """Asks for something; returns the reason of the verdict."""
        before = len(self.said["verdict"])
        self.send("wish", wish=wish)
        self.advance_until(lambda: len(self.said["verdict"]) > before)
        self.advance(0.02)  # telemetry shows it too
        verdict = self.said["verdict"][-1]
        assert (verdict.about, verdict.index) == (BY_NAME["wish"].id, wish)
        return Reason(verdict.reason)

    def follow(self, *values, seconds=0.0):
        """Commands the same from now on."""
        self.wanted = values
        self.advance(seconds)

    def counters(self):
        """What the controller counts, said after now."""
        before = len(self.said["counters"])
        self.advance_until(lambda: len(self.said["counters"]) > before)
        return self.said["counters"][-1]

    def prepare(self):
        """Power-up to DISARMED, with a plant that answers."""
        self.hello()
        assert set(self.configure()) == {Reason.NONE}
        self.advance(0.06)
        assert self.mode is Mode.DISARMED
        return self

    def arm(self):
        self.prepare()
        assert self.wish(Wish.ARM) is Reason.NONE
        return self

    def fly(self, *values):
        """Power-up to ACTIVE, commanding `values` (by default where it stands)."""
        self.arm()
        self.follow(*(values or self.plant.values[: len(self.axes)]), seconds=0.03)
        assert self.mode is Mode.ACTIVE
        return self


def make_rig(name, plant_axes=PLANT):
    """A rig with a row of BOARDS; skips the test where what it needs is not installed."""
    for program, install in NEEDS[name].items():
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not here: {install}")
    return Rig(pkgutil.resolve_name(BOARDS[name]), Plant(plant_axes))
