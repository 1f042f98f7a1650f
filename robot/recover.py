"""Mends a log whose writer was killed: keeps every record that can be read, writes a new index.

MCAP's own stream reader gives up at the first damage. Here the file is walked record by record,
each chunk is opened on its own, the part of a cut chunk that can be unpacked is kept, and behind
damage the next chunk is looked for by the bytes that every chunk of ours begins with.
"""

import os
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import lz4.frame
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, McapRecord, Message, Metadata, Schema
from mcap.writer import CompressionType, Writer

from robot.log_records import RECORD_LIMIT_BYTES
from robot.record import CHUNK_BYTES, MAGIC, WIRE_ENCODING, LogError, LogFile

_HEADER = struct.Struct("<BQ")  # opcode, length
_CHUNK_START = struct.Struct("<QQQI")  # first time, last time, size, CRC
_LZ4 = b"\x03\x00\x00\x00lz4"  # the name of the compression, behind _CHUNK_START
_SIZE_BYTES = 8  # of the packed content, behind the compression's name
_SCAN_BYTES = 1 << 20
_PIECE_BYTES = 4096  # unpacked at a time, so that damage costs no more than it must
_BAD_RECORD = (McapError, EOFError, ValueError, OverflowError, struct.error, MemoryError)
_READERS: dict[int, Callable[[ReadDataStream, int], McapRecord]] = {
    Opcode.SCHEMA: lambda stream, _: Schema.read(stream),
    Opcode.CHANNEL: lambda stream, _: Channel.read(stream),
    Opcode.MESSAGE: lambda stream, length: Message.read(stream, length),
    Opcode.METADATA: lambda stream, _: Metadata.read(stream),
}


@dataclass
class Recovery:
    """What became of a log."""

    messages: int = 0
    """Kept, as they crossed the bus."""
    views: int = 0
    """Kept on other channels: what Foxglove shows of the messages."""
    bytes_cut: int = 0
    """Bytes of the file that belong to no whole record."""
    was_whole: bool = False
    """Nothing was wrong with it."""


class _Found(NamedTuple):
    """One record, or bytes that are none."""

    record: McapRecord | None
    cut: int = 0


