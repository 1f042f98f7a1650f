"""The half-duplex bus of Feetech servos: packets, and one question at a time that never blocks.

A packet is FF FF | id | length | instruction or error | parameters | checksum, where length counts
what follows it and the checksum is the inverted sum of all after the header (Feetech's
communication protocol manual). Eight bits of sum let one corrupt packet in 256 pass: whoever uses
the values checks that they are believable.

The host asks all servos at once (SYNC READ) and tells all at once (SYNC WRITE, not answered). Who
asks one servo after the other waits for each; who waits for an answer stops with a silent servo.
Here an answer is what came until it was `finished`, or its time was over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from firmware_bridge.feetech.registers import Block
from firmware_bridge.port import Port

BROADCAST = 0xFE
LARGEST_ID = 0xFD
LARGEST_LENGTH = 250  # of the length field, as in the vendor's client
LARGEST_UNSENT = 1024  # bytes: 10 ms at 1 Mbit/s; what a port has not taken is kept up to here
HEADER = b"\xff\xff"


class Instruction(IntEnum):
    """What a packet of the host asks for."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REG_WRITE = 0x04
    ACTION = 0x05
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83


class Packet(NamedTuple):
    """One packet of either direction."""

    id: int
    code: int  # instruction from the host, error bits from a servo
    parameters: bytes

    def encode(self) -> bytes:
        """As it stands on the wire."""
        body = bytes((self.id, len(self.parameters) + 2, self.code)) + self.parameters
        return HEADER + body + bytes((checksum(body),))


def checksum(body: bytes) -> int:
    """Of everything between header and checksum."""
    return ~sum(body) & 0xFF


def sync_read(start: int, size: int, ids: Sequence[int]) -> bytes:
    """Asks each servo for `size` bytes of memory from `start`; they answer in this order."""
    return Packet(BROADCAST, Instruction.SYNC_READ, bytes((start, size, *ids))).encode()


def sync_write(start: int, values: Mapping[int, bytes]) -> bytes:
    """Writes equally many bytes to the memory of each servo from `start`."""
    size = len(next(iter(values.values())))
    rows = b"".join(bytes((id_,)) + value for id_, value in values.items())
    return Packet(BROADCAST, Instruction.SYNC_WRITE, bytes((start, size)) + rows).encode()


class Decoder:
    """Any bytes to packets; what is no packet is counted in `counters` and skipped.

    After a damaged packet it goes on one byte later, so that a good packet that follows, or is
    contained, is never lost. It holds less than one packet of `longest` parameters.
    """

    def __init__(self, longest: int = LARGEST_LENGTH - 2) -> None:
        self._longest = longest
        self._buffer = bytearray()
        self.counters = {"checksum_errors": 0, "skipped_bytes": 0}

    @property
    def pending(self) -> int:
        """Bytes that may still become a packet."""
        return len(self._buffer)

    def clear(self) -> None:
        """Forgets half a packet whose rest will not come; its bytes count as skipped."""
        self._skip(len(self._buffer))

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that these bytes complete."""
        self._buffer += data
        packets: list[Packet] = []
        while (size := self._packet_size()) is not None and size <= len(self._buffer):
            body = bytes(self._buffer[2 : size - 1])
            if checksum(body) == self._buffer[size - 1]:
                packets.append(Packet(body[0], body[2], body[3:]))
                del self._buffer[:size]
            else:
                self.counters["checksum_errors"] += 1
                self._skip(1)
        return packets

    def _packet_size(self) -> int | None:
        """Bytes of the packet at the buffer's beginning, once its length is known."""
        buffer = self._buffer
        while (at := buffer.find(HEADER)) >= 0:
            self._skip(at)
            if len(buffer) < 4:
                return None
            if buffer[2] <= BROADCAST and 2 <= buffer[3] <= self._longest + 2:
                return buffer[3] + 4
            self._skip(1)
        self._skip(len(buffer) - buffer.endswith(b"\xff"))
        return None

    def _skip(self, count: int) -> None:
        self.counters["skipped_bytes"] += count
        del self._buffer[:count]


