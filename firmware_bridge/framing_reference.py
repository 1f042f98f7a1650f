"""What `framing` does, said plainly and slowly: the yardstick of its tests and of the fuzzing."""

from collections.abc import Iterator
from itertools import pairwise

from firmware_bridge.framing import MAX_ENCODED, OVERHEAD, Frame, FrameCounters


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE, bit by bit: the remainder of a division by x^16 + x^12 + x^5 + 1."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = crc << 1 ^ 0x11021 if crc & 0x8000 else crc << 1
    return crc


def stuff(data: bytes) -> bytes:
    """COBS of fewer than 254 bytes: in place of each zero, and in front, the way to the next."""
    return b"".join(bytes((len(run) + 1,)) + run for run in data.split(b"\0"))


def unstuff(encoded: bytes) -> bytes | None:
    """COBS undone; None where a code leads beyond the end."""
    runs = []
    while encoded:
        code = encoded[0]
        if code > len(encoded):
            return None
        runs.append(encoded[1:code])
        encoded = encoded[code:]
    return b"\0".join(runs)


def encode(frame_type: int, seq: int, payload: bytes) -> bytes:
    """`framing.encode_frame`."""
    frame = bytes((frame_type,)) + seq.to_bytes(2, "little") + payload
    return stuff(frame + crc16(frame).to_bytes(2, "little")) + b"\0"


def decode(stream: bytes) -> tuple[list[Frame], FrameCounters]:
    """All frames of a stream, and what a `framing.Decoder` counts on the way."""
    found = list(_frames_and_faults(stream))
    frames = [one for one in found if isinstance(one, Frame)]
    pairs = list(pairwise(frames))
    counters = FrameCounters(
        frames=len(frames),
        crc_errors=found.count("crc"),
        framing_errors=found.count("framing"),
        lost=sum(lost_between(a.seq, b.seq) or 0 for a, b in pairs),
        old=sum(lost_between(a.seq, b.seq) is None for a, b in pairs),
    )
    return frames, counters


def lost_between(last: int, seq: int) -> int | None:
    """How many numbers a sender used between these two; None if `seq` is the same or older.

    0 is the first number and never comes again, so the numbers form a ring of 65535.
    """
    if seq == 0:
        return 0
    step = (seq - last) % 0x10000
    if step == 0 or step >= 0x8000:
        return None
    return step - 1 - (seq < last)


def _frames_and_faults(stream: bytes) -> Iterator[Frame | str]:
    *ended, unfinished = stream.split(b"\0")
    for piece in ended:
        if piece:
            yield _frame_or_fault(piece)
    if len(unfinished) > MAX_ENCODED:
        yield "framing"


def _frame_or_fault(piece: bytes) -> Frame | str:
    frame = unstuff(piece) if len(piece) <= MAX_ENCODED else None
    if frame is None or len(frame) < OVERHEAD:
        return "framing"
    if crc16(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
        return "crc"
    return Frame(frame[0], int.from_bytes(frame[1:3], "little"), frame[3:-2])
