"""A bus of Feetech STS3215 servos without servos: the wire's other end, with faults on request.

Time is handed in (microseconds of any monotonic clock), so a test steps it and waits for nothing.
`feetech_pty.py` puts it behind a pseudo-terminal in real time; the vendor's own client talks to it
there. What it knows: PING, READ, WRITE, REG WRITE, ACTION, SYNC READ, SYNC WRITE; 10 bits a byte on
the wire, so that an answer takes its time; the return delay of the servos; and that there is one
wire: a host that speaks while a servo answers is not understood, and spoils that answer.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from firmware_bridge.emulators.feetech_servo import Servo, ServoFault
from firmware_bridge.errors import PortLostError
from firmware_bridge.feetech.bus import BROADCAST, Decoder, Instruction, Packet

BYTE_US = 10  # at 1 Mbit/s
RETURN_DELAY_US = 100  # from a question to its answer
SLOW_US = 30_000  # more than that, of a slow servo
LARGEST_QUEUE = 1024  # packets


class _Due(NamedTuple):
    due_us: int
    data: bytes


class ServoBusEmulator:
    """Servos on one wire.

    `counters`: `packets` understood, those `unknown` (instruction or length), answers `overrun`
    because nobody took them, `collisions`, and the decoder's.
    """

    def __init__(self, servos: Iterable[Servo]) -> None:
        self.servos = {servo.id: servo for servo in servos}
        self._decoder = Decoder()
        self._queue: deque[_Due] = deque()
        self._free_us = 0  # when the wire is
        self._counters = {"packets": 0, "unknown": 0, "overrun": 0, "collisions": 0}

    @property
    def counters(self) -> dict[str, int]:
        """Events since it was made."""
        return {**self._counters, **self._decoder.counters}

    @property
    def answering(self) -> bool:
        """Whether answers are under way."""
        return bool(self._queue)

    def step(self, now_us: int) -> None:
        """Lets the servos move."""
        supply_sag_v = sum(servo.drop_v for servo in self.servos.values())
        for servo in self.servos.values():
            servo.step(now_us, supply_sag_v)

    def receive(self, data: bytes, now_us: int) -> None:
        """Bytes of the host."""
        self.step(now_us)
        if self._collides(now_us):
            return
        self._free_us = max(self._free_us, now_us) + BYTE_US * len(data)
        for packet in self._decoder.feed(data):
            self._obey(packet)

    def take(self, now_us: int) -> bytes:
        """What has come back over the wire by now since the last call."""
        self.step(now_us)
        parts = []
        while self._queue and self._queue[0].due_us <= now_us:
            parts.append(self._queue.popleft().data)
        return b"".join(parts)

    def _collides(self, now_us: int) -> bool:
        """Whether an answer is under way; its first byte is lost then."""
        for i, answer in enumerate(self._queue):
            if answer.due_us > now_us:
                self._counters["collisions"] += 1
                self._queue[i] = answer._replace(data=answer.data[1:])
                return True
        return False

    def _obey(self, packet: Packet) -> None:
        self._counters["packets"] += 1
        asked = packet.parameters
        if packet.code == Instruction.SYNC_READ and len(asked) >= 2:
            for id_ in asked[2:]:
                self._answer(id_, self._memory(id_, asked[0], asked[1]))
        elif packet.code == Instruction.SYNC_WRITE and len(asked) >= 2:
            self._sync_write(asked[0], asked[1], asked[2:])
        else:
            self._obey_each(packet)

    def _obey_each(self, packet: Packet) -> None:
        ids = list(self.servos) if packet.id == BROADCAST else [packet.id]
        pings = packet.code == Instruction.PING
        for id_ in ids:
            answer = self._single(id_, packet)
            if answer is not None and (pings or packet.id != BROADCAST):
                self._answer(id_, answer)

    def _single(self, id_: int, packet: Packet) -> bytes | None:
        """What one servo answers; None: nothing."""
        servo, asked = self.servos.get(id_), packet.parameters
        if servo is None:
            return None
        acknowledges = b"" if servo.acknowledges else None
        match packet.code, len(asked):
            case Instruction.PING, 0:
                return b""
            case Instruction.READ, 2:
                return self._memory(id_, asked[0], asked[1])
            case Instruction.WRITE, size if size >= 2:
                servo.write(asked[0], asked[1:])
            case Instruction.REG_WRITE, size if size >= 2:
                servo.registered = (asked[0], asked[1:])
            case Instruction.ACTION, 0:
                servo.act()
            case _:
                self._counters["unknown"] += 1
                return None
        return acknowledges

    def _sync_write(self, start: int, size: int, rows: bytes) -> None:
        if size == 0 or len(rows) % (size + 1):
            self._counters["unknown"] += 1
            return
        for at in range(0, len(rows), size + 1):
            servo = self.servos.get(rows[at])
            if servo is not None and ServoFault.SILENT not in servo.faults:
                servo.write(start, rows[at + 1 : at + 1 + size])

    def _memory(self, id_: int, start: int, size: int) -> bytes:
        servo = self.servos.get(id_)
        return servo.read(start, size) if servo is not None else b""

    def _answer(self, id_: int, parameters: bytes) -> None:
        servo = self.servos.get(id_)
        if servo is None or ServoFault.SILENT in servo.faults:
            return
        data = _spoil(servo, Packet(id_, servo.errors, parameters))
        late_us = SLOW_US if ServoFault.SLOW in servo.faults else 0
        self._free_us += RETURN_DELAY_US + late_us + BYTE_US * len(data)
        if len(self._queue) >= LARGEST_QUEUE:
            self._counters["overrun"] += 1
            return
        self._queue.append(_Due(self._free_us, data))


class EmulatedPort:
    """A `Port` straight onto the servos, where `clock` says what time it is."""

    def __init__(self, bus: ServoBusEmulator, clock: Callable[[], int]) -> None:
        """`clock`: microseconds."""
        self._bus, self._clock = bus, clock
        self.lost = False  # set it, and the plug is pulled
        self.closed = False

    def read(self) -> bytes:
        """What the servos have answered by now."""
        self._check()
        return self._bus.take(self._clock())

    def write(self, data: bytes) -> int:
        """Takes everything."""
        self._check()
        self._bus.receive(data, self._clock())
        return len(data)

    def close(self) -> None:
        """Notes it."""
        self.closed = True

    def _check(self) -> None:
        if self.lost or self.closed:
            raise PortLostError("the emulated bus is gone: it was unplugged or closed")


def _spoil(servo: Servo, packet: Packet) -> bytes:
    """An answer as a faulty servo gives it."""
    if ServoFault.WRONG_ID in servo.faults:
        packet = packet._replace(id=servo.impostor_id)
    data = bytearray(packet.encode())
    if ServoFault.CORRUPT in servo.faults:
        data[-1] ^= 0xFF
    return bytes(data)
