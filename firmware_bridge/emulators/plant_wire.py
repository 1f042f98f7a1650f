"""The controller's second wire as actuators and sensors see it: every `drive` gets a `sense`.

Who moves and who senses is somebody else: a few first-order lags (`plant`), or a whole simulator.
Faults stand between the wire and the actuators, and between the sensors and the wire. The wire has
no clock of its own: its time is that of the drives.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from firmware_bridge.emulators.faults import Fault, FaultLine, Place
from firmware_bridge.framing import Decoder, Encoder
from firmware_bridge.protocol import BY_NAME, pack, unpack

LONGEST_STEP_S = 0.1  # of a drive after a pause; a controller that began anew comes from the past


class Drive(NamedTuple):
    """The packet `drive`."""

    time_us: int
    torque: int
    setpoint: tuple[float, ...]


class Sense(NamedTuple):
    """The packet `sense`."""

    time_us: int
    values: tuple[float, ...]
    efforts: tuple[float, ...]
    voltage_v: float
    temperature_c: float


class Machine(Protocol):
    """What hangs on the wire."""

    def move(self, drive: Drive, elapsed_s: float) -> None:
        """Does what it is told, for as long as has passed since it was last told something."""
        ...

    def sense(self, time_us: int) -> Sense | None:
        """What its sensors say at the time of a drive; None: they do not answer."""
        ...


class PlantWire:
    """Decodes drives, moves the machine, and encodes what it senses."""

    def __init__(self, machine: Machine, faults: Sequence[Fault] = (), seed: int = 0) -> None:
        self._machine = machine
        self._decoder = Decoder()
        self._encoder = Encoder()
        self._actuators = FaultLine(Place.ACTUATOR, faults, seed)
        self._sensors = FaultLine(Place.SENSOR, faults, seed)
        self._time_us: int | None = None  # of the last drive
        self.drives = 0
        """How many have come; a controller that has none to say is not up yet."""

    def inject(self, fault: Fault) -> None:
        """Adds a fault of actuators or sensors."""
        self._actuators.inject(fault)
        self._sensors.inject(fault)

    def receive(self, data: bytes) -> bytes:
        """Moves as drives say, and answers them."""
        answers = bytearray()
        for frame in self._decoder.feed(data):
            message = unpack(frame.type, frame.payload)
            if frame.type == BY_NAME["drive"].id and message is not None:
                answers += self._answer(Drive(*message))
        return bytes(answers)

    def _answer(self, drive: Drive) -> bytes:
        self.drives += 1
        elapsed_s = self._elapsed_s(drive.time_us)
        for passed in self._actuators.passes(drive, drive.time_us):
            self._machine.move(passed, elapsed_s)
        sense = self._machine.sense(drive.time_us)
        if sense is None:
            return b""
        sensed = self._sensors.passes(sense, drive.time_us)
        frame_type = BY_NAME["sense"].id
        payloads = [pack("sense", **one._asdict()) for one in sensed]
        return b"".join(self._encoder.encode(frame_type, payload) for payload in payloads)

    def _elapsed_s(self, time_us: int) -> float:
        before_us, self._time_us = self._time_us, time_us
        if before_us is None:
            return 0.0
        return min(max(0.0, (time_us - before_us) / 1e6), LONGEST_STEP_S)
