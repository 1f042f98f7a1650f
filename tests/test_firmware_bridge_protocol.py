import math
import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge import protocol
from firmware_bridge.errors import PacketValueError
from firmware_bridge.framing import MAX_PAYLOAD
from firmware_bridge.protocol import BY_NAME, CODES, PACKETS, Field, Packet, pack, unpack

F32 = st.floats(width=32, allow_nan=False)


def values_of(packet):
    """Any values that the packet can carry."""

    def one(field):
        if field.ctype == "f32":
            return F32
        return st.integers(0, 2 ** int(field.ctype[1:]) - 1)

    return st.fixed_dictionaries(
        {
            field.name: one(field) if field.count == 1 else st.tuples(*[one(field)] * field.count)
            for field in packet.fields
        }
    )


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: packet.name)
@settings(max_examples=30)
@given(data=st.data())
def test_what_was_packed_is_unpacked(packet, data):
    values = data.draw(values_of(packet))
    assert unpack(packet.id, pack(packet.name, **values))._asdict() == values


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: packet.name)
def test_every_row_can_be_sent_and_every_field_has_a_known_type_and_word(packet):
    assert protocol.payload_size(packet) <= MAX_PAYLOAD
    words = {words.__name__ for words in protocol.WORDS}
    for field in packet.fields:
        assert field.ctype in CODES
        assert field.unit in words or field.unit == field.unit.lower() or field.unit in ("V", "°C")


def test_ids_and_names_of_packets_and_fields_are_unique():
    assert len(BY_NAME) == len(protocol.BY_ID) == len(PACKETS)
    for packet in PACKETS:
        names = [field.name for field in packet.fields]
        assert len(set(names)) == len(names)


def test_a_command_has_these_bytes():
    payload = pack("command", stamped_us=0x0102030405060708, values=[1.0, -2.5, math.inf])
    assert payload.hex(" ", -4) == (
        "08070605 04030201 0000803f 000020c0 0000807f 00000000 00000000 00000000 00000000 00000000"
    )


def test_a_configuration_has_these_bytes():
    first = {"axes": 3, "reaction": 3, "first_command": 1, "land_axis": 2, "land_per_s": 0.5}
    times = {"watchdog_ms": 100, "heartbeat_ms": 500, "sensor_ms": 50, "following_ms": 300}
    last = {"max_command_age_ms": 250, "min_voltage_v": 6.0, "max_temperature_c": 70.0}
    payload = pack("configure", **first, **times, **last)
    assert payload.hex(" ", -4) == "03030102 0000003f 6400f401 32002c01 fa000000 c0400000 8c42"


@given(st.integers(0, 255), st.binary(max_size=250))
def test_any_payload_is_unpacked_or_refused_without_an_exception(packet_id, payload):
    packet = protocol.BY_ID.get(packet_id)
    fits = packet is not None and len(payload) == protocol.payload_size(packet)
    assert (unpack(packet_id, payload) is not None) == fits


@pytest.mark.parametrize("change", [-1, 1])
@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: packet.name)
def test_a_payload_of_another_length_is_refused(packet, change):
    assert unpack(packet.id, bytes(protocol.payload_size(packet))) is not None
    assert unpack(packet.id, bytes(protocol.payload_size(packet) + change)) is None


def test_not_a_number_crosses_the_wire():
    assert math.isnan(unpack(8, pack("command", stamped_us=0, values=[math.nan])).values[0])


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("helo", {}, r"no packet is called 'helo': there are hello, identity, .*sense"),
        ("wish", {}, r"packet 'wish' has the fields wish; given were none"),
        ("wish", {"wish": 1, "why": 2}, r"has the fields wish; given were wish, why|why, wish"),
        ("wish", {"wish": 256}, r"packet 'wish' cannot hold \{'wish': 256\}: .*255"),
        ("wish", {"wish": 1.5}, r"packet 'wish' cannot hold .*integer"),
        ("command", {"stamped_us": -1, "values": []}, r"packet 'command' cannot hold"),
        ("command", {"stamped_us": 0, "values": [1e39]}, r"packet 'command' cannot hold .*float"),
        (
            "command",
            {"stamped_us": 0, "values": [0.0] * 9},
            r"values takes at most 8 values, not 9",
        ),
    ],
)
def test_what_no_packet_can_carry_is_refused_in_one_line(name, values, message):
    with pytest.raises(PacketValueError) as refused:
        pack(name, **values)
    assert re.search(message, str(refused.value))
    assert "\n" not in str(refused.value)


ROW = Packet(
    *(1, "row", protocol.Link.HOST, "host", "10 Hz", "a row"),
    (Field("first", "u8", ""), Field("second", "u8", "ms")),
)


@pytest.mark.parametrize(
    "other",
    [
        ROW._replace(id=2),
        ROW._replace(name="line"),
        ROW._replace(link=protocol.Link.PLANT),
        ROW._replace(sender="controller"),
        ROW._replace(fields=ROW.fields[::-1]),
        ROW._replace(fields=ROW.fields[:1]),
        ROW._replace(fields=(ROW.fields[0], Field("other", "u8", "ms"))),
        ROW._replace(fields=(ROW.fields[0], Field("second", "u16", "ms"))),
        ROW._replace(fields=(ROW.fields[0], Field("second", "u8", "s"))),
        ROW._replace(fields=(ROW.fields[0], Field("second", "u8", "ms", 2))),
    ],
)
def test_whatever_both_ends_must_agree_on_changes_the_hash(other):
    assert protocol.schema_hash([other]) != protocol.schema_hash([ROW])


def test_what_is_only_said_to_a_reader_leaves_the_hash_as_it_is():
    retold = ROW._replace(rate="20 Hz", meaning="a line")
    assert protocol.schema_hash([retold]) == protocol.schema_hash([ROW])


def test_the_numbers_of_modes_and_reasons_are_part_of_the_hash():
    assert "Mode ESTOP 5" in protocol.schema_text().splitlines()
    assert "Reason SCHEMA 2" in protocol.schema_text().splitlines()


def test_the_hash_is_a_u32_that_fits_its_field():
    assert pack("hello", schema_hash=protocol.SCHEMA_HASH) == struct.pack(
        "<I", protocol.SCHEMA_HASH
    )
