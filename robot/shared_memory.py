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

import fcntl
import mmap
import os
import secrets
import struct
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from robot.leases import LeaseBook, Tenancy
from robot.wire import MAX_FRAMES, Buffer, Frames, WireError

MIN_BYTES = 32_000  # below this a copy through the socket costs less than the detour
LEASES_PER_EDGE = 16  # a stalled reader may not take the slots of all others
SPARE_SLOTS = 4  # for what the writer itself fills and holds
MAX_SLOTS = 64
RING_BYTES = 256 * 1024 * 1024  # memory that one port may take
NOTICE = b"slots"  # begins the first frame of a message that names slots; no msgpack map does so
_MIN_BITS, _MAX_BITS = 15, 28  # of a slot's size class
_PAGE = 4096
_USE = struct.Struct("<Q")  # at the start of a slot: which use of it this is

Bytes = NDArray[np.uint8]


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


_encode_notice = msgspec.msgpack.Encoder().encode
_decode_notice = msgspec.msgpack.Decoder(Notice).decode


def _segment_path(folder: Path, ring: str, segment: int, bits: int) -> Path:
    return folder / f"{ring}.{segment:016x}.{bits}.segment"


def _address(array: NDArray[Any]) -> int:
    return array.__array_interface__["data"][0]


def _stride(bits: int) -> int:
    """Bytes from one slot to the next: a page for the use, then the data."""
    return _PAGE + (1 << bits)


@dataclass(eq=False)
class _Slot:
    """One slot, as its writer knows it."""

    memory: mmap.mmap
    fd: int
    bits: int
    index: int
    reserved: int = 0
    """Bytes that the file system has promised."""
    use: int = 0
    leases: int = 0
    held: bool = False
    """Whether a view of the writer's own is alive."""

    @property
    def is_free(self) -> bool:
        return not self.held and not self.leases


@dataclass(frozen=True, eq=False)
class Placed:
    """An array in a slot, which stays there as long as this object lives."""

    slot: _Slot
    buffer: Buffer


@dataclass
class RingCounts:
    """How a port's large arrays travelled."""

    shared: int = 0
    """Arrays put into a slot, by copy or filled in place."""
    no_slot: int = 0
    """Arrays that went inline because readers held all slots they may hold."""
    no_memory: int = 0
    """Arrays that went inline because shared memory was full."""


