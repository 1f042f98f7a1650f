"""Frames on a wire that may lose, add and change bytes: COBS, CRC-16/CCITT-FALSE, sequence numbers.

    COBS( type u8 | seq u16 | payload | crc u16 )  0x00        little-endian

COBS leaves no zero inside a frame, so the next zero ends whatever went before it: after any garbage
the decoder is in step again within one frame. (Protocols that mark only the start of a packet must
search for it in what looks like data.) A frame has at most 250 bytes before COBS, hence a COBS code
is never 255, and a decoder needs 251 bytes of memory.

`seq` counts the frames of one sender on one wire: 0 when it begins, then 1 to 65535, then 1 again.
So a gap says how many frames were lost, and a sender that was restarted is not taken for one.

The loops are compiled; `framing_reference` says the same in plain Python, and tests compare them.
`firmware/framing.c` is the twin for the controller.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import FrameSizeError
from firmware_bridge.kernels import kernel

OVERHEAD = 5  # bytes of a frame besides its payload: type, seq, CRC
MAX_FRAME = 250  # bytes before COBS
MAX_PAYLOAD = MAX_FRAME - OVERHEAD
MAX_ENCODED = MAX_FRAME + 1  # bytes after COBS, without the delimiter

_CHUNK = 4096  # bytes that are decoded in one go; bounds the memory of a decoder
_AHEAD = 0x8000  # a seq less than this ahead of the last one is newer, otherwise older

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]


class Frame(NamedTuple):
    """What arrived whole."""

    type: int  # id of the packet
    seq: int
    payload: bytes


class FrameCounters(NamedTuple):
    """Events since a decoder was made."""

    frames: int
    crc_errors: int
    framing_errors: int  # no COBS, too short or too long
    lost: int  # frames that never arrived, by gaps in seq
    old: int  # frames that came with the last seq or an older one; they are handed over too


def encode_frame(frame_type: int, seq: int, payload: bytes) -> bytes:
    """The bytes of a frame on the wire, with the delimiter.

    Args:
        frame_type: 0 to 255.
        seq: 0 to 65535.
        payload: up to MAX_PAYLOAD bytes.

    Raises:
        FrameSizeError: the payload is longer.
    """
    if len(payload) > MAX_PAYLOAD:
        raise FrameSizeError(
            f"a payload of {len(payload)} bytes does not fit a frame: at most {MAX_PAYLOAD}"
        )
    frame = bytes((frame_type, seq & 0xFF, seq >> 8)) + payload
    out = np.empty(MAX_ENCODED + 1, np.uint8)
    size = encode_kernel(np.frombuffer(frame, np.uint8), out)
    return out[:size].tobytes()


class Encoder:
    """Numbers the frames of one sender on one wire."""

    def __init__(self) -> None:
        self._seq = 0

    def encode(self, frame_type: int, payload: bytes) -> bytes:
        """The bytes of the next frame, with its delimiter; see `encode_frame`."""
        encoded = encode_frame(frame_type, self._seq, payload)
        self._seq = next_seq(self._seq)
        return encoded


def next_seq(seq: int) -> int:
    """The number of the frame after `seq`; 0 is only that of the first."""
    return seq % 0xFFFF + 1


class Decoder:
    """Turns what arrives on one wire into frames; whatever arrives, it never raises."""

    def __init__(self) -> None:
        self._pending = np.empty(MAX_ENCODED, np.uint8)
        self._state = np.zeros(len(_STATE), np.int64)
        self._state[_LAST_SEQ] = -1
        self._decoded = np.empty(_CHUNK + MAX_ENCODED, np.uint8)
        self._ends = np.empty(_CHUNK, np.int64)

    @property
    def counters(self) -> FrameCounters:
        """What it met so far."""
        return FrameCounters(*self._state[_FRAMES:].tolist())

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete with these bytes; what is incomplete is kept."""
        received = np.frombuffer(data, np.uint8)
        frames: list[Frame] = []
        for start in range(0, len(received), _CHUNK):
            chunk = received[start : start + _CHUNK]
            count = decode_kernel(chunk, self._pending, self._state, self._decoded, self._ends)
            begin = 0
            for end in self._ends[:count].tolist():
                raw = self._decoded[begin:end].tobytes()
                frames.append(Frame(raw[0], raw[1] | raw[2] << 8, raw[3:]))
                begin = end
        return frames