class _Walk:
    """One walk over a file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._size = stream.seek(0, os.SEEK_END)
        self.closed = False
        """Whether the walk came to the closing bytes of a whole file."""
        self.sound = True
        """False: something is wrong that costs no record."""

    def records(self) -> Iterator[_Found]:
        """Every readable record, in order, and how many bytes were none in between."""
        at = len(MAGIC)
        while at < self._size:
            if self._size - at == len(MAGIC) and self._read(at, len(MAGIC)) == MAGIC:
                self.closed = True
                return
            end = self._end_of_record(at)
            if end is None:
                yield from self._cut_record(at)
                end = self._next_chunk(at + 1)
                yield _Found(None, end - at)
            else:
                yield from self._record(at, end)
            at = end

    def _read(self, at: int, size: int) -> bytes:
        self._stream.seek(at)
        return self._stream.read(size)

    def _end_of_record(self, at: int) -> int | None:
        """Where the record at ``at`` ends; None if the file does not hold all of it, or none."""
        header = self._read(at, _HEADER.size)
        if len(header) < _HEADER.size:
            return None
        opcode, length = _HEADER.unpack(header)
        end = at + _HEADER.size + length
        known = Opcode.HEADER <= opcode <= Opcode.DATA_END
        return end if known and length <= RECORD_LIMIT_BYTES and end <= self._size else None

    def _record(self, at: int, end: int) -> Iterator[_Found]:
        """The records of one whole top-level record: itself, or those inside a chunk."""
        opcode = self._read(at, 1)[0]
        if opcode == Opcode.CHUNK:
            yield from self._chunk(at, end)
        elif opcode in _READERS:
            body = self._read(at + _HEADER.size, end - at - _HEADER.size)
            record = _parse(opcode, body)
            yield _Found(record, 0 if record is not None else end - at)

    def _chunk(self, at: int, end: int) -> Iterator[_Found]:
        """The records of a whole chunk; one that fails its checksum holds nothing to trust."""
        try:
            body = self._read(at + _HEADER.size, end - at - _HEADER.size)
            chunk = Chunk.read(ReadDataStream(BytesIO(body)))
        except _BAD_RECORD:
            yield _Found(None, end - at)
            return
        size_at = _CHUNK_START.size + 4 + len(chunk.compression.encode())
        size = int.from_bytes(body[size_at : size_at + _SIZE_BYTES], "little")
        self.sound &= size_at + _SIZE_BYTES + size == len(body)
        data, state = _unpack(chunk.compression, chunk.data)
        if state is not _Unpacked.WHOLE or chunk.uncompressed_crc not in (0, zlib.crc32(data)):
            yield _Found(None, end - at)
            return
        records, rest = _inside(data)
        yield from (_Found(record) for record in records)
        yield _Found(None, rest)

    def _cut_record(self, at: int) -> Iterator[_Found]:
        """The records of a chunk that the file does not hold to its end, or of false length."""
        start = at + _HEADER.size + _CHUNK_START.size
        if self._read(at, 1) != bytes([Opcode.CHUNK]) or self._read(start, len(_LZ4)) != _LZ4:
            return
        *_, crc = _CHUNK_START.unpack(self._read(at + _HEADER.size, _CHUNK_START.size))
        packed = self._read(start + len(_LZ4) + _SIZE_BYTES, RECORD_LIMIT_BYTES)
        data, state = _unpack("lz4", packed)
        sound = state is _Unpacked.CUT or (state is _Unpacked.WHOLE and crc == zlib.crc32(data))
        if sound:
            yield from (_Found(record) for record in _inside(data)[0])

    def _next_chunk(self, at: int) -> int:
        """Where the next chunk begins; the end of the file if there is none."""
        behind = _HEADER.size + _CHUNK_START.size
        while at < self._size:
            block = self._read(at, _SCAN_BYTES + behind + len(_LZ4))
            found = block.find(_LZ4, behind)
            while found >= 0:
                if block[found - behind] == Opcode.CHUNK:
                    return at + found - behind
                found = block.find(_LZ4, found + 1)
            at += _SCAN_BYTES
        return self._size


def _parse(opcode: int, body: bytes) -> McapRecord | None:
    """One record; None if its bytes are not of its kind."""
    try:
        return _READERS[opcode](ReadDataStream(BytesIO(body)), len(body))
    except _BAD_RECORD:
        return None


class _Unpacked(Enum):
    """What came of unpacking a chunk."""

    WHOLE = auto()
    CUT = auto()
    """Right as far as it goes; the rest was never written."""
    DAMAGED = auto()


def _unpack(compression: str, data: bytes) -> tuple[bytes, _Unpacked]:
    """As much of a chunk as can be unpacked."""
    if compression == "":
        return data, _Unpacked.WHOLE
    if compression != "lz4":
        return b"", _Unpacked.DAMAGED
    decompressor = lz4.frame.LZ4FrameDecompressor()
    found = []
    try:
        for at in range(0, len(data), _PIECE_BYTES):
            found.append(decompressor.decompress(data[at : at + _PIECE_BYTES]))
            if decompressor.eof:
                return b"".join(found), _Unpacked.WHOLE
    except (RuntimeError, EOFError):
        return b"".join(found), _Unpacked.DAMAGED
    return b"".join(found), _Unpacked.CUT


def _inside(data: bytes) -> tuple[list[McapRecord], int]:
    """The whole records of an unpacked chunk, and the bytes that are left behind them."""
    records: list[McapRecord] = []
    at = 0
    while at + _HEADER.size <= len(data):
        opcode, length = _HEADER.unpack_from(data, at)
        end = at + _HEADER.size + length
        record = _parse(opcode, data[at + _HEADER.size : end]) if opcode in _READERS else None
        if end > len(data) or record is None:
            break
        records.append(record)
        at = end
    return records, len(data) - at


class _Copy:
    """A new log made from the records of an old one."""

    def __init__(
        self, log: LogFile, schemas: dict[int, Schema], channels: dict[int, Channel]
    ) -> None:
        output: Any = log  # the library asks for a file, and writes, tells and flushes only
        self._writer = Writer(output, chunk_size=CHUNK_BYTES, compression=CompressionType.LZ4)
        self._writer.start(profile="", library="reflexarc")
        self._schemas, self._channels = schemas, channels
        self._new_schemas: dict[int, int] = {0: 0}
        self._new_channels: dict[int, int] = {}

    def add(self, record: McapRecord) -> None:
        """Appends metadata and messages."""
        if isinstance(record, Metadata):
            self._writer.add_metadata(record.name, record.metadata)
        if not isinstance(record, Message) or record.channel_id not in self._channels:
            return
        self._writer.add_message(
            self._channel(record.channel_id),
            log_time=record.log_time,
            data=record.data,
            publish_time=record.publish_time,
            sequence=record.sequence,
        )

    def finish(self) -> None:
        """Writes the index."""
        self._writer.finish()

    def _channel(self, old: int) -> int:
        if old not in self._new_channels:
            channel = self._channels[old]
            self._new_channels[old] = self._writer.register_channel(
                channel.topic,
                channel.message_encoding,
                self._schema(channel.schema_id),
                channel.metadata,
            )
        return self._new_channels[old]

    def _schema(self, old: int) -> int:
        schema = self._schemas.get(old)
        if schema is None:
            return 0
        if old not in self._new_schemas:
            self._new_schemas[old] = self._writer.register_schema(
                schema.name, schema.encoding, schema.data
            )
        return self._new_schemas[old]


def recover(path: Path, out: Path) -> Recovery:
    """Writes to ``out`` a whole log of all that is readable in the log at ``path``.

    Of a whole log, and of one that holds no readable message, nothing is written.

    Raises:
        LogError: no MCAP file.
        OSError: ``out`` cannot be written; the log is as it was.
    """
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise LogError(f"{path}: is not an MCAP log: its first bytes are not those of one")
        recovery, schemas, channels = _survey(_Walk(stream))
        if not recovery.was_whole and recovery.messages + recovery.views:
            log = LogFile(out)
            try:
                copy = _Copy(log, schemas, channels)
                for found in _Walk(stream).records():
                    if found.record is not None:
                        copy.add(found.record)
                copy.finish()
                log.sync()
            finally:
                log.close()
    return recovery


def _survey(walk: _Walk) -> tuple[Recovery, dict[int, Schema], dict[int, Channel]]:
    """What a file holds; its index, if it has one, names channels whose own record is lost."""
    recovery = Recovery()
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    messages: Counter[int] = Counter()
    for record, cut in walk.records():
        recovery.bytes_cut += cut
        if isinstance(record, Message):
            messages[record.channel_id] += 1
        elif isinstance(record, Schema):
            schemas.setdefault(record.id, record)
        elif isinstance(record, Channel):
            channels.setdefault(record.id, record)
    for channel, count in messages.items():
        if channel in channels and channels[channel].message_encoding == WIRE_ENCODING:
            recovery.messages += count
        elif channel in channels:
            recovery.views += count
    recovery.was_whole = walk.closed and walk.sound and not recovery.bytes_cut
    return recovery, schemas, channels
