"""The log: what goes in comes out, and a full disk or a cut file does no further harm."""

import errno
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from message_samples import same, sample

from robot.edges import Arrival
from robot.messages import MESSAGES, Alert, DepthMap, TruePose
from robot.record import (
    FORMAT,
    WIRE_ENCODING,
    LogError,
    LogFile,
    LogReader,
    LogWriter,
    header_schema,
)
from robot.wire import encode, pack


def _arrival(message, topic="node/port"):
    return Arrival(topic, message, encode(message))


def _depth(seq, side=64):
    """A message of about 50 kB that does not compress."""
    noise = np.random.default_rng(seq).random((side, side), dtype=np.float32)
    return DepthMap(
        captured_ns=seq * 100,
        seq=seq,
        sent_ns=seq * 100 + 7,
        source="stereo",
        depth_m=noise,
        disparity_px=noise,
        confidence=noise,
    )


class FullDisk(io.BytesIO):
    """Takes ``capacity`` bytes and no more; what it took stays."""

    def __init__(self, capacity):
        super().__init__()
        self._left = capacity
        self.content = b""

    def write(self, data):
        fits = bytes(data[: self._left])
        self._left -= len(fits)
        super().write(fits)
        self.content += fits
        if len(fits) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)


@pytest.fixture
def log(tmp_path):
    """Path of a log with one message of every type."""
    path = tmp_path / "log.mcap"
    writer = LogWriter(path.open("wb"), {"graph": "{}"})
    for name, row in MESSAGES.items():
        writer.write(_arrival(sample(row.type), f"node/{name}"))
    writer.close()
    return path


def test_every_logged_message_is_read_back_with_its_bytes(log):
    read = {entry.topic: entry for entry in LogReader(log).messages()}
    for name, row in MESSAGES.items():
        if row.logged:
            entry = read.pop(f"node/{name}")
            assert same(entry.message, sample(row.type))
            assert entry.record == pack(encode(sample(row.type)))
    assert not read


def test_messages_are_read_in_the_order_they_were_written(tmp_path):
    path = tmp_path / "log.mcap"
    writer = LogWriter(path.open("wb"), {})
    for seq in range(20):
        writer.write(_arrival(_depth(seq)))
    writer.close()
    reader = LogReader(path)
    assert [entry.message.seq for entry in reader.messages()] == list(range(20))
    assert not reader.truncated
    assert (writer.written, writer.lost, writer.error) == (20, 0, None)


def test_only_the_types_asked_for_are_read(log):
    kinds = {type(entry.message) for entry in LogReader(log).messages(Alert, TruePose)}
    assert kinds == {Alert, TruePose}


def test_the_log_opens_with_a_plain_mcap_reader_and_shows_foxgloves_own_schemas(log):
    with log.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        summary = reader.get_summary()
        records = list(reader.iter_messages())
        assert [m.metadata for m in reader.iter_metadata()] == [{"format": FORMAT, "graph": "{}"}]
    assert summary.statistics.message_count == len(records)
    for schema, channel, _ in records:
        if channel.message_encoding == "protobuf":
            assert schema.name.startswith("foxglove.")
        elif channel.message_encoding == WIRE_ENCODING:
            assert schema.name == f"reflexarc.{channel.metadata['type']}"
        else:
            assert channel.message_encoding == "json"
    names = {schema.name for schema, _, _ in records}
    assert {
        "foxglove.RawImage",
        "foxglove.CameraCalibration",
        "foxglove.PoseInFrame",
        "foxglove.SceneUpdate",
        "foxglove.Log",
    } <= names


def test_stamps_are_the_runs_own_clock(tmp_path):
    path = tmp_path / "log.mcap"
    writer = LogWriter(path.open("wb"), {})
    writer.write(_arrival(_depth(3)))
    writer.close()
    with path.open("rb") as stream:
        for _, _, message in make_reader(stream).iter_messages():
            assert (message.log_time, message.publish_time, message.sequence) == (307, 300, 3)


def test_equal_messages_make_equal_files():
    def write():
        stream = io.BytesIO()
        stream.close = lambda: None
        writer = LogWriter(stream, {"graph": "{}"})
        for name, row in MESSAGES.items():
            writer.write(_arrival(sample(row.type), f"node/{name}"))
        writer.close()
        return stream.getvalue()

    assert write() == write()


