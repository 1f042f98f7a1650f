"""Large arrays between the processes of one host: written once, read in place by all readers.

Each output port has a ring: slots in files that writer and readers map. A message that names slots
travels over the ordinary socket and so keeps its place, its count and its policy; only the bytes
of its large arrays stay where they are. A slot is reused when the writer itself and every reader
have let go of it (``robot.leases``), never before, so a view cannot be torn. Where no slot is to be
had, for want of free ones or of memory, the array goes inline: slower, counted, never lost.

Own files instead of ``multiprocessing.shared_memory``: there, each process that attaches in Python
3.11 registers the block with its resource tracker, which unlinks it when that process ends, and
nothing tells a dead owner's block from a living one's. Pages are reserved before they are touched,
because touching what a full file system cannot give ends a process with SIGBUS.
"""

import struct
from pathlib import Path

import msgspec

MIN_BYTES = 32_000  # below this a copy through the socket costs less than the detour
NOTICE = b"slots"  # begins the first frame of a message that names slots; no msgpack map does so
MIN_BITS, MAX_BITS = 15, 28  # of a slot's size class
PAGE = 4096
USE = struct.Struct("<Q")  # at the start of a slot: which use of it this is


class SlotRef(msgspec.Struct, array_like=True, frozen=True):
    """Where an array lies."""

    segment: int
    """Number that the writer's process drew."""
    bits: int
    """Size class: slots of 2**bits bytes."""
    slot: int
    size: int
    """Bytes of the array."""
    use: int
    """Counts what the writer has put into slots; says which content is meant."""


class Notice(msgspec.Struct, array_like=True, frozen=True):
    """Stands before the header of a message whose large arrays lie in slots."""

    tenant: int
    """The reader process that got the leases; another must not read."""
    arrays: tuple[SlotRef | None, ...]
    """Per array in the order of the fields; None: its buffer follows inline."""


encode_notice = msgspec.msgpack.Encoder().encode
decode_notice = msgspec.msgpack.Decoder(Notice).decode


def segment_path(folder: Path, ring: str, segment: int, bits: int) -> Path:
    """The file of one size class of a writer's slots."""
    return folder / f"{ring}.{segment:016x}.{bits}.segment"


def stride(bits: int) -> int:
    """Bytes from one slot to the next: a page for the use, then the data."""
    return PAGE + (1 << bits)
