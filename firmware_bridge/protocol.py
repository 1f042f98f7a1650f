"""The one table of packets: what crosses the wire between host, controller and actuators.

Host packing, the firmware's header and the documentation are made from it, and both ends compare
its hash before anything moves: a field that was added on one side alone can then never be misread.
The numbers of modes, reasons and wishes count as part of the table, for the same reason.
"""

import hashlib
import struct
from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple, cast

from firmware_bridge.errors import PacketValueError
from firmware_bridge.safety_words import AxisKind, Mode, Reaction, Reason, Wish

MAX_AXES = 8

WORDS: tuple[type[IntEnum], ...] = (Mode, Wish, Reaction, Reason, AxisKind)
"""What the numbers in u8 fields mean; a field names one of them in place of a unit."""

CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "f32": "f"}
"""The types of fields, and how `struct` calls them."""


class Link(StrEnum):
    """Which wire of a controller."""

    HOST = "host"
    PLANT = "plant"
    """Actuators and sensors: a servo bus, speed controllers."""


@dataclass(frozen=True)
class Field:
    """One value of a packet, or several of a kind."""

    name: str
    ctype: str  # a key of CODES
    unit: str  # "" = none; "axis" = that of each axis; or the name of one of WORDS
    count: int = 1


class Packet(NamedTuple):
    """A row of `PACKETS`."""

    id: int  # u8 on the wire
    name: str
    link: Link
    sender: str  # "host", "controller" or "plant"
    rate: str  # how often
    meaning: str
    fields: tuple[Field, ...]


def _axes(name: str, unit: str = "axis") -> Field:
    return Field(name, "f32", unit, MAX_AXES)


PACKETS = (
    Packet(
        *(1, "hello", Link.HOST, "host", "on connect", "opens the conversation"),
        (Field("schema_hash", "u32", ""),),
    ),
    Packet(
        *(2, "identity", Link.HOST, "controller", "answer to hello", "who it is"),
        (
            Field("schema_hash", "u32", ""),
            Field("uptime_us", "u64", "µs"),  # goes back when the controller was reset
            Field("firmware_version", "u16", ""),
            Field("mode", "u8", "Mode"),
            Field("max_axes", "u8", ""),
        ),
    ),
    Packet(
        *(3, "heartbeat", Link.HOST, "host", "10 Hz", "the host lives, and what it believes"),
        (Field("mode", "u8", "Mode"),),
    ),
    Packet(
        *(4, "configure", Link.HOST, "host", "on connect", "what holds for all axes"),
        (
            Field("axes", "u8", ""),
            Field("reaction", "u8", "Reaction"),
            Field("first_command", "u8", ""),  # 0 ramp, 1 abort
            Field("land_axis", "u8", ""),
            Field("land_per_s", "f32", "axis/s"),
            Field("watchdog_ms", "u16", "ms"),
            Field("heartbeat_ms", "u16", "ms"),
            Field("sensor_ms", "u16", "ms"),
            Field("following_ms", "u16", "ms"),
            Field("max_command_age_ms", "u16", "ms"),
            Field("min_voltage_v", "f32", "V"),
            Field("max_temperature_c", "f32", "°C"),
        ),
    ),
    Packet(
        *(5, "configure_axis", Link.HOST, "host", "on connect", "the limits of one axis"),
        (
            Field("index", "u8", ""),
            Field("kind", "u8", "AxisKind"),
            Field("minimum", "f32", "axis"),
            Field("maximum", "f32", "axis"),
            Field("stop", "f32", "axis"),  # not a number: it holds
            Field("slew_per_s", "f32", "axis/s"),
            Field("acceleration_per_s2", "f32", "axis/s²"),  # infinite: no limit; so below
            Field("max_speed", "f32", "axis/s"),  # measured
            Field("max_effort", "f32", "effort"),  # measured
            Field("max_following", "f32", "axis"),
            Field("max_jump", "f32", "axis"),  # of a first command
            Field("ramp_per_s", "f32", "axis/s"),  # towards a first command
        ),
    ),
    Packet(
        *(6, "verdict", Link.HOST, "controller", "answer", "to configure, configure_axis, wish"),
        (
            Field("about", "u8", ""),  # id of the packet that is answered
            Field("index", "u8", ""),  # the axis, or the wish
            Field("reason", "u8", "Reason"),  # 0: done
            Field("mode", "u8", "Mode"),
        ),
    ),
    Packet(
        *(7, "wish", Link.HOST, "host", "on request", "arm, disarm, stop, e-stop, reset"),
        (Field("wish", "u8", "Wish"),),
    ),
    Packet(
        *(8, "command", Link.HOST, "host", ">= 50 Hz", "what the axes shall do"),
        (
            Field("stamped_us", "u64", "µs"),  # when it was made, by the controller's clock
            _axes("values"),
        ),
    ),
    Packet(
        *(9, "telemetry", Link.HOST, "controller", "100 Hz", "what it does and measures"),
        (
            Field("time_us", "u64", "µs"),
            Field("mode", "u8", "Mode"),
            Field("reason", "u8", "Reason"),
            Field("torque", "u8", ""),
            Field("command_seq", "u16", ""),  # of the last good command
            _axes("setpoint"),
            _axes("measured"),
            _axes("effort", "effort"),
            Field("voltage_v", "f32", "V"),
            Field("temperature_c", "f32", "°C"),
        ),
    ),
    Packet(
        *(10, "counters", Link.HOST, "controller", "2 Hz", "what went wrong since power-up"),
        (
            Field("frames", "u32", ""),
            Field("lost", "u32", ""),  # by gaps in the sequence
            Field("crc_errors", "u32", ""),
            Field("framing_errors", "u32", ""),
            Field("unknown", "u32", ""),  # type, or length
            Field("commands", "u32", ""),
            Field("refused", "u32", ""),
            Field("clipped", "u32", ""),
            Field("watchdogs", "u32", ""),
            Field("mismatches", "u32", ""),
            Field("sensor_faults", "u32", ""),
            Field("stops", "u32", ""),
            Field("send_overflows", "u32", ""),
        ),
    ),
    Packet(
        *(11, "time_request", Link.HOST, "host", "4 Hz", "what time is it"),
        (Field("host_us", "u64", "µs"),),
    ),
    Packet(
        *(12, "time_reply", Link.HOST, "controller", "answer", "that time"),
        (
            Field("host_us", "u64", "µs"),
            Field("received_us", "u64", "µs"),
            Field("sent_us", "u64", "µs"),
        ),
    ),
    Packet(
        *(32, "drive", Link.PLANT, "controller", "200 Hz", "what the actuators shall do"),
        (Field("time_us", "u64", "µs"), Field("torque", "u8", ""), _axes("setpoint")),
    ),
    Packet(
        *(33, "sense", Link.PLANT, "plant", "answer to drive", "what the sensors say"),
        (
            Field("time_us", "u64", "µs"),  # that of the drive packet it answers
            _axes("values"),
            _axes("efforts", "effort"),
            Field("voltage_v", "f32", "V"),
            Field("temperature_c", "f32", "°C"),
        ),
    ),
)

