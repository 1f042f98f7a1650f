"""Writes what is made from the table of packets: the firmware's header, and what of the docs is.

    python -m firmware_bridge.header

A test says when either is out of date.
"""

import re
from enum import IntEnum
from pathlib import Path

from firmware_bridge.protocol import (
    BY_NAME,
    MAX_AXES,
    PACKETS,
    SCHEMA_HASH,
    WORDS,
    Field,
    Link,
    Packet,
    payload_size,
)

HEADER = Path(__file__).parent / "firmware" / "protocol.h"
DOCUMENT = Path(__file__).parent.parent / "docs" / "serial_protocol.md"

C_TYPES = {"u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "u64": "uint64_t", "f32": "float"}

_HEADER = """\
/* Made from firmware_bridge/protocol.py by `python -m firmware_bridge.header`: do not edit.
 * Payloads as they are on the wire: packed, little-endian. */
#ifndef REFLEXARC_PROTOCOL_H
#define REFLEXARC_PROTOCOL_H

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little-endian");
_Static_assert(sizeof(float) == 4, "the wire carries IEEE 754 binary32");

#define RX_SCHEMA_HASH 0x{hash:08X}U
#define RX_MAX_AXES {axes}U

{words}
{packets}
#endif
"""

_BEGIN, _END = "<!-- {}: begin -->", "<!-- {}: end -->"


def main() -> None:
    """Rewrites both files in place."""
    HEADER.write_text(c_header(), encoding="utf-8")
    DOCUMENT.write_text(renewed(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


def c_header() -> str:
    """The text of `firmware/protocol.h`: words as enums, packets as packed structs."""
    words = "\n".join(_c_enum(words) for words in WORDS)
    packets = "\n".join(_c_struct(packet) for packet in PACKETS)
    return _HEADER.format(hash=SCHEMA_HASH, axes=MAX_AXES, words=words, packets=packets)


def renewed(document: str) -> str:
    """The document with all that stands between its markers made anew."""
    from firmware_bridge import worked_example  # it brings the emulated controller

    document = with_section(document, "worked example", worked_example.text())
    return with_section(document, "packets", packet_tables())


def with_section(document: str, name: str, text: str) -> str:
    """The document with this text between the markers of that name."""
    begin, end = _BEGIN.format(name), _END.format(name)
    before, rest = document.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n\n{text}\n{end}{after}"


def packet_tables() -> str:
    """Markdown: the packets, the fields of each, and the words."""
    lines = [
        f"Hash of this table: `0x{SCHEMA_HASH:08x}`.",
        "",
        "| id | packet | from → to | rate | bytes | what |",
        "|---|---|---|---|---|---|",
    ]
    for packet in PACKETS:
        ends = f"{packet.sender} → {_receiver(packet)}"
        cells = (f"`{packet.name}`", ends, packet.rate, payload_size(packet), packet.meaning)
        lines.append(f"| {packet.id} | " + " | ".join(map(str, cells)) + " |")
    for packet in PACKETS:
        lines += ["", f"`{packet.name}` ({packet.id})", "", "| byte | field | type | unit |"]
        lines.append("|---|---|---|---|")
        lines += _field_rows(packet)
    lines += ["", "| word | numbers |", "|---|---|"]
    for words in WORDS:
        numbers = ", ".join(f"{word.value} {word.name}" for word in words)
        lines.append(f"| {words.__name__} | {numbers} |")
    return "\n".join([*lines, ""])


def _field_rows(packet: Packet) -> list[str]:
    rows, offset = [], 0
    for field in packet.fields:
        ctype = field.ctype if field.count == 1 else f"{field.count} × {field.ctype}"
        rows.append(f"| {offset} | `{field.name}` | {ctype} | {field.unit} |")
        offset += int(field.ctype[1:]) // 8 * field.count
    return rows


def _receiver(packet: Packet) -> str:
    ends = {"host", "controller"} if packet.link is Link.HOST else {"controller", "plant"}
    return (ends - {packet.sender}).pop()


def _c_enum(words: type[IntEnum]) -> str:
    name = _snake(words.__name__)
    rows = [f"    RX_{name.upper()}_{word.name} = {word.value}," for word in words]
    tag = "" if name in BY_NAME else f"rx_{name} "  # a struct has that tag: C has one space of tags
    return "\n".join([f"enum {tag}{{", *rows, "};", ""])


def _c_struct(packet: Packet) -> str:
    name = f"struct rx_{packet.name}"
    complaint = f'"{packet.name} has another size on the wire"'
    return "\n".join(
        [
            f"/* {packet.meaning}; {packet.sender} -> {_receiver(packet)}, {packet.rate} */",
            f"#define RX_ID_{packet.name.upper()} {packet.id}U",
            f"{name} {{",
            *[_c_member(field) for field in packet.fields],
            "} __attribute__((packed));",
            f"_Static_assert(sizeof({name}) == {payload_size(packet)}, {complaint});",
            "",
        ]
    )


def _c_member(field: Field) -> str:
    several = "" if field.count == 1 else f"[{field.count}]"
    unit = f" /* {field.unit} */" if field.unit else ""
    return f"    {C_TYPES[field.ctype]} {field.name}{several};{unit}"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


if __name__ == "__main__":
    main()