_STATE = ("pending", "skipping", "last_seq", *FrameCounters._fields)
_PENDING, _SKIPPING, _LAST_SEQ, _FRAMES, _CRC_ERRORS, _FRAMING_ERRORS, _LOST, _OLD = range(8)


@kernel
def crc16(data: Bytes, size: int) -> int:
    """CRC-16/CCITT-FALSE of the first `size` bytes: polynomial 0x1021, beginning with 0xFFFF.

    Without a table, a byte at a time: the high byte is folded onto the places where the polynomial
    puts its bits.
    """
    crc = 0xFFFF
    for i in range(size):
        high = (crc >> 8) ^ int(data[i])
        high ^= high >> 4
        crc = ((crc << 8) ^ (high << 12) ^ (high << 5) ^ high) & 0xFFFF
    return crc


@kernel
def encode_kernel(frame: Bytes, out: Bytes) -> int:
    """Writes a frame (without CRC, at most MAX_FRAME - 2 bytes) to `out`, and returns the size."""
    crc = crc16(frame, len(frame))
    code_at, size = 0, 1
    for i in range(len(frame) + 2):
        byte = int(frame[i]) if i < len(frame) else crc & 0xFF
        if i == len(frame):
            crc >>= 8  # its high byte goes last
        if byte:
            out[size] = byte
        else:
            out[code_at] = size - code_at
            code_at = size
        size += 1
    out[code_at] = size - code_at
    out[size] = 0
    return size + 1


@kernel
def decode_kernel(
    data: Bytes, pending: Bytes, state: Integers, decoded: Bytes, ends: Integers
) -> int:
    """Feeds bytes to a decoder.

    Args:
        data: what arrived, (n,).
        pending: the frame that is under way, (MAX_ENCODED,).
        state: numbers by the names in `_STATE`.
        decoded: is filled with the frames without their CRC, one after the other,
            (n + MAX_ENCODED,) or more.
        ends: is filled with the end of each in `decoded`, (n,) or more.

    Returns:
        How many frames were completed.
    """
    count, start = 0, 0
    for i in range(len(data)):
        if data[i]:
            _keep(data[i], pending, state)
            continue
        size = _finish(pending, state, decoded, start)
        if size:
            start += size
            ends[count] = start
            count += 1
    return count


@kernel
def _keep(byte: int, pending: Bytes, state: Integers) -> None:
    """Adds a byte to the frame under way; one too many, and the frame is thrown away."""
    if state[_SKIPPING]:
        return
    if state[_PENDING] == len(pending):
        state[_SKIPPING] = 1
        state[_FRAMING_ERRORS] += 1
        return
    pending[state[_PENDING]] = byte
    state[_PENDING] += 1


@kernel
def _finish(pending: Bytes, state: Integers, decoded: Bytes, start: int) -> int:
    """Ends the frame under way: writes it to `decoded` from `start` on and counts.

    Returns:
        Its size without the CRC; 0: there is none.
    """
    size, skipping = state[_PENDING], state[_SKIPPING]
    state[_PENDING] = state[_SKIPPING] = 0
    if skipping or size == 0:
        return 0
    body = decoded[start:]
    length = _unstuff(pending, size, body)
    if length < OVERHEAD:
        state[_FRAMING_ERRORS] += 1
        return 0
    kept = length - 2
    if crc16(body, kept) != (int(body[kept]) | int(body[kept + 1]) << 8):
        state[_CRC_ERRORS] += 1
        return 0
    _count(int(body[1]) | int(body[2]) << 8, state)
    return kept


@kernel
def _unstuff(pending: Bytes, size: int, body: Bytes) -> int:
    """COBS undone: the number of bytes written to `body`; -1 if a code leads beyond the end."""
    code_at, length = 0, 0
    while True:
        following = code_at + int(pending[code_at])
        if following > size:
            return -1
        for i in range(code_at + 1, following):
            body[length] = pending[i]
            length += 1
        if following == size:
            return length
        body[length] = 0
        length += 1
        code_at = following


@kernel
def _count(seq: int, state: Integers) -> None:
    """Counts a good frame, and by its number those before it that never came."""
    last = state[_LAST_SEQ]
    state[_LAST_SEQ] = seq
    state[_FRAMES] += 1
    if last < 0 or seq == 0:
        return
    step = (seq - last) & 0xFFFF
    if step == 0 or step >= _AHEAD:
        state[_OLD] += 1
    else:
        state[_LOST] += step - 1 - (seq < last)  # past 65535 there is no 0