BY_NAME = {packet.name: packet for packet in PACKETS}
BY_ID = {packet.id: packet for packet in PACKETS}


def pack(name: str, **values: float | Sequence[float]) -> bytes:
    """The payload of a packet, little-endian without padding.

    Args:
        name: a row of PACKETS.
        values: all fields of the row. What counts axes may be shorter: the rest is filled with
            zeros, as a robot has fewer axes than MAX_AXES.

    Raises:
        PacketValueError: no such packet, a field too few or too many, or a value that its type
            does not hold. Floats become the nearest f32; not-a-number and infinity pass.
    """
    packet = _known(name)
    layout = _LAYOUTS[packet.id]
    if values.keys() != set(layout.message._fields):
        raise PacketValueError(
            f"packet {name!r} has the fields {', '.join(layout.message._fields)}; "
            f"given were {', '.join(sorted(values)) or 'none'}"
        )
    numbers: list[float] = []
    for field in packet.fields:
        numbers += _counted(name, field, values[field.name])
    try:
        return layout.struct.pack(*numbers)
    except (struct.error, OverflowError) as error:
        raise PacketValueError(f"packet {name!r} cannot hold {values}: {error}") from None


def unpack(packet_id: int, payload: bytes) -> Any:
    """A named tuple of the packet's fields, tuples of floats where a field has several values.

    None where the id is unknown or the length is not that of the packet; never an exception, as
    anything may arrive. The receiver counts it as `unknown`.
    """
    layout = _LAYOUTS.get(packet_id)
    if layout is None or len(payload) != layout.struct.size:
        return None
    numbers = layout.struct.unpack(payload)
    return layout.message._make(numbers[place] for place in layout.places)


def payload_size(packet: Packet) -> int:
    """Bytes of a packet's payload."""
    return _LAYOUTS[packet.id].struct.size


def schema_text(packets: Sequence[Packet] = PACKETS) -> str:
    """All that both ends must agree on, a line for each packet, field and word."""
    lines: list[str] = []
    for packet in packets:
        lines.append(f"{packet.id} {packet.name} {packet.link} {packet.sender}")
        lines += [f" {f.name} {f.ctype} {f.count} {f.unit}" for f in packet.fields]
    for words in WORDS:
        lines += [f"{words.__name__} {word.name} {word.value}" for word in words]
    return "\n".join(lines)


def schema_hash(packets: Sequence[Packet] = PACKETS) -> int:
    """The first four bytes of the text's SHA-256, as u32."""
    return int.from_bytes(hashlib.sha256(schema_text(packets).encode()).digest()[:4], "little")


SCHEMA_HASH = schema_hash()


class _Layout(NamedTuple):
    struct: struct.Struct
    message: Any  # the class of named tuples
    places: tuple[int | slice, ...]  # of each field in what `struct` unpacks


def _layout(packet: Packet) -> _Layout:
    codes = "".join(f"{field.count}{CODES[field.ctype]}" for field in packet.fields)
    names = [field.name for field in packet.fields]
    places: list[int | slice] = []
    first = 0
    for field in packet.fields:
        places.append(first if field.count == 1 else slice(first, first + field.count))
        first += field.count
    return _Layout(struct.Struct("<" + codes), namedtuple(packet.name, names), tuple(places))


_LAYOUTS = {packet.id: _layout(packet) for packet in PACKETS}


def _known(name: str) -> Packet:
    if name not in BY_NAME:
        raise PacketValueError(f"no packet is called {name!r}: there are {', '.join(BY_NAME)}")
    return BY_NAME[name]


def _counted(name: str, field: Field, value: float | Sequence[float]) -> list[float]:
    """The value as exactly `field.count` numbers."""
    if field.count == 1:
        return [cast("float", value)]
    numbers = [float(one) for one in cast("Sequence[float]", value)]
    if len(numbers) > field.count:
        raise PacketValueError(
            f"packet {name!r}: {field.name} takes at most {field.count} values, not {len(numbers)}"
        )
    return numbers + [0.0] * (field.count - len(numbers))