class RingWriter:
    """The writer's end of one port's ring, which leaves by the named edges."""

    def __init__(
        self, folder: Path, name: str, edges: list[str], limit_bytes: int = RING_BYTES
    ) -> None:
        self.counts = RingCounts()
        self._folder = folder
        self._name = name
        self._edges = edges
        self._limit_bytes = limit_bytes
        _remove_predecessors(folder, name)
        self._book = LeaseBook(folder, name, edges)
        self._segment = secrets.randbits(63)
        self._slots: dict[int, list[_Slot]] = {}
        self._fds: list[int] = []
        self._used: dict[int, _Slot] = {}
        """Slots by their present use."""
        self._loans: dict[int, tuple[_Slot, weakref.ref[NDArray[Any]]]] = {}
        """Slots that are filled in place, by address."""
        self._use = secrets.randbits(48)
        self._reserved = 0

    def loan(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any] | None:
        """An array in a free slot, to be filled and sent without a copy; None: none to be had.

        Once sent it is read-only, as its readers see the same memory.
        """
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        slot = self._take(size) if size >= MIN_BYTES else None
        if slot is None:
            return None
        owner = self._own(slot, size)
        array = owner.view(dtype).reshape(shape)
        self._loans[_address(owner)] = (slot, weakref.ref(array))
        return array

    def place(self, buffer: Buffer) -> Placed | None:
        """Puts an array into a slot, unless it lies in one; None: too small or none to be had."""
        if len(buffer) < MIN_BYTES or not self._has_readers():
            return None
        data = np.frombuffer(buffer, np.uint8)
        address = _address(data)
        if address in self._loans:
            slot, array = self._loans[address]
            if (sent := array()) is not None:
                sent.flags.writeable = False
            self.counts.shared += 1
            return Placed(slot, buffer)
        slot = self._take(data.nbytes)
        if slot is None:
            return None
        owner = self._own(slot, data.nbytes)
        owner[:] = data
        self.counts.shared += 1
        return Placed(slot, owner.data)

    def lease(self, edge: str, frames: Frames, placed: Sequence[Placed | None]) -> Frames | None:
        """The frames that tell an edge's reader of slots; None: it cannot take them so."""
        tenant = self._book.tenant(edge) if any(placed) else 0
        if not tenant:
            return None
        if not self._may_hold_more(tenant):
            self.counts.no_slot += sum(p is not None for p in placed)
            return None
        for item in filter(None, placed):
            item.slot.leases += 1
            self._book.lease(tenant, item.slot.use)
        refs = tuple(None if p is None else self._ref(p) for p in placed)
        notice = NOTICE + _encode_notice(Notice(tenant, refs))
        inline = [f for f, p in zip(frames[1:], placed, strict=True) if p is None]
        return [notice, frames[0], *inline]

    def take_back(self, edge: str, placed: Sequence[Placed | None]) -> None:
        """Ends the leases of a message that could not be sent."""
        tenant = self._book.tenant(edge)
        for item in filter(None, placed):
            if self._book.take_back(tenant, item.slot.use):
                item.slot.leases -= 1

    def close(self) -> None:
        """Lets go of the files; slots on their way stay readable until the folder is removed."""
        self._book.close()
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
        self._slots.clear()

    def _ref(self, placed: Placed) -> SlotRef:
        slot = placed.slot
        return SlotRef(self._segment, slot.bits, slot.index, len(placed.buffer), slot.use)

    def _has_readers(self) -> bool:
        """Whether any edge has a reader that may hold more; counts where they hold too much."""
        tenants = list(filter(None, map(self._book.tenant, self._edges)))
        if any(map(self._may_hold_more, tenants)):
            return True
        self.counts.no_slot += bool(tenants)
        return False

    def _may_hold_more(self, tenant: int) -> bool:
        """Whether a reader has fewer leases than it may have."""
        if self._book.held(tenant) >= LEASES_PER_EDGE:
            self._settle()
        return self._book.held(tenant) < LEASES_PER_EDGE

    def _settle(self) -> None:
        """Frees what readers let go of."""
        for use in self._book.released():
            self._used[use].leases -= 1

    def _take(self, size: int) -> _Slot | None:
        """A free slot for ``size`` bytes with memory behind it, the lowest first: it is warm."""
        bits = max(_MIN_BITS, (size - 1).bit_length())
        if bits > _MAX_BITS:
            return None
        self._settle()
        slots = self._slots.get(bits) or self._add_segment(bits)
        slot = next((s for s in slots if s.is_free), None) or self._reclaim(slots)
        if slot is None:
            self.counts.no_slot += 1
        elif not self._reserve(slot, size):
            self.counts.no_memory += 1
            return None
        return slot

    def _reclaim(self, slots: list[_Slot]) -> _Slot | None:
        """A slot that only the dead held, if there is one."""
        for use in self._book.reclaimed():
            self._used[use].leases -= 1
        return next((s for s in slots if s.is_free), None)

    def _own(self, slot: _Slot, size: int) -> Bytes:
        """A new use of a slot: its bytes, held until the last view on them is gone."""
        self._used.pop(slot.use, None)
        self._use += 1
        slot.use, slot.held = self._use, True
        self._used[slot.use] = slot
        start = slot.index * _stride(slot.bits)
        _USE.pack_into(slot.memory, start, slot.use)
        owner = np.frombuffer(slot.memory, np.uint8, size, start + _PAGE)
        weakref.finalize(owner, self._let_go, slot, _address(owner)).atexit = False
        return owner

    def _let_go(self, slot: _Slot, address: int) -> None:
        """The writer's last view on a slot is gone."""
        self._loans.pop(address, None)
        slot.held = False

    def _reserve(self, slot: _Slot, size: int) -> bool:
        """Whether there is memory for a slot's first ``size`` bytes."""
        missing = _PAGE + size - slot.reserved
        if missing <= 0:
            return True
        if self._reserved + missing > self._limit_bytes:
            return False
        try:
            os.posix_fallocate(slot.fd, slot.index * _stride(slot.bits), _PAGE + size)
        except OSError:  # no room left: the array goes inline and is counted
            return False
        slot.reserved += missing
        self._reserved += missing
        return True

    def _add_segment(self, bits: int) -> list[_Slot]:
        """A new file of slots; it takes no memory before a slot is used."""
        count = min(LEASES_PER_EDGE * len(self._edges) + SPARE_SLOTS, MAX_SLOTS)
        path = _segment_path(self._folder, self._name, self._segment, bits)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._fds.append(fd)
        fcntl.flock(fd, fcntl.LOCK_EX)  # held for life: see _remove_predecessors
        os.ftruncate(fd, count * _stride(bits))
        memory = mmap.mmap(fd, count * _stride(bits))
        self._slots[bits] = [_Slot(memory, fd, bits, index) for index in range(count)]
        return self._slots[bits]


