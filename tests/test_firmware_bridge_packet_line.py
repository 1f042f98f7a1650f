"""Packets over a port: what is no packet is counted, and what the port does not take is bounded."""

import pytest

from firmware_bridge.errors import PortLostError
from firmware_bridge.framing import encode_frame
from firmware_bridge.packet_line import FOREIGN, OUTBOX_BYTES, READS, Packet, PacketLine
from firmware_bridge.port import READ_BYTES
from firmware_bridge.ports.memory_port import memory_pair
from firmware_bridge.protocol import BY_NAME, pack
from firmware_bridge.safety_words import Mode


@pytest.fixture
def line():
    ours, theirs = memory_pair()
    return PacketLine(ours), theirs


def _heartbeat(seq, mode=2):
    return encode_frame(BY_NAME["heartbeat"].id, seq, bytes([mode]))


def test_what_one_line_says_the_other_reads(line):
    here, theirs = line
    there = PacketLine(theirs)
    for mode in Mode:
        assert here.say("heartbeat", mode=mode)
    here.flush()
    assert [packet.fields.mode for packet in there.read()] == list(Mode)
    assert (there.frames.frames, there.frames.lost, there.unknown) == (len(Mode), 0, 0)


def test_a_packet_that_is_not_known_or_says_no_word_is_counted_and_left_out(line):
    here, theirs = line
    theirs.write(encode_frame(200, 0, b"??") + _heartbeat(1, mode=77) + _heartbeat(2))
    assert [packet.name for packet in here.read()] == ["heartbeat"]
    assert here.unknown == 2


def test_an_identity_of_another_schema_is_known_by_its_hash_whatever_follows(line):
    here, theirs = line
    theirs.write(encode_frame(BY_NAME["identity"].id, 0, (0xBADC0DE).to_bytes(4, "little") + b"x"))
    assert here.read() == [Packet(FOREIGN, 0xBADC0DE)]


def test_lost_packets_are_counted_by_their_numbers(line):
    here, theirs = line
    theirs.write(_heartbeat(1) + _heartbeat(5))
    here.read()
    assert here.frames.lost == 3


def test_what_a_port_does_not_take_waits_within_bounds_and_whole_packets_are_dropped(line):
    here, theirs = line
    theirs._inward.capacity = 0
    size = len(encode_frame(1, 0, pack("heartbeat", mode=0)))
    said = [here.say("heartbeat", mode=0) for _ in range(OUTBOX_BYTES)]
    here.flush()
    assert sum(said) == OUTBOX_BYTES // size
    assert here.overflows == said.count(False)
    theirs._inward.capacity = OUTBOX_BYTES
    here.flush()
    assert here.say("heartbeat", mode=0)
    here.flush()
    there = PacketLine(theirs)
    there.read()
    assert there.frames.lost == 0  # dropped packets had no number yet


def test_one_call_reads_no_more_than_its_share(line):
    here, theirs = line
    theirs.write(bytes(READ_BYTES * (READS + 2)))
    here.read()
    assert here.received_bytes == READ_BYTES * READS


def test_the_end_of_the_port_is_the_end_of_the_line(line):
    here, theirs = line
    here.close()
    with pytest.raises(PortLostError):
        here.read()
    with pytest.raises(PortLostError):
        PacketLine(theirs).read()
