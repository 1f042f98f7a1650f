"""The log of a run: MCAP, in which the bytes on the wire are the truth.

Each topic is one channel whose data are the message's wire frames packed into one record; where a
message can be looked at, a second channel carries it in Foxglove's own schemas, so that the file
opens in Foxglove without a plug-in. All stamps are the run's own clock: in lockstep two runs of
one seed write the same records.
"""

import contextlib
import fcntl
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.records import Channel, McapRecord, Metadata
from mcap.records import Message as McapMessage
from mcap.writer import CompressionType

from perception.quantities import InputError
from robot.clock import SECOND_NS
from robot.edges import Arrival
from robot.log_index import LongWriter
from robot.log_records import read_records
from robot.messages import MESSAGES, Message
from robot.views import View, views_of
from robot.wire import WireError, decode, pack, unpack

WIRE_ENCODING = "reflexarc"  # message encoding of the channels that hold wire bytes
FORMAT = "1"  # of the messages in the log; a reader refuses any other
METADATA_NAME = "reflexarc"
MAGIC = b"\x89MCAP0\r\n"  # the first and the last bytes of a whole log
CHUNK_BYTES = 256 * 1024
DAMAGE = (McapError, EOFError, RuntimeError, ValueError, OverflowError, struct.error, MemoryError)
"""What the MCAP reader raises on damaged bytes: RuntimeError is LZ4's, the last is a false size."""


class LogError(InputError):
    """A log that cannot be read."""


class LogFile:
    """A new file each of whose writes is whole or not there at all.

    On a disk that fills up the log so ends with its last whole chunk, and what the failed write
    had taken is free again for the run's summary.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        with contextlib.suppress(OSError):  # some file systems know no locks
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # see is_being_written
        self._end = 0

    def write(self, data: bytes) -> int:
        """Appends all of ``data``, or raises an OSError and leaves the file as it was."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.seek(self._end)
            self._file.truncate()
            raise
        self._end += len(data)
        return len(data)

    def tell(self) -> int:
        """Bytes written."""
        return self._end

    def flush(self) -> None:
        """Nothing: no byte is held back."""

    def sync(self) -> None:
        """Waits until all bytes are on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def is_being_written(path: Path) -> bool:
    """Whether a living process holds the log open for writing; a killed one holds nothing."""
    with path.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks cannot tell
            return False
    return False


class Sink(Protocol):
    """Where a log goes."""

    def write(self, data: bytes, /) -> int:
        """Appends data."""
        ...

    def tell(self) -> int:
        """Bytes written."""
        ...

    def flush(self) -> None:
        """Hands all bytes to the operating system."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class LogWriter:
    """Writes a log; a disk that fills up costs records, counted, never the run."""

    def __init__(self, stream: Sink, metadata: dict[str, str]) -> None:
        self._stream = stream
        output: Any = stream
        self._writer = LongWriter(output, chunk_size=CHUNK_BYTES, compression=CompressionType.LZ4)
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._metadata = metadata
        self._begun = False
        self.written = 0
        self.lost = 0
        """Messages that could not be written, the ones in the unfinished chunk included."""
        self.error: OSError | None = None
        self._in_chunk = 0

    def write(self, arrival: Arrival) -> None:
        """Appends one message, and its views."""
        row = MESSAGES[type(arrival.message).__name__]
        if not row.logged:
            return
        if self.error is not None:
            self.lost += 1
            return
        self.written += 1
        self._in_chunk += 1
        try:
            self._begin()
            self._append(arrival, row.view)
        except OSError as error:
            self._give_up(error)

    def flush(self) -> None:
        """Hands what was written so far to the operating system, the unfinished chunk too."""
        if self.error is None:
            try:
                if self._in_chunk:
                    self._writer.flush()  # ends the chunk
                    self._in_chunk = 0
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        """Writes the index and closes the file."""
        try:
            if self.error is None:
                self._begin()
                self._writer.finish()
            self._stream.close()
        except OSError as error:
            self._give_up(error)
        finally:
            self._writer.close()

    def _give_up(self, error: OSError) -> None:
        """Notes why nothing more is written; what sat in the unfinished chunk is lost."""
        if self.error is None:
            self.error = error
            self.lost += self._in_chunk
            self.written -= self._in_chunk

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._writer.start(profile="", library="reflexarc")
            self._writer.add_metadata(METADATA_NAME, {"format": FORMAT, **self._metadata})

    def _append(self, arrival: Arrival, view: str | None) -> None:
        message = arrival.message
        channel = self._channel(arrival.topic, WIRE_ENCODING, type(message).__name__)
        before = self._stream.tell()
        self._add(channel, message, pack(arrival.frames))
        for shown in views_of(view, arrival.topic, message):
            self._add(self._view_channel(shown), message, shown.data)
        if self._stream.tell() != before:  # a chunk went out
            self._in_chunk = 0

    def _add(self, channel: int, message: Message, data: bytes) -> None:
        self._writer.add_message(
            channel,
            log_time=max(message.sent_ns, 0),
            publish_time=max(message.captured_ns, 0),
            sequence=message.seq,
            data=data,
        )

    def _channel(self, topic: str, encoding: str, type_name: str) -> int:
        """The channel of a topic's wire bytes, its header described by a JSON schema."""
        if topic not in self._channels:
            if type_name not in self._schemas:
                schema = json.dumps(header_schema(type_name), sort_keys=True).encode()
                self._schemas[type_name] = self._writer.register_schema(
                    f"reflexarc.{type_name}", "jsonschema", schema
                )
            self._channels[topic] = self._writer.register_channel(
                topic, encoding, self._schemas[type_name], {"type": type_name}
            )
        return self._channels[topic]

    def _view_channel(self, view: View) -> int:
        """The channel of a Foxglove view."""
        if view.topic not in self._channels:
            if view.schema.name not in self._schemas:
                self._schemas[view.schema.name] = self._writer.register_schema(
                    view.schema.name, view.schema.encoding, view.schema.data
                )
            self._channels[view.topic] = self._writer.register_channel(
                view.topic, view.message_encoding, self._schemas[view.schema.name]
            )
        return self._channels[view.topic]


