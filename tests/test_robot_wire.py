"""Messages to bytes and back: nothing is lost, and no bytes do harm."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from message_samples import messages, same, sample

from robot.messages import MESSAGES, DepthMap, StereoFrame
from robot.wire import MAX_FRAMES, WireError, array_fields, decode, encode, pack, unpack

KINDS = [row.type for row in MESSAGES.values()]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
few = settings(max_examples=20)  # for each kind


@kinds
@few
@given(data=st.data())
def test_any_message_survives_the_way_over_the_wire_and_the_log(kind, data):
    message = data.draw(messages(kind))
    frames = encode(message)
    assert same(decode(kind, frames), message)
    assert unpack(pack(frames)) == frames


@kinds
def test_equal_messages_are_equal_bytes(kind):
    assert encode(sample(kind)) == encode(sample(kind))


@kinds
def test_decoded_arrays_are_read_only_views_on_the_buffers(kind):
    frames = encode(sample(kind))
    decoded = decode(kind, frames)
    for (name, _), buffer in zip(array_fields(kind).items(), frames[1:], strict=True):
        array = getattr(decoded, name)
        assert not array.flags.writeable
        assert np.shares_memory(array, np.frombuffer(buffer, np.uint8))


def _decode_or_refuse(kind, frames):
    """What bytes may do: become a message of the type, or be refused as WireError."""
    try:
        message = decode(kind, frames)
    except WireError:
        return
    assert type(message) is kind
    for name, spec in array_fields(kind).items():
        array = getattr(message, name)
        assert (array.dtype, array.ndim) == (np.dtype(spec.dtype), spec.ndim)


@kinds
@few
@given(data=st.data())
def test_a_damaged_header_gives_a_message_or_a_wire_error(kind, data):
    frames = encode(sample(kind))
    header = bytearray(frames[0])
    for _ in range(data.draw(st.integers(1, 3))):
        header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(header)))
    _decode_or_refuse(kind, [bytes(header[: cut or None]), *frames[1:]])


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
NESTED = st.recursive(
    SCALARS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@kinds
@few
@given(data=st.data())
def test_a_header_of_the_wrong_content_gives_a_message_or_a_wire_error(kind, data):
    frames = encode(sample(kind))
    header = msgspec.msgpack.decode(frames[0])
    header[data.draw(st.sampled_from(sorted(header)))] = data.draw(NESTED)
    _decode_or_refuse(kind, [msgspec.msgpack.encode(header), *frames[1:]])


@kinds
@few
@given(frames=st.lists(st.binary(max_size=40), max_size=6))
def test_random_frames_give_a_message_or_a_wire_error(kind, frames):
    _decode_or_refuse(kind, frames)


@given(
    shape=st.lists(st.sampled_from([0, 1, 2, -1, 2**31, 2**62, 2**63 - 1]), max_size=3),
    dtype=st.sampled_from(["float32", "uint8", "float64", "O", "", "nonsense"]),
    size=st.integers(0, 8),
)
def test_a_shape_that_lies_about_its_buffer_is_refused(shape, dtype, size):
    frames = encode(sample(DepthMap))
    header = msgspec.msgpack.decode(frames[0])
    header["depth_m"] = (dtype, shape)
    _decode_or_refuse(DepthMap, [msgspec.msgpack.encode(header), bytes(size), frames[2], frames[3]])


def test_the_largest_array_is_bounded_before_it_is_made():
    frames = encode(sample(DepthMap))
    header = msgspec.msgpack.decode(frames[0])
    header["depth_m"] = ("float32", (2**40, 2**20))
    with pytest.raises(WireError, match=r"bytes do not fit float32\[1099511627776"):
        decode(DepthMap, [msgspec.msgpack.encode(header), *frames[1:]])


@pytest.mark.parametrize(
    ("array", "fault"),
    [
        (np.zeros((2, 2), np.float32), "expected uint8 with 2 axes, got float32 with 2"),
        (np.zeros((2, 2, 3), np.uint8), "expected uint8 with 2 axes, got uint8 with 3"),
        ([[0, 1], [2, 3]], "got int64"),
    ],
)
def test_an_array_of_another_dtype_or_axes_is_refused_before_it_is_sent(array, fault):
    good = np.zeros((2, 2), np.uint8)
    with pytest.raises(WireError, match=r"StereoFrame\.right") as refusal:
        encode(StereoFrame(captured_ns=0, left=good, right=array))
    assert fault in str(refusal.value)


def test_an_array_that_is_no_block_of_memory_is_sent_whole():
    wide = np.arange(24, dtype=np.uint8).reshape(4, 6)
    frame = StereoFrame(captured_ns=0, left=wide[:, ::2], right=wide[::-2])
    assert same(decode(StereoFrame, encode(frame)), frame)


@pytest.mark.parametrize("count", [0, 1, 2, 4, MAX_FRAMES + 1])
def test_a_number_of_buffers_that_does_not_fit_the_type_is_refused(count):
    frames = (encode(sample(StereoFrame)) * MAX_FRAMES)[:count]
    with pytest.raises(WireError, match=r"StereoFrame: .* expected"):
        decode(StereoFrame, frames)


@given(frames=st.lists(st.binary(max_size=9), max_size=MAX_FRAMES))
def test_frames_packed_into_a_record_come_out_again(frames):
    assert unpack(pack(frames)) == frames


@given(record=st.binary(max_size=60))
def test_random_records_give_frames_or_a_wire_error(record):
    try:
        frames = unpack(record)
    except WireError:
        return
    assert pack(frames) == record


def test_a_record_cut_short_anywhere_is_refused():
    record = pack([b"head", b"array"])
    whole = {0, 4 + 4, len(record)}  # between two frames a cut cannot be seen
    for at in range(len(record)):
        if at not in whole:
            with pytest.raises(WireError, match="cut short"):
                unpack(record[:at])
