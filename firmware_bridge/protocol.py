"""The one table of packets: what crosses the wire between host, controller and actuators.

Host packing, the firmware's header and the documentation are made from it, and both ends compare
its hash before anything moves: a field that was added on one side alone can then never be misread.
"""

from enum import StrEnum
from typing import NamedTuple

MAX_AXES = 8


class Link(StrEnum):
    """Which wire of a controller."""

    HOST = "host"
    PLANT = "plant"
    """Actuators and sensors: a servo bus, speed controllers."""


class Field(NamedTuple):
    """One value of a packet, or several of a kind."""

    name: str
    ctype: str  # u8, u16, u32, u64, f32
    unit: str  # "" = none; "axis" = that of each axis
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
            Field("mode", "u8", ""),
            Field("max_axes", "u8", ""),
        ),
    ),
    Packet(
        *(3, "heartbeat", Link.HOST, "host", "10 Hz", "the host lives, and what it believes"),
        (Field("mode", "u8", ""),),
    ),
    Packet(
        *(4, "configure", Link.HOST, "host", "on connect", "what holds for all axes"),
        (
            Field("axes", "u8", ""),
            Field("reaction", "u8", ""),
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
            Field("kind", "u8", ""),
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
            Field("reason", "u8", ""),  # 0: done
            Field("mode", "u8", ""),
        ),
    ),
    Packet(
        *(7, "wish", Link.HOST, "host", "on request", "arm, disarm, stop, e-stop, reset"),
        (Field("wish", "u8", ""),),
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
            Field("mode", "u8", ""),
            Field("reason", "u8", ""),
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
