from itertools import pairwise

import cobs.cobs
import fastcrc
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_bridge import framing, framing_reference
from firmware_bridge.errors import FrameSizeError
from firmware_bridge.framing import (
    MAX_ENCODED,
    MAX_PAYLOAD,
    Decoder,
    Encoder,
    Frame,
    FrameCounters,
    encode_frame,
    next_seq,
)

TYPES = st.integers(0, 255)
SEQS = st.integers(0, 65535)
PAYLOADS = st.binary(max_size=MAX_PAYLOAD) | st.lists(
    st.sampled_from([0, 0, 1, 255]), max_size=MAX_PAYLOAD
).map(bytes)
ENCODED = st.builds(encode_frame, TYPES, SEQS, PAYLOADS)


@st.composite
def damaged(draw):
    """A frame of which one byte was changed, lost or added."""
    frame = draw(ENCODED)
    at = draw(st.integers(0, len(frame) - 1))
    byte = draw(st.binary(max_size=2))
    return frame[:at] + byte + frame[at + draw(st.integers(0, 1)) :]


STREAMS = st.lists(
    ENCODED | damaged() | st.binary(max_size=600) | st.sampled_from([b"\0", b"\1" * 251]),
    max_size=6,
).map(b"".join)


def decode_in_pieces(stream, cuts, decoder_class=Decoder):
    """What a decoder makes of a stream that arrives in pieces."""
    decoder, frames = decoder_class(), []
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in pairwise(places):
        frames += decoder.feed(stream[start:end])
    return frames, decoder.counters


def test_the_checksum_of_the_catalogue():
    digits = b"123456789"  # the check value of the published catalogue of CRCs
    assert framing_reference.crc16(digits) == 0x29B1
    assert framing.crc16(np.frombuffer(digits, np.uint8), len(digits)) == 0x29B1


def test_a_frame_has_these_bytes():
    assert encode_frame(7, 258, b"\x04").hex(" ") == "07 07 02 01 04 38 c8 00"
    assert encode_frame(3, 0, b"\x01\x00").hex(" ") == "02 03 01 02 01 03 ef cc 00"


@pytest.mark.parametrize("size", [0, 1, 4])
def test_a_frame_with_less_than_its_overhead_is_a_framing_error(size):
    decoder = Decoder()
    assert decoder.feed(framing_reference.stuff(b"\5" * size) + b"\0") == []
    assert decoder.counters.framing_errors == 1


def test_a_wrong_checksum_is_a_crc_error():
    decoder = Decoder()
    encoded = encode_frame(7, 258, b"\x04")
    for at in (5, 6):
        changed = bytes(b ^ (0x10 if i == at else 0) for i, b in enumerate(encoded))
        assert decoder.feed(changed) == []
    assert decoder.counters == FrameCounters(0, 2, 0, 0, 0)


def test_empty_frames_are_nothing():
    decoder = Decoder()
    assert decoder.feed(b"\0" * 1000) == []
    assert decoder.counters == FrameCounters(0, 0, 0, 0, 0)


def test_bytes_without_a_delimiter_are_thrown_away_and_counted_once():
    decoder = Decoder()
    assert decoder.feed(b"\x07" * MAX_ENCODED) == []
    assert decoder.counters.framing_errors == 0
    assert decoder.feed(b"\x07") == []
    assert decoder.counters.framing_errors == 1
    assert decoder.feed(b"\x07" * 10_000) == []
    assert decoder.feed(b"\0" + encode_frame(1, 0, b"")) == [Frame(1, 0, b"")]
    assert decoder.counters == FrameCounters(1, 0, 1, 0, 0)


def test_a_decoder_keeps_no_more_than_a_frame_however_much_arrives():
    decoder = Decoder()
    arrays = [value for value in vars(decoder).values() if isinstance(value, np.ndarray)]
    for _ in range(3):
        decoder.feed(b"\x07" * 10_000 + b"\0" * 10_000)
    now = [value for value in vars(decoder).values() if isinstance(value, np.ndarray)]
    assert all(a is b for a, b in zip(arrays, now, strict=True))
    assert len(vars(decoder)) == len(arrays)


def counters_after(seqs):
    decoder = Decoder()
    for seq in seqs:
        assert len(decoder.feed(encode_frame(1, seq, b""))) == 1
    return decoder.counters


