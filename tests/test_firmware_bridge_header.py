import re

from firmware_bridge import header
from firmware_bridge.protocol import PACKETS, SCHEMA_HASH, WORDS

CURE = "run: python -m firmware_bridge.header"


def test_the_firmware_s_header_is_that_of_the_table():
    assert header.HEADER.read_text(encoding="utf-8") == header.c_header(), CURE


def test_the_tables_of_the_documentation_are_those_of_the_table():
    document = header.DOCUMENT.read_text(encoding="utf-8")
    assert header.with_tables(document) == document, CURE


def test_every_packet_field_and_word_stands_in_both():
    for text in (header.c_header(), header.packet_tables()):
        for packet in PACKETS:
            assert re.search(rf"\b{packet.name}\b", text)
            assert all(re.search(rf"\b{field.name}\b", text) for field in packet.fields)
        assert all(word.name in text for words in WORDS for word in words)
        assert f"{SCHEMA_HASH:08x}" in text.lower()


def test_what_stands_around_the_tables_is_kept():
    document = "before\n<!-- packets: begin -->\nold\n<!-- packets: end -->\nafter\n"
    renewed = header.with_tables(document)
    assert renewed.startswith("before\n<!-- packets: begin -->\n\nHash of this table")
    assert renewed.endswith("<!-- packets: end -->\nafter\n")
    assert "old\n" not in renewed
