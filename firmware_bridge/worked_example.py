"""One command on its way, byte by byte, for the documentation: nothing here is written by hand.

A host of a few lines talks to an emulated controller, in the controller's own time. The robot has
two axes: a speed, and a shoulder that stands at 0.2 rad.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import groupby

from firmware_bridge.configuration import TICK_US, AxisConfiguration, Configuration
from firmware_bridge.emulators.controller import PythonBoard
from firmware_bridge.emulators.plant import Plant, PlantAxis
from firmware_bridge.framing import OVERHEAD, Decoder, Encoder
from firmware_bridge.protocol import BY_ID, BY_NAME, SCHEMA_HASH, Field, Link, Packet, pack, unpack
from firmware_bridge.safety_words import AxisKind, Mode, Reaction, Wish

VALUES = (0.6, 0.5)  # what the policy wants: m/s, rad
SENT_US = 40_000  # when, by the controller's clock

_TEXT = """\
The `command`, {command_bytes} bytes:

{command}

One tick of {tick_ms} ms later the `drive` that follows from it, {drive_bytes} bytes:

{drive}

Its first bytes at the pin, as levels of one bit time each; the line idles at 1:

| byte | start | bits, lowest first | stop |
|---|---|---|---|
{bits}
"""

_TOLD = Configuration(
    axes=2,
    reaction=Reaction.DECELERATE,
    first_command=0,
    land_axis=0,
    land_per_s=0.0,
    watchdog_ms=100,
    heartbeat_ms=500,
    sensor_ms=50,
    following_ms=100,
    max_command_age_ms=250,
    min_voltage_v=6.0,
    max_temperature_c=70.0,
)
_SPEED = AxisConfiguration(
    index=0,
    kind=AxisKind.VELOCITY,
    minimum=0.0,
    maximum=1.0,
    stop=0.0,
    slew_per_s=4.0,
    acceleration_per_s2=math.inf,
    max_speed=math.inf,
    max_effort=math.inf,
    max_following=math.inf,
    max_jump=math.inf,
    ramp_per_s=math.inf,
)
_SHOULDER = replace(
    _SPEED,
    index=1,
    kind=AxisKind.POSITION,
    minimum=-1.5,
    maximum=1.5,
    stop=math.nan,
    slew_per_s=2.0,
)
_PLANT = (
    PlantAxis(AxisKind.VELOCITY, 0.0, 1.0, start=0.0),
    PlantAxis(AxisKind.POSITION, -2.0, 2.0, start=0.2),
)


def frames() -> tuple[bytes, bytes]:
    """The command as the host sends it, and the drive that the controller makes of it."""
    board, plant, encoder = PythonBoard(), Plant(_PLANT), Encoder()

    def say(name: str, now_us: int, **fields: float | tuple[float, ...]) -> bytes:
        frame = encoder.encode(BY_NAME[name].id, pack(name, **fields))
        board.receive(Link.HOST, frame, now_us)
        return frame

    def tick(now_us: int) -> bytes:
        board.step(now_us)
        drive = board.take(Link.PLANT)
        board.receive(Link.PLANT, plant.receive(drive), now_us)
        return drive

    say("hello", 0, schema_hash=SCHEMA_HASH)
    say("configure", 0, **asdict(_TOLD))
    say("configure_axis", 0, **asdict(_SPEED))
    say("configure_axis", 0, **asdict(_SHOULDER))
    for now_us in range(TICK_US, SENT_US, TICK_US):
        tick(now_us)
        if now_us == SENT_US // 2:
            say("heartbeat", now_us, mode=Mode.DISARMED)
            say("wish", now_us, wish=Wish.ARM)
    tick(SENT_US)
    command = say("command", SENT_US, stamped_us=SENT_US, values=VALUES)
    return command, tick(SENT_US + TICK_US)


def text() -> str:
    """Markdown: both frames taken apart, and the first bits at the pin."""
    command, drive = frames()
    bits = [f"| `{byte:02x}` | 0 | {_bits(byte)} | 1 |" for byte in drive[:4]]
    return _TEXT.format(
        command_bytes=len(command),
        command="\n".join(_tables(command)),
        tick_ms=TICK_US // 1000,
        drive_bytes=len(drive),
        drive="\n".join(_tables(drive)),
        bits="\n".join(bits),
    )


def _tables(encoded: bytes) -> Iterator[str]:
    (frame,) = Decoder().feed(encoded)
    packet = BY_ID[frame.type]
    yield "| before COBS | what |"
    yield "|---|---|"
    yield f"| `{frame.type:02x}` | type: {packet.name} |"
    yield f"| `{_hex(frame.seq.to_bytes(2, 'little'))}` | seq {frame.seq} |"
    yield from _field_rows(packet, frame.payload)
    checksum = unstuffed(encoded)[OVERHEAD - 2 + len(frame.payload) :]
    yield f"| `{_hex(checksum)}` | CRC of all above |"
    yield ""
    yield "| on the wire | what |"
    yield "|---|---|"
    yield from _blocks(encoded)


def _field_rows(packet: Packet, payload: bytes) -> Iterator[str]:
    """A row for each field, or for each run of equal numbers in one."""
    values, at = unpack(packet.id, payload), 0
    for field in packet.fields:
        width = int(field.ctype[1:]) // 8
        told = getattr(values, field.name)
        index = 0
        for value, run in groupby(told if field.count > 1 else (told,)):
            count = len(list(run))
            shown = _times(count) + f"`{_hex(payload[at : at + width])}`"
            yield f"| {shown} | {_name(field, index, count)} = {_number(value, field)} |"
            index += count
            at += width * count


def _name(field: Field, index: int, count: int) -> str:
    if field.count == 1:
        return field.name
    last = f" to [{index + count - 1}]" if count > 1 else ""
    return f"{field.name}[{index}]{last}"


def _number(value: float, field: Field) -> str:
    number = f"{value:g}" if isinstance(value, float) else str(value)
    return number + (f" {field.unit}" if field.unit not in ("", "axis") else "")


def _blocks(encoded: bytes) -> Iterator[str]:
    """A row for each code of COBS, or for each run of equal ones."""
    blocks, at = [], 0
    while encoded[at]:
        following = at + encoded[at]
        blocks.append(encoded[at:following])
        at = following
    for block, run in groupby(blocks[:-1]):
        count, size = len(list(run)), len(block) - 1
        kept = (
            f"{size} byte{'s' if size > 1 else ''} as they are, then a zero" if size else "a zero"
        )
        yield f"| {_times(count)}`{_hex(block)}` | {kept} |"
    yield f"| `{_hex(blocks[-1])}` | {len(blocks[-1]) - 1} bytes as they are, then the end |"
    yield "| `00` | delimiter |"


def _times(count: int) -> str:
    return f"{count} × " if count > 1 else ""


def unstuffed(encoded: bytes) -> bytes:
    """A frame before COBS, with its CRC."""
    out, at = bytearray(), 0
    while encoded[at]:
        following = at + encoded[at]
        out += encoded[at + 1 : following] + b"\0"
        at = following
    return bytes(out[:-1])


def _bits(byte: int) -> str:
    return " ".join(str(byte >> i & 1) for i in range(8))


def _hex(data: bytes) -> str:
    return data.hex(" ")
