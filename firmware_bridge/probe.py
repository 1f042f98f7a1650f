"""Asks whatever is behind a port whether it has our firmware, without setting anything up.

A controller that is armed takes a greeting for a host that was restarted, and stops: a port that a
run has open is busy, so it cannot be asked by mistake.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from firmware_bridge.errors import ControllerSilentError, SchemaMismatchError
from firmware_bridge.packet_line import FOREIGN, PacketLine
from firmware_bridge.port import Port, open_port
from firmware_bridge.protocol import SCHEMA_HASH
from firmware_bridge.safety_words import Mode

BAUD = 1_000_000  # what the reference firmware is built with
PATIENCE_S = 2.0  # a board that its port resets when it is opened needs a second to start
_AGAIN_S = 0.25
_LOOK_S = 0.01


class Identity(NamedTuple):
    """Who answered."""

    firmware_version: int
    schema_hash: int
    mode: Mode
    uptime_s: float


def probe(
    address: str, baud: int = BAUD, connect: Callable[[str, int], Port] = open_port
) -> Identity:
    """Greets a controller; returns who answers.

    Args:
        address: as `open_port` takes it.
        baud: bits per second, of a serial port.
        connect: opens the port.

    Raises:
        PortError: no such port, busy, not permitted, or gone while it was asked.
        SchemaMismatchError: our firmware, but with another table of packets.
        ControllerSilentError: nothing, or nothing that is ours.
    """
    line = PacketLine(connect(address, baud))
    try:
        return _greet(line, address, baud)
    finally:
        line.close()


def _greet(line: PacketLine, address: str, baud: int) -> Identity:
    began_s = time.monotonic()
    said = 0
    while (passed_s := time.monotonic() - began_s) < PATIENCE_S:
        if passed_s >= said * _AGAIN_S:
            line.say("hello", schema_hash=SCHEMA_HASH)
            said += 1
        line.flush()
        for name, fields in line.read():
            if name == FOREIGN or (name == "identity" and fields.schema_hash != SCHEMA_HASH):
                theirs = fields if name == FOREIGN else fields.schema_hash
                raise SchemaMismatchError(
                    f"{address} has other firmware (packets {theirs:08x}, here {SCHEMA_HASH:08x}): "
                    "reflash it: make firmware"
                )
            if name == "identity":
                return Identity(
                    fields.firmware_version,
                    fields.schema_hash,
                    Mode(fields.mode),
                    fields.uptime_us / 1e6,
                )
        time.sleep(_LOOK_S)
    raise ControllerSilentError(f"{address} {_what_came(line, baud)}")


def _what_came(line: PacketLine, baud: int) -> str:
    """Why nobody was recognised."""
    count, frames = line.received_bytes, line.frames
    if frames.frames:
        return "sends packets but does not answer: is the wire from here to it in?"
    if count:
        return (
            f"sends {count} bytes of which nothing is a packet: another baud rate than {baud}, or "
            "another device (a servo bus or an autopilot is asked by its own driver)"
        )
    return f"says nothing at {baud} baud: is it powered, and flashed (make firmware)?"
