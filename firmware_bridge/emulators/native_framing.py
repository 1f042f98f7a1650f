"""The firmware's framing, compiled for this computer, behind the interface of `framing`."""

import ctypes
from functools import cache
from pathlib import Path

from firmware_bridge.emulators.host_build import FIRMWARE, shared_library
from firmware_bridge.framing import MAX_ENCODED, Frame, FrameCounters

SOURCES = (FIRMWARE / "framing.c", Path(__file__).with_suffix(".c"))

_HEAD = 4  # bytes before a payload: size, type, seq


class _Counters(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in FrameCounters._fields]


class _Decoder(ctypes.Structure):
    """`struct rx_decoder`."""

    _fields_ = [
        ("pending", ctypes.c_uint8 * MAX_ENCODED),
        ("size", ctypes.c_size_t),
        ("skipping", ctypes.c_bool),
        ("has_seq", ctypes.c_bool),
        ("last_seq", ctypes.c_uint16),
        ("counters", _Counters),
    ]


def encode_frame(frame_type: int, seq: int, payload: bytes) -> bytes:
    """`framing.encode_frame`, but b"" where the payload is too long, as the firmware has it."""
    size = MAX_ENCODED + 1
    out = ctypes.create_string_buffer(b"\xaa" * size, size)  # no zero that was there before
    size = library().rx_encode_frame(frame_type, seq, payload, len(payload), out)
    return out.raw[:size]


def next_seq(seq: int) -> int:
    """`framing.next_seq`."""
    return library().rx_next_seq(seq)


class NativeDecoder:
    """`framing.Decoder`; `flags` are further ones for the compiler."""

    def __init__(self, flags: tuple[str, ...] = ()) -> None:
        self._library = library(flags)
        self._decoder = _Decoder()
        self._library.rx_decoder_init(ctypes.byref(self._decoder))

    @property
    def counters(self) -> FrameCounters:
        """What it met so far, modulo 2^32."""
        counters = self._decoder.counters
        return FrameCounters(*(getattr(counters, name) for name in FrameCounters._fields))

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete with these bytes."""
        out = ctypes.create_string_buffer(len(data) + MAX_ENCODED)
        size = self._library.native_decoder_feed(ctypes.byref(self._decoder), data, len(data), out)
        return _frames(out.raw[:size])


@cache
def library(flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The compiled sources, with further flags for the compiler.

    Raises:
        FirmwareBuildError: see `host_build.shared_library`.
    """
    loaded = ctypes.CDLL(str(shared_library(SOURCES, flags)))
    loaded.rx_encode_frame.restype = ctypes.c_size_t
    loaded.rx_encode_frame.argtypes = [
        *(ctypes.c_uint8, ctypes.c_uint16, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p)
    ]
    loaded.rx_next_seq.restype = ctypes.c_uint16
    loaded.rx_next_seq.argtypes = [ctypes.c_uint16]
    loaded.rx_decoder_init.argtypes = [ctypes.c_void_p]
    loaded.native_decoder_bytes.restype = ctypes.c_size_t
    loaded.native_decoder_feed.restype = ctypes.c_size_t
    loaded.native_decoder_feed.argtypes = [
        *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p)
    ]
    if loaded.native_decoder_bytes() != ctypes.sizeof(_Decoder):
        raise AssertionError("native_framing.py describes another struct than framing.h")
    return loaded


def _frames(records: bytes) -> list[Frame]:
    frames: list[Frame] = []
    at = 0
    while at < len(records):
        size, frame_type = records[at], records[at + 1]
        seq = int.from_bytes(records[at + 2 : at + _HEAD], "little")
        end = at + _HEAD + size
        frames.append(Frame(frame_type, seq, records[at + _HEAD : end]))
        at = end
    return frames
