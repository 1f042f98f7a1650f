"""The writer's end of a ring: takes slots, lends them, and takes them back.

What a slot is and why stands in ``robot.shared_memory``.
"""

import fcntl
import mmap
import os
import secrets
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.leases import LeaseBook
from robot.shared_memory import (
    MAX_BITS,
    MIN_BITS,
    MIN_BYTES,
    NOTICE,
    PAGE,
    USE,
    Notice,
    SlotRef,
    encode_notice,
    segment_path,
    stride,
)
from robot.wire import Buffer, Frames

LEASES_PER_EDGE = 16  # a stalled reader may not take the slots of all others
SPARE_SLOTS = 4  # for what the writer itself fills and holds
MAX_SLOTS = 64
RING_BYTES = 256 * 1024 * 1024  # memory that one port may take

Bytes = NDArray[np.uint8]


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
        notice = NOTICE + encode_notice(Notice(tenant, refs))
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
        bits = max(MIN_BITS, (size - 1).bit_length())
        if bits > MAX_BITS:
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
        start = slot.index * stride(slot.bits)
        USE.pack_into(slot.memory, start, slot.use)
        owner = np.frombuffer(slot.memory, np.uint8, size, start + PAGE)
        weakref.finalize(owner, self._let_go, slot, _address(owner)).atexit = False
        return owner

    def _let_go(self, slot: _Slot, address: int) -> None:
        """The writer's last view on a slot is gone."""
        self._loans.pop(address, None)
        slot.held = False

    def _reserve(self, slot: _Slot, size: int) -> bool:
        """Whether there is memory for a slot's first ``size`` bytes."""
        missing = PAGE + size - slot.reserved
        if missing <= 0:
            return True
        if self._reserved + missing > self._limit_bytes:
            return False
        try:
            os.posix_fallocate(slot.fd, slot.index * stride(slot.bits), PAGE + size)
        except OSError:  # no room left: the array goes inline and is counted
            return False
        slot.reserved += missing
        self._reserved += missing
        return True

    def _add_segment(self, bits: int) -> list[_Slot]:
        """A new file of slots; it takes no memory before a slot is used."""
        count = min(LEASES_PER_EDGE * len(self._edges) + SPARE_SLOTS, MAX_SLOTS)
        path = segment_path(self._folder, self._name, self._segment, bits)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._fds.append(fd)
        fcntl.flock(fd, fcntl.LOCK_EX)  # held for life: see _remove_predecessors
        os.ftruncate(fd, count * stride(bits))
        memory = mmap.mmap(fd, count * stride(bits))
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


def _address(array: NDArray[Any]) -> int:
    return array.__array_interface__["data"][0]