@pytest.mark.parametrize(
    ("seqs", "lost", "old"),
    [
        ([0, 1, 2, 3], 0, 0),
        ([7, 8], 0, 0),  # where the reader joins is no loss
        ([1, 2, 5, 6], 2, 0),
        ([65534, 65535, 1, 2], 0, 0),  # the ring has no 0
        ([65535, 2], 1, 0),
        ([65533, 3], 4, 0),
        ([5, 0, 1, 2], 0, 0),  # 0: the sender began anew
        ([4, 4, 5], 0, 1),
        ([9, 5, 6, 7], 0, 1),
        ([1, 0x8000], 0x7FFE, 0),
        ([1, 0x8001], 0, 1),
    ],
)
def test_gaps_in_seq_are_lost_frames_and_steps_back_are_old_ones(seqs, lost, old):
    counted = counters_after(seqs)
    assert (counted.frames, counted.lost, counted.old) == (len(seqs), lost, old)


@pytest.mark.parametrize("first", [0, 1, 100, MAX_ENCODED])
def test_a_long_read_full_of_the_longest_frames_is_decoded_whole(first):
    sent = [Frame(1, seq, bytes([seq + 1]) * MAX_PAYLOAD) for seq in range(60)]
    stream = b"".join(encode_frame(*frame) for frame in sent)
    decoder = Decoder()
    assert decoder.feed(stream[:first]) + decoder.feed(stream[first:]) == sent


def test_an_encoder_counts_from_0_and_never_comes_back_to_it():
    encoder, decoder = Encoder(), Decoder()
    frames = decoder.feed(b"".join(encoder.encode(2, b"x") for _ in range(3)))
    assert frames == [Frame(2, 0, b"x"), Frame(2, 1, b"x"), Frame(2, 2, b"x")]
    seqs = [0]
    while len(seqs) < 65537:
        seqs.append(next_seq(seqs[-1]))
    assert seqs == [0, *range(1, 65536), 1]


def test_a_payload_that_does_not_fit_a_frame_is_refused():
    assert len(encode_frame(1, 0, bytes(MAX_PAYLOAD))) == MAX_ENCODED + 1
    with pytest.raises(FrameSizeError, match=r"payload of 246 bytes .* at most 245"):
        encode_frame(1, 0, bytes(MAX_PAYLOAD + 1))


@given(TYPES, SEQS, PAYLOADS)
def test_what_was_encoded_is_decoded(frame_type, seq, payload):
    decoder = Decoder()
    encoded = encode_frame(frame_type, seq, payload)
    assert encoded.index(0) == len(encoded) - 1
    assert decoder.feed(encoded) == [Frame(frame_type, seq, payload)]
    assert decoder.counters == FrameCounters(1, 0, 0, 0, 0)


@given(TYPES, SEQS, PAYLOADS)
def test_a_frame_is_what_the_reference_and_the_libraries_make_of_it(frame_type, seq, payload):
    frame = bytes((frame_type, seq % 256, seq // 256)) + payload
    frame += fastcrc.crc16.ibm_3740(frame).to_bytes(2, "little")  # another name of CCITT-FALSE
    encoded = cobs.cobs.encode(frame) + b"\0"
    assert encode_frame(frame_type, seq, payload) == encoded
    assert framing_reference.encode(frame_type, seq, payload) == encoded


@given(STREAMS, st.lists(st.integers(0, 2000), max_size=5))
@example(b"\1" * MAX_ENCODED + b"\1", [])
@example(b"\1" * MAX_ENCODED + b"\0", [MAX_ENCODED])
def test_any_bytes_in_any_pieces_give_what_the_reference_gives(stream, cuts):
    assert decode_in_pieces(stream, cuts) == framing_reference.decode(stream)


@given(st.binary(max_size=MAX_ENCODED).map(lambda data: data.replace(b"\0", b"\1")))
def test_the_reference_unstuffs_as_the_library_does(encoded):
    try:
        expected = cobs.cobs.decode(encoded)
    except cobs.cobs.DecodeError:
        expected = None
    assert framing_reference.unstuff(encoded) == expected


@given(st.binary(max_size=600), ENCODED)
def test_after_any_garbage_the_frame_behind_the_next_delimiter_is_decoded(garbage, encoded):
    decoder = Decoder()
    decoder.feed(garbage + b"\0")
    before = decoder.counters.frames
    assert len(decoder.feed(encoded)) == 1
    assert decoder.counters.frames == before + 1


@given(damaged())
def test_a_damaged_frame_is_counted_and_costs_at_most_the_next(encoded):
    decoder = Decoder()
    follow = [encode_frame(1, n, b"good") for n in (1, 2)]
    frames = decoder.feed(encoded + b"".join(follow))
    assert frames[-1] == Frame(1, 2, b"good")


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(0, 65535))
def test_lost_counts_the_frames_that_a_wire_swallowed(arrives, begin):
    decoder, seq, lost = Decoder(), begin, 0
    decoder.feed(encode_frame(1, seq, b""))
    for kept in [*arrives, True]:
        seq = next_seq(seq)
        lost += not kept
        if kept:
            decoder.feed(encode_frame(1, seq, b""))
    assert decoder.counters.lost == lost