class Answers(NamedTuple):
    """What came of one question."""

    asked_ns: int
    memory: Mapping[int, bytes]  # of each servo that answered properly
    errors: Mapping[int, int]  # its error bits
    strangers: tuple[int, ...]  # ids that were not asked, or answered twice: not to be believed


@dataclass
class _Question:
    asked_ns: int
    size: int  # bytes that each answer must have
    ids: tuple[int, ...]
    memory: dict[int, bytes] = field(default_factory=dict)
    errors: dict[int, int] = field(default_factory=dict)
    strangers: list[int] = field(default_factory=list)

    def take(self, packet: Packet) -> None:
        """Notes an answer; one that cannot be told from another's makes both worthless."""
        if packet.id not in self.ids or packet.id in self.memory:
            if len(self.strangers) < len(self.ids):
                self.strangers.append(packet.id)
        elif len(packet.parameters) == self.size:
            self.memory[packet.id] = packet.parameters
            self.errors[packet.id] = packet.code

    def close(self) -> Answers:
        """The answers that are left without those that two servos gave."""
        memory = {id_: self.memory[id_] for id_ in self.memory if id_ not in self.strangers}
        errors = {id_: self.errors[id_] for id_ in memory}
        return Answers(self.asked_ns, memory, errors, tuple(self.strangers))


class FeetechBus:
    """One question at a time over a port; nothing here waits.

    `counters`: `questions`, `answers`; `silent` = answers that did not come in time; `strangers` =
    answers of an id that was not asked or answered twice; `late` = answers after their time;
    `echoes` = own packets that an adapter sent back; `overflows` = packets that were not sent
    because the port took nothing; and the decoder's.
    """

    def __init__(self, port: Port, answer_ns: int) -> None:
        """`answer_ns`: how long after a question an answer still counts."""
        self._port = port
        self._answer_ns = answer_ns
        self._decoder = Decoder()
        self._question: _Question | None = None
        self._unsent = bytearray()
        names = ("questions", "answers", "silent", "strangers", "late", "echoes", "overflows")
        self._counters = dict.fromkeys(names, 0)

    @property
    def counters(self) -> dict[str, int]:
        """Events since it was made."""
        return {**self._counters, **self._decoder.counters}

    @property
    def busy(self) -> bool:
        """Whether answers may be on the wire, or something is still to be sent."""
        return self._question is not None or bool(self._unsent)

    def tell(self, start: int, values: Mapping[int, bytes]) -> None:
        """Writes to the memory of servos. While `busy`, an answer may be lost to a collision."""
        self._send(sync_write(start, values))

    def ask(self, block: Block, ids: Sequence[int], now_ns: int) -> None:
        """Asks for a block of memory; gives up a question that is still open."""
        self._counters["late"] += len(self._receive())
        self._decoder.clear()
        self._counters["questions"] += 1
        self._question = _Question(now_ns, block.size, tuple(ids))
        self._send(sync_read(block.start, block.size, ids))

    def poll(self, now_ns: int) -> Answers | None:
        """The answers, once all have come or the time of their question is over."""
        self._flush()
        packets = self._receive()
        question = self._question
        if question is None:
            self._counters["late"] += len(packets)
            return None
        for packet in packets:
            question.take(packet)
        in_time = now_ns - question.asked_ns < self._answer_ns
        if in_time and len(question.memory) < len(question.ids):
            return None
        return self._close(question)

    def _receive(self) -> list[Packet]:
        """What servos have sent; only the host speaks to all, so what says so is its own echo."""
        packets = self._decoder.feed(self._port.read())
        answers = [packet for packet in packets if packet.id != BROADCAST]
        self._counters["echoes"] += len(packets) - len(answers)
        return answers

    def _close(self, question: _Question) -> Answers:
        self._question = None
        answers = question.close()
        self._counters["answers"] += len(answers.memory)
        self._counters["silent"] += len(question.ids) - len(question.memory)
        self._counters["strangers"] += len(answers.strangers)
        return answers

    def _send(self, packet: bytes) -> None:
        if len(self._unsent) + len(packet) > LARGEST_UNSENT:
            self._counters["overflows"] += 1
            return
        self._unsent += packet
        self._flush()

    def _flush(self) -> None:
        if self._unsent:
            del self._unsent[: self._port.write(bytes(self._unsent))]