def header_schema(type_name: str) -> dict[str, Any]:
    """JSON schema of a message's header; an array appears as its dtype and shape."""

    def array_hook(_: type) -> dict[str, Any]:
        return {"type": "array", "description": "dtype and shape; the buffer follows the header"}

    return msgspec.json.schema(MESSAGES[type_name].type, schema_hook=array_hook)


class Logged(NamedTuple):
    """One message read back."""

    topic: str
    message: Any
    record: bytes
    """Its wire frames, packed."""


class LogReader:
    """Reads the messages of a log back, in the order they were written.

    A log that was cut short (power, full disk) or is damaged is read up to there; ``truncated``
    tells.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.truncated = False
        if not path.is_file():
            raise LogError(f"{path}: there is no such log; give the log.mcap of a run folder")

    @property
    def is_closed(self) -> bool:
        """Whether the log ends as its writer ends it; one that was cut short does not."""
        with self._path.open("rb") as stream:
            if stream.seek(0, os.SEEK_END) < 2 * len(MAGIC):
                return False
            stream.seek(-len(MAGIC), os.SEEK_END)
            return stream.read() == MAGIC

    def seconds(self) -> float | None:
        """Time from the first to the last message, by the index; None where there is none."""
        try:
            with self._path.open("rb") as stream:
                summary = make_reader(stream).get_summary()
        except DAMAGE:
            return None
        if summary is None or summary.statistics is None:
            return None
        found = summary.statistics
        return (found.message_end_time - found.message_start_time) / SECOND_NS

    def metadata(self) -> Mapping[str, str]:
        """What the recorder noted about the run: ``graph``, ``seed``, ``clock``; or nothing.

        Raises:
            LogError: not an MCAP file, or of another version.
        """
        for record in self._records():
            if isinstance(record, Metadata) and record.name == METADATA_NAME:
                return record.metadata
            if isinstance(record, McapMessage):
                break
        return {}

    def topics(self, kind: type[Message]) -> list[str]:
        """Topics that carry a type, sorted; by the index, or by all of a log that has none."""
        found: set[str] = set()
        try:
            with self._path.open("rb") as stream:
                summary = make_reader(stream).get_summary()
        except DAMAGE:
            summary = None
        if summary is None:
            channels: Iterable[Channel] = (r for r in self._records() if isinstance(r, Channel))
        else:
            channels = summary.channels.values()
        for channel in channels:
            if (channel.message_encoding, channel.metadata.get("type")) == (
                WIRE_ENCODING,
                kind.__name__,
            ):
                found.add(channel.topic)
        return sorted(found)

    def messages(self, *types: type[Message]) -> Iterator[Logged]:
        """All messages, or those of the given types.

        Raises:
            LogError: not an MCAP file, or its content is not ours.
        """
        wanted = {kind.__name__ for kind in types}
        for channel, message in self._channel_messages():
            kind = channel.metadata.get("type", "")
            if channel.message_encoding != WIRE_ENCODING or (wanted and kind not in wanted):
                continue
            if kind not in MESSAGES:
                raise LogError(f"{self._path}: {channel.topic} holds {kind!r}, unknown here")
            try:
                decoded = decode(MESSAGES[kind].type, unpack(message.data))
            except WireError as error:
                raise LogError(f"{self._path}: {channel.topic}: {error}") from error
            yield Logged(channel.topic, decoded, message.data)

    def _channel_messages(self) -> Iterator[tuple[Channel, McapMessage]]:
        """Messages with their channels, without need of the index at the end of the file."""
        channels: dict[int, Channel] = {}
        for record in self._records():
            if isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, McapMessage) and record.channel_id in channels:
                yield channels[record.channel_id], record

    def _records(self) -> Iterator[McapRecord]:
        """What the file holds, up to its end or damage."""
        begun = False
        with self._path.open("rb") as stream:
            records = read_records(stream, self._path.stat().st_size)
            while True:
                try:
                    record = next(records)
                except StopIteration:
                    return
                except DAMAGE as error:
                    if not begun:
                        reason = " ".join(str(error).split())
                        raise LogError(f"{self._path}: is not an MCAP log: {reason}") from error
                    self.truncated = True
                    return
                begun = begun or isinstance(record, Channel)
                if isinstance(record, Metadata) and record.name == METADATA_NAME:
                    self._refuse_other_format(record.metadata)
                yield record

    def _refuse_other_format(self, metadata: Mapping[str, str]) -> None:
        """Raises a LogError for a log of another version."""
        found = metadata.get("format", FORMAT)
        if found != FORMAT:
            raise LogError(
                f"{self._path}: is a log of format {found}, this version reads format {FORMAT}; "
                "read it with the version that wrote it"
            )
