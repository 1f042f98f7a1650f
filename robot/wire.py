"""Messages to bytes and back.

A message becomes a list of frames: a msgpack header, then one raw buffer per array. Buffers are
never copied into the header, so a receiver gets read-only NumPy views on the bytes it received,
and ``encode`` copies no large array: its frames are views, good until the node changes the array.
The same frames, packed into one record, are what the log keeps: the bytes on the wire are the
truth.

At a robot's rates a message finds the caches cold, where each further call of a C function costs
some microseconds, not the tenth of one that a tight loop shows: few calls per message matter here.
"""

import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, get_type_hints

import msgspec
import numpy as np

from robot.messages import ArraySpec, Message

Buffer = bytes | memoryview
"""One frame; a memoryview is of single bytes."""
Frames = Sequence[Buffer]

MAX_FRAMES = 16
MAX_HEADER_BYTES = 1024 * 1024  # a header of small items takes some ten times that in memory
MAX_ARRAY_BYTES = 256 * 1024 * 1024  # refuse before allocating: a 4K float image is 33 MB
SMALL_BYTES = 4096  # up to this a copy of an array costs less than a view on it
_LENGTH = struct.Struct("<I")
_encode_header = msgspec.msgpack.Encoder().encode


class WireError(ValueError):
    """Bytes that are no message of the expected type."""


class _ArrayRef(msgspec.Struct, array_like=True, frozen=True):
    """Stands in the header for an array that travels beside it."""

    dtype: str
    shape: tuple[int, ...]


class _Field(NamedTuple):
    """An array field, ready for the way of every message."""

    name: str
    spec: ArraySpec
    dtype: np.dtype[Any]
    item_bytes: int


class _Layout(NamedTuple):
    """How one message type travels."""

    arrays: tuple[_Field, ...]
    decode_header: Callable[[Buffer], msgspec.Struct]
    """Checks all fields but the content of arrays; without arrays this is the message."""


@cache
def array_fields(kind: type[Message]) -> dict[str, ArraySpec]:
    """Array fields of a message type, by name, in the order their buffers travel."""
    found = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        for extra in getattr(hint, "__metadata__", ()):
            if isinstance(extra, ArraySpec):
                found[name] = extra
    return found


@cache
def _layout(kind: type[Message]) -> _Layout:
    """The layout of a message type: in its header an array is a reference."""
    arrays = array_fields(kind)
    if not arrays:
        return _Layout((), msgspec.msgpack.Decoder(kind).decode)
    fields = [
        (f.name, _ArrayRef if f.name in arrays else f.type, f.default)
        for f in msgspec.structs.fields(kind)
    ]
    header = msgspec.defstruct(
        kind.__name__,
        [(n, t) if d is msgspec.NODEFAULT else (n, t, d) for n, t, d in fields],
        kw_only=True,
        forbid_unknown_fields=True,
    )
    dtypes = {name: np.dtype(spec.dtype) for name, spec in arrays.items()}
    return _Layout(
        tuple(_Field(n, spec, dtypes[n], dtypes[n].itemsize) for n, spec in arrays.items()),
        msgspec.msgpack.Decoder(header).decode,
    )


def encode(message: Message) -> Frames:
    """Frames of one message: header, then the buffer of each array field, a view if it is large.

    Raises:
        WireError: an array is not of the dtype and number of axes that its field states.
    """
    fields = _layout(type(message)).arrays
    if not fields:
        return [_encode_header(message)]
    frames: list[Buffer] = [b""]
    header = msgspec.structs.asdict(message)
    for name, spec, dtype, _ in fields:
        array = header[name]
        if type(array) is not np.ndarray:
            array = np.ascontiguousarray(array)
        shape, found = array.shape, array.dtype
        if len(shape) != spec.ndim or (found is not dtype and found != dtype):
            raise WireError(
                f"{type(message).__name__}.{name}: expected {spec.dtype} with {spec.ndim} axes, "
                f"got {found} with {len(shape)}"
            )
        header[name] = (spec.dtype, shape)
        frames.append(array.tobytes() if array.nbytes <= SMALL_BYTES else _view_of(array))
    frames[0] = _encode_header(header)
    return frames


def _view_of(array: np.ndarray) -> memoryview:
    """The bytes of a large array, in place where they are one block."""
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
    return array.data.cast("B").toreadonly()


def snapshot(frames: Frames) -> Frames:
    """The frames by themselves, for whoever keeps them longer than the arrays they view."""
    return [bytes(frame) for frame in frames]


def decode(kind: type[Message], frames: Frames) -> Any:
    """The message that ``frames`` hold; array fields are read-only views on them.

    Raises:
        WireError: not a ``kind``, or the buffers do not fit the header.
    """
    if not 1 <= len(frames) <= MAX_FRAMES:
        raise WireError(f"{kind.__name__}: {len(frames)} frames, expected 1 to {MAX_FRAMES}")
    if len(frames[0]) > MAX_HEADER_BYTES:
        raise WireError(
            f"{kind.__name__}: header of {len(frames[0])} bytes, at most {MAX_HEADER_BYTES}"
        )
    layout = _layout(kind)
    if len(frames) != 1 + len(layout.arrays):
        raise WireError(
            f"{kind.__name__}: {len(frames) - 1} buffers, expected {len(layout.arrays)}"
        )
    try:
        header = layout.decode_header(frames[0])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise WireError(f"{kind.__name__}: {error}") from error
    if not layout.arrays:
        return header
    fields = msgspec.structs.asdict(header)
    for i, field in enumerate(layout.arrays, 1):
        fields[field.name] = _view(kind, field, fields[field.name], frames[i])
    return kind(**fields)


def _view(kind: type[Message], field: _Field, ref: _ArrayRef, buffer: Buffer) -> np.ndarray:
    """A read-only array on ``buffer``, after the sizes were found to agree."""
    name, spec, dtype, size = field
    shape = ref.shape
    fits = True
    for length in shape:
        fits = fits and 0 <= length <= MAX_ARRAY_BYTES
        size *= length
    if ref.dtype != spec.dtype or len(shape) != spec.ndim:
        raise WireError(
            f"{kind.__name__}.{name}: {ref.dtype}{list(shape)} is not {spec.dtype} "
            f"with {spec.ndim} axes"
        )
    if not fits or size != len(buffer) or size > MAX_ARRAY_BYTES:
        raise WireError(
            f"{kind.__name__}.{name}: {len(buffer)} bytes do not fit {ref.dtype}{list(shape)}"
        )
    return np.ndarray(shape, dtype, buffer)


def pack(frames: Frames, mark: bytes = b"") -> bytes:
    """One record of several frames: each behind its length, all of them behind ``mark``."""
    parts: list[Buffer] = [mark]
    for frame in frames:
        parts += (_LENGTH.pack(len(frame)), frame)
    return b"".join(parts)


def unpack(record: bytes, at: int = 0) -> list[bytes]:
    """The frames of one record, which begin at byte ``at``.

    Raises:
        WireError: the lengths do not add up to the record.
    """
    frames: list[bytes] = []
    end = len(record)
    while at < end:
        start = at + _LENGTH.size
        if len(frames) == MAX_FRAMES or start > end:
            raise WireError("record is cut short or holds too many frames")
        (length,) = _LENGTH.unpack_from(record, at)
        at = start + length
        if at > end:
            raise WireError("record is cut short")
        frames.append(record[start:at])
    return frames
