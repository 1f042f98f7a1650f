"""The index of a long log: whole in the file, and never held in memory."""

import gc
import io

from mcap.reader import make_reader
from mcap.records import ChunkIndex
from test_robot_record import _arrival, _depth

from robot.log_index import IN_MEMORY_BYTES, ChunkIndexes
from robot.record import LogWriter

CHUNKS = 2000


def _index(number):
    return ChunkIndex(
        chunk_length=number, chunk_start_offset=2 * number, compression="lz4", compressed_size=7,
        message_end_time=number, message_index_length=40, message_start_time=number,
        message_index_offsets={1: number, 2: number + 9}, uncompressed_size=8,
    )  # fmt: skip


def _alive():
    return sum(type(thing) is ChunkIndex for thing in gc.get_objects())  # isinstance would ask them


def test_indexes_come_back_in_order_also_from_disk_and_again():
    indexes = ChunkIndexes()
    for number in range(CHUNKS):
        indexes.append(_index(number))
    assert list(indexes) == list(map(_index, range(CHUNKS)))
    indexes.append(_index(CHUNKS))
    assert list(indexes) == list(map(_index, range(CHUNKS + 1)))
    assert indexes._file.tell() > IN_MEMORY_BYTES
    indexes.close()


def test_a_log_of_many_chunks_has_them_all_in_its_index_and_none_in_memory():
    stream = io.BytesIO()
    stream.close = lambda: None  # what was written is read after the writer has closed it
    writer = LogWriter(stream, {})
    before = _alive()
    for seq in range(50):
        writer.write(_arrival(_depth(seq, side=8)))
        writer.flush()
    assert _alive() == before
    writer.close()
    reader = make_reader(io.BytesIO(stream.getvalue()))
    chunks = reader.get_summary().chunk_indexes
    assert [chunk.message_start_time for chunk in chunks] == [seq * 100 + 7 for seq in range(50)]
    assert sum(1 for _ in reader.iter_messages(topics=["node/port"])) == 50
