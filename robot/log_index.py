"""MCAP's writer with its index on disk: a log that grows for hours costs its recorder no memory.

The library keeps an object of some two kilobytes for each chunk until the file is finished, which
in an hour of flight is more than all else that the recorder holds. Here they wait in a nameless
temporary file as the bytes that they will be in the log.
"""

import io
import struct
import tempfile
from collections.abc import Iterator
from typing import Any

from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.records import ChunkIndex
from mcap.writer import Writer

IN_MEMORY_BYTES = 64 * 1024  # of a short log the index never sees the disk
_RECORD = struct.Struct("<BQ")  # opcode, length: what stands before a record's content


class ChunkIndexes:
    """A list of chunk indexes, as far as the library asks for one."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - see close

    def append(self, index: ChunkIndex) -> None:
        """Adds one at the end; a full disk is an OSError, as for any other part of the log."""
        record = RecordBuilder()
        index.write(record)
        self._file.write(record.end())

    def __iter__(self) -> Iterator[ChunkIndex]:
        """All that were added, in order; each is forgotten before the next is read."""
        self._file.seek(0)
        while head := self._file.read(_RECORD.size):
            _, length = _RECORD.unpack(head)
            yield ChunkIndex.read(ReadDataStream(io.BytesIO(self._file.read(length))))
        self._file.seek(0, io.SEEK_END)

    def close(self) -> None:
        """Frees the space."""
        self._file.close()


class LongWriter(Writer):
    """The library's writer, of bounded memory."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not hasattr(self, "_Writer__chunk_indices"):
            raise RuntimeError("this version of mcap keeps its index elsewhere; install mcap 1.6")
        self._indexes = ChunkIndexes()
        self._Writer__chunk_indices = self._indexes

    def close(self) -> None:
        """To be called after ``finish``, or when nothing more will be written."""
        self._indexes.close()
