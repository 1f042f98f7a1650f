import re

from firmware_bridge import header
from firmware_bridge.protocol import PACKETS, SCHEMA_HASH, WORDS

CURE = "run: python -m firmware_bridge.header"


def test_the_firmware_s_header_is_that_of_the_table():
    assert header.HEADER.read_text(encoding="utf-8") == header.c_header(), CURE


def test_the_tables_and_bytes_of_the_documentation_are_those_of_the_code():
    document = header.DOCUMENT.read_text(encoding="utf-8")
    assert header.renewed(document) == document, CURE


def test_every_packet_field_and_word_stands_in_both():
    for text in (header.c_header(), header.packet_tables()):
        for packet in PACKETS:
            assert re.search(rf"\b{packet.name}\b", text)
            assert all(re.search(rf"\b{field.name}\b", text) for field in packet.fields)
        assert all(word.name in text for words in WORDS for word in words)
        assert f"{SCHEMA_HASH:08x}" in text.lower()


def test_what_stands_around_a_section_is_kept():
    document = "before\n<!-- x: begin -->\nold\n<!-- x: end -->\nafter\n"
    assert header.with_section(document, "x", "new\n") == (
        "before\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nafter\n"
    )
