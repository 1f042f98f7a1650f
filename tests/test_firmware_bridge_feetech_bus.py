"""Packets of the servo bus: whatever bytes come, what was sent is found, and nobody waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.feetech import registers as r
from firmware_bridge.feetech.bus import (
    LARGEST_UNSENT,
    Decoder,
    FeetechBus,
    Instruction,
    Packet,
    checksum,
    sync_read,
    sync_write,
)

MS = 1_000_000  # ns
ANSWER_NS = 15 * MS
BLOCK = r.Block(56, 2)
packets = st.builds(Packet, st.integers(0, 0xFD), st.integers(0, 255), st.binary(max_size=40))


class Wire:
    """A port whose other end the test holds."""

    def __init__(self, takes=10_000):
        self.inward, self.outward, self.takes = b"", b"", takes

    def read(self):
        data, self.inward = self.inward, b""
        return data

    def write(self, data):
        self.outward += data[: self.takes]
        return len(data[: self.takes])

    def close(self):
        pass


def answer(id_, parameters=b"\x34\x12", error=0):
    return Packet(id_, error, parameters).encode()


def asked(ids=(1, 2, 3), now_ns=0):
    wire = Wire()
    bus = FeetechBus(wire, ANSWER_NS)
    bus.ask(BLOCK, ids, now_ns)
    return wire, bus


def test_the_packets_of_the_vendors_manual():
    ping = Packet(1, Instruction.PING, b"").encode()
    assert ping == bytes.fromhex("ff ff 01 02 01 fb")
    assert sync_read(0x38, 8, [1, 2]) == bytes.fromhex("ff ff fe 06 82 38 08 01 02 36")
    goals = {1: b"\x00\x08", 2: b"\x00\x04"}
    assert sync_write(0x2A, goals) == bytes.fromhex("ff ff fe 0a 83 2a 02 01 00 08 02 00 04 39")


@given(packets)
def test_a_packet_comes_back_as_it_was_sent(packet):
    decoder = Decoder()
    assert decoder.feed(packet.encode()) == [packet]
    assert decoder.counters == {"checksum_errors": 0, "skipped_bytes": 0}


@given(st.lists(packets, max_size=5), st.data())
def test_the_cuts_between_reads_do_not_matter(sent, data):
    stream = b"".join(packet.encode() for packet in sent)
    decoder, found = Decoder(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += decoder.feed(stream[:size])
        stream = stream[size:]
    assert found == sent


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_any_bytes_are_packets_or_counted_and_memory_is_bounded(chunks):
    decoder, found = Decoder(longest=32), []
    for chunk in chunks:
        found += decoder.feed(chunk)
        assert decoder.pending < 32 + 6
    used = sum(len(packet.encode()) for packet in found)
    total = sum(map(len, chunks))
    assert used + decoder.counters["skipped_bytes"] + decoder.pending == total
    for packet in found:
        assert packet.encode() in b"".join(chunks)


@given(packets, st.data())
def test_one_spoiled_byte_costs_at_most_its_own_packet(packet, data):
    bad = bytearray(packet.encode())
    at = data.draw(st.integers(2, len(bad) - 1))
    bad[at] ^= data.draw(st.integers(1, 255))
    decoder = Decoder()
    found = decoder.feed(bytes(bad) + answer(7) * 100)  # a false length swallows up to 250 bytes
    assert found[-50:] == [Packet(7, 0, b"\x34\x12")] * 50
    assert packet not in found


@given(st.integers(0, 300))
def test_a_header_right_after_more_of_its_bytes_is_found(count):
    decoder = Decoder()
    assert decoder.feed(b"\xff" * count + answer(7)) == [Packet(7, 0, b"\x34\x12")]
    assert decoder.counters["skipped_bytes"] == count


@given(st.binary(max_size=20))
def test_a_checksum_is_what_makes_all_bytes_sum_to_255(body):
    assert (sum(body) + checksum(body)) & 0xFF == 0xFF


def test_half_a_packet_for_ever_does_not_spoil_the_next_question():
    wire, bus = asked(ids=(1,))
    wire.inward = answer(1)[:-1]
    assert bus.poll(ANSWER_NS).memory == {}
    bus.ask(BLOCK, (1,), 20 * MS)
    wire.inward = answer(1)
    assert bus.poll(21 * MS).memory == {1: b"\x34\x12"}


def test_answers_are_complete_as_soon_as_the_last_servo_has_answered():
    wire, bus = asked()
    assert wire.outward == sync_read(56, 2, (1, 2, 3))
    wire.inward = answer(1) + answer(2, error=4)
    assert bus.poll(1 * MS) is None
    wire.inward = answer(3)
    answers = bus.poll(2 * MS)
    assert answers.memory == dict.fromkeys((1, 2, 3), b"\x34\x12")
    assert answers.errors == {1: 0, 2: 4, 3: 0}
    assert answers.asked_ns == 0
    assert not bus.busy
    assert bus.poll(3 * MS) is None


def test_a_silent_servo_costs_its_own_answer_alone_and_only_until_its_time_is_over():
    wire, bus = asked()
    wire.inward = answer(1) + answer(3)
    assert bus.poll(ANSWER_NS - 1) is None
    assert bus.busy
    answers = bus.poll(ANSWER_NS)
    assert set(answers.memory) == {1, 3}
    assert not bus.busy
    assert bus.counters["silent"] == 1


@pytest.mark.parametrize("first", [True, False])
def test_a_servo_that_answers_as_another_makes_both_worthless(first):
    wire, bus = asked()
    honest, lie = answer(2), answer(2, b"\xff\x0f")
    wire.inward = answer(1) + (lie + honest if first else honest + lie) + answer(3)
    answers = bus.poll(ANSWER_NS)
    assert set(answers.memory) == set(answers.errors) == {1, 3}
    assert answers.strangers == (2,)
    assert bus.counters["strangers"] == 1


def test_an_id_that_was_not_asked_is_counted_and_not_believed():
    wire, bus = asked(ids=(1,))
    wire.inward = answer(9) + answer(1)
    answers = bus.poll(1)
    assert answers.memory == {1: b"\x34\x12"}
    assert answers.strangers == (9,)


def test_an_adapter_that_sends_back_what_it_is_sent_does_no_harm():
    wire, bus = asked(ids=(1,))
    wire.inward = wire.outward + answer(1)
    answers = bus.poll(1)
    assert answers.memory == {1: b"\x34\x12"}
    assert answers.strangers == ()
    assert bus.counters["echoes"] == 1


def test_a_babbling_stranger_costs_bounded_memory():
    wire, bus = asked()
    wire.inward = answer(9) * 10_000
    assert len(bus.poll(ANSWER_NS).strangers) == 3


def test_an_answer_of_another_size_is_none():
    wire, bus = asked(ids=(1,))
    wire.inward = answer(1, b"\x01") + answer(1, b"")
    assert bus.poll(ANSWER_NS).memory == {}


def test_an_answer_after_its_time_is_counted_and_not_taken_for_the_next():
    wire, bus = asked(ids=(1,))
    assert bus.poll(ANSWER_NS).memory == {}
    wire.inward = answer(1, b"\x01\x01")
    bus.ask(BLOCK, (1,), 20 * MS)
    assert bus.poll(21 * MS) is None
    assert bus.counters["late"] == 1


def test_what_a_port_does_not_take_goes_later_in_order_and_within_bounds():
    wire = Wire(takes=3)
    bus = FeetechBus(wire, ANSWER_NS)
    bus.tell(40, {1: b"\1"})
    bus.tell(40, {1: b"\0"})
    assert bus.busy
    for _ in range(20):
        bus.poll(0)
    assert wire.outward == sync_write(40, {1: b"\1"}) + sync_write(40, {1: b"\0"})
    assert not bus.busy
    wire.takes = 0
    for _ in range(1000):
        bus.tell(40, {1: b"\0"})
    assert bus.counters["overflows"] > 800
    wire.outward, wire.takes = b"", 10_000
    bus.poll(0)
    assert len(wire.outward) <= LARGEST_UNSENT


SIGNED = (r.HOMING_OFFSET, r.GOAL_POSITION, r.PRESENT_LOAD, r.PRESENT_SPEED)


@given(st.sampled_from(SIGNED), st.data())
def test_a_sign_is_a_bit_of_its_own(register, data):
    most = (1 << register.sign_bit) - 1
    value = data.draw(st.integers(-most, most))
    encoded = register.encode(value)
    assert register.decode(bytes(56) + encoded, register.address - 56) == value
    raw = int.from_bytes(encoded, "little")
    assert raw == abs(value) + (1 << register.sign_bit if value < 0 else 0)


@pytest.mark.parametrize(("register", "value"), [(r.HOMING_OFFSET, 2048), (r.LOCK, -1)])
def test_a_value_that_does_not_fit_is_refused(register, value):
    with pytest.raises(OverflowError, match=str(register.address)):
        register.encode(value)


def test_load_minus_half_is_written_with_bit_ten():
    assert r.PRESENT_LOAD.encode(-500) == (500 | 1 << 10).to_bytes(2, "little")