def _remove_predecessors(folder: Path, ring: str) -> None:
    """Removes the segments of a dead process that wrote this port before."""
    for path in folder.glob(f"{ring}.*.segment"):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        finally:
            os.close(fd)
        path.unlink()


class RingReader:
    """One edge's end of a ring."""

    def __init__(self, folder: Path, ring: str, edge: str) -> None:
        self._folder = folder
        self._ring = ring
        self._tenancy = Tenancy(folder, ring, edge)
        self._segments: dict[tuple[int, int], mmap.mmap] = {}

    def frames(self, parts: Frames) -> Frames | None:
        """The message that a notice and its inline frames stand for; its arrays stay in place.

        None: it was meant for an earlier reader of this edge, or its writer's memory is gone.

        Raises:
            WireError: it names what cannot be a slot.
        """
        try:
            notice = _decode_notice(memoryview(parts[0])[len(NOTICE) :])
        except msgspec.MsgspecError as error:
            raise WireError(f"notice of slots: {error}") from error
        if len(notice.arrays) >= MAX_FRAMES:
            raise WireError(
                f"notice of slots: {len(notice.arrays)} arrays, at most {MAX_FRAMES - 1}"
            )
        inline = len(parts) - 2
        if inline != notice.arrays.count(None):
            raise WireError(f"notice of slots: {inline} buffers, not {notice.arrays.count(None)}")
        if notice.tenant != self._tenancy.tenant:
            return None
        try:
            return [parts[1], *self._arrays(notice, iter(parts[2:]))]
        except FileNotFoundError:  # the writer died and its successor cleaned up
            return None

    def _arrays(self, notice: Notice, inline: Iterator[Buffer]) -> Iterator[Buffer]:
        for ref in notice.arrays:
            yield next(inline) if ref is None else self._view(ref)

    def _view(self, ref: SlotRef) -> memoryview:
        """The bytes of a slot, read-only; the lease ends when nothing refers to them any more."""
        if not (_MIN_BITS <= ref.bits <= _MAX_BITS and 0 <= ref.segment < 1 << 63):
            raise WireError(f"slot of size class {ref.bits} in segment {ref.segment}: no such")
        memory = self._segment(ref.segment, ref.bits)
        start = ref.slot * _stride(ref.bits)
        if not (ref.slot >= 0 and start < len(memory) and 0 <= ref.size <= 1 << ref.bits):
            raise WireError(f"slot {ref.slot} with {ref.size} bytes: its segment has no such")
        if _USE.unpack_from(memory, start) != (ref.use,):
            raise WireError(f"slot {ref.slot} does not hold use {ref.use} any more")
        owner = np.frombuffer(memory, np.uint8, ref.size, start + _PAGE)
        weakref.finalize(owner, self._tenancy.release, ref.use).atexit = False
        return owner.data  # keeps its owner alive, as does every array made from it

    def _segment(self, segment: int, bits: int) -> mmap.mmap:
        """A mapped file; what an earlier writer left is let go of."""
        key = (segment, bits)
        if key not in self._segments:
            path = _segment_path(self._folder, self._ring, segment, bits)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                size = os.fstat(fd).st_size
                if not size or size % _stride(bits):
                    raise WireError(f"{path.name} is no segment of slots")
                memory = mmap.mmap(fd, size, access=mmap.ACCESS_READ)
            finally:
                os.close(fd)
            self._segments = {k: m for k, m in self._segments.items() if k[0] == segment}
            self._segments[key] = memory
        return self._segments[key]
