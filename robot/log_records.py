"""The records of an MCAP file that nobody vouches for, in bounded memory.

The mcap package trusts the sizes that a file declares: it allocates what a prefix of eight bytes
asks for, and unpacks a chunk to whatever size comes out. Here no more is read than the file has
left, and no chunk is unpacked to more than it says, nor to more than its bytes could hold.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import lz4.frame
from mcap.exceptions import EndOfFile, McapError, UnsupportedCompressionError
from mcap.records import Chunk, McapRecord
from mcap.stream_reader import StreamReader, breakup_chunk

RECORD_LIMIT_BYTES = 512 * 1024 * 1024  # one message may be 256 MiB, with its views
_LZ4_BEST_RATIO = 255  # the format cannot do better
_LZ4_FRAME_BYTES = 64  # more than its header and end mark


class _Bounded:
    """A stream of known size; a read of more than is left fails before memory is taken for it."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        if length > min(self._left, RECORD_LIMIT_BYTES):
            raise EndOfFile
        data = self._stream.read(length)
        self._left -= len(data)
        return data


def read_records(stream: BinaryIO, size: int) -> Iterator[McapRecord]:
    """The records of a file, those inside its chunks included, in their order.

    Args:
        stream: the file, at its beginning.
        size: bytes that it holds.

    Raises:
        McapError: sizes that do not fit, or a compression other than LZ4.
        EOFError, RuntimeError, ValueError, OverflowError, struct.error: other damage.
    """
    bounded: Any = _Bounded(stream, size)
    reader = StreamReader(
        bounded, emit_chunks=True, record_size_limit=min(size, RECORD_LIMIT_BYTES)
    )
    for record in reader.records:
        if isinstance(record, Chunk):
            yield from breakup_chunk(_unpacked(record), validate_crc=True)
        else:
            yield record


def _unpacked(chunk: Chunk) -> Chunk:
    """The chunk without its compression."""
    size = chunk.uncompressed_size
    if chunk.compression == "":
        return chunk
    if chunk.compression != "lz4":
        raise UnsupportedCompressionError(chunk.compression[:20])
    possible = (len(chunk.data) + _LZ4_FRAME_BYTES) * _LZ4_BEST_RATIO
    if size > min(possible, RECORD_LIMIT_BYTES):
        raise McapError(f"a chunk of {len(chunk.data)} bytes cannot hold {size}")
    data = lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, max_length=size + 1)
    if len(data) != size:
        raise McapError(f"a chunk says {size} bytes and holds others")
    return replace(chunk, compression="", data=data)