@pytest.mark.parametrize("name", MESSAGES)
def test_every_header_has_a_schema(name):
    assert header_schema(name)


@pytest.mark.parametrize("capacity", [0, 10, 3000, 300_000, 700_001])
def test_a_full_disk_costs_messages_that_are_counted_and_nothing_else(capacity, tmp_path):
    disk = FullDisk(capacity)
    writer = LogWriter(disk, {"graph": "{}"})
    for seq in range(30):
        writer.write(_arrival(_depth(seq)))
        writer.flush()
    writer.close()
    assert writer.error.errno == errno.ENOSPC
    assert writer.written + writer.lost == 30
    assert writer.lost > 0
    assert (writer.written > 0) == (capacity > 60_000)  # a chunk of one message
    path = tmp_path / "log.mcap"
    path.write_bytes(disk.content)
    if writer.written:
        reader = LogReader(path)
        kept = [entry.message.seq for entry in reader.messages()]
        assert kept == list(range(writer.written))
        assert reader.truncated


def test_a_disk_that_is_full_only_at_the_end_is_counted_too():
    whole = FullDisk(10**9)
    writer = LogWriter(whole, {})
    writer.write(_arrival(sample(Alert)))
    writer.close()
    disk = FullDisk(len(whole.content) // 2)
    writer = LogWriter(disk, {})
    writer.write(_arrival(sample(Alert)))
    writer.close()
    assert writer.error is not None
    assert (writer.written, writer.lost) == (0, 1)


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path):
    log = LogFile(tmp_path / "log")
    assert log.write(b"whole ") == 6
    file = log._file

    class Filling:
        """Takes half of what it is given, then no more."""

        seek, truncate = file.seek, file.truncate
        taken = 0

        def write(self, data):
            if self.taken:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.taken = file.write(data[: len(data) // 2])
            return self.taken

    log._file = Filling()
    with pytest.raises(OSError, match="No space"):
        log.write(b"in part")
    log._file = file
    log.write(b"again")
    assert log.tell() == 11
    log.close()
    assert (tmp_path / "log").read_bytes() == b"whole again"


def test_a_log_that_was_cut_is_read_up_to_the_cut(tmp_path):
    path = tmp_path / "log.mcap"
    writer = LogWriter(path.open("wb"), {})
    for seq in range(30):
        writer.write(_arrival(_depth(seq)))
    writer.close()
    whole = path.read_bytes()
    counts = []
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        reader = LogReader(path)
        seqs = [entry.message.seq for entry in reader.messages()]
        assert seqs == list(range(len(seqs)))
        assert reader.truncated
        counts.append(len(seqs))
    assert 0 < counts[0] < counts[1] < counts[2] < 30


def _read_or_refuse(path):
    """What any file may do: give messages, or be refused as LogError in one line."""
    refusal = None
    try:
        for entry in LogReader(path).messages():
            assert type(entry.message) is MESSAGES[type(entry.message).__name__].type
    except LogError as error:
        refusal = str(error)
    assert refusal is None or (str(path) in refusal and "\n" not in refusal)


MAGIC = b"\x89MCAP0\r\n"


@settings(max_examples=40)
@given(content=st.binary(max_size=200), magic=st.booleans())
def test_random_bytes_are_refused(content, magic, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "random.mcap"
    path.write_bytes(MAGIC * magic + content)
    with pytest.raises(LogError, match=r"random\.mcap"):
        list(LogReader(path).messages())


@settings(max_examples=100)
@given(data=st.data())
def test_a_damaged_log_gives_messages_or_a_log_error(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged.mcap"
    stream = io.BytesIO()
    stream.close = lambda: None
    writer = LogWriter(stream, {})
    for seq in range(3):
        writer.write(_arrival(_depth(seq, side=2), "stereo/depth"))
    writer.close()
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    _read_or_refuse(path)


def test_a_record_that_claims_more_than_the_limit_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.mcap"
    path.write_bytes(MAGIC + b"\x01" + (2**40).to_bytes(8, "little") + bytes(100))
    with pytest.raises(LogError, match=r"huge\.mcap"):
        list(LogReader(path).messages())


def test_a_log_that_there_is_not_says_what_to_give(tmp_path):
    with pytest.raises(LogError, match=r"no such log; give the log\.mcap of a run folder"):
        LogReader(tmp_path / "log.mcap")
