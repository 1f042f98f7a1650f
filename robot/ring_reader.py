"""A reader's end of a ring: turns a notice into read-only views that hold their leases.

What a slot is and why stands in ``robot.shared_memory``.
"""

import mmap
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from robot.leases import Tenancy
from robot.shared_memory import (
    MAX_BITS,
    MIN_BITS,
    NOTICE,
    PAGE,
    USE,
    Notice,
    SlotRef,
    decode_notice,
    segment_path,
    stride,
)
from robot.wire import MAX_FRAMES, Buffer, Frames, WireError


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
            notice = decode_notice(memoryview(parts[0])[len(NOTICE) :])
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
        if not (MIN_BITS <= ref.bits <= MAX_BITS and 0 <= ref.segment < 1 << 63):
            raise WireError(f"slot of size class {ref.bits} in segment {ref.segment}: no such")
        memory = self._segment(ref.segment, ref.bits)
        start = ref.slot * stride(ref.bits)
        if not (ref.slot >= 0 and start < len(memory) and 0 <= ref.size <= 1 << ref.bits):
            raise WireError(f"slot {ref.slot} with {ref.size} bytes: its segment has no such")
        if USE.unpack_from(memory, start) != (ref.use,):
            raise WireError(f"slot {ref.slot} does not hold use {ref.use} any more")
        owner = np.frombuffer(memory, np.uint8, ref.size, start + PAGE)
        weakref.finalize(owner, self._tenancy.release, ref.use).atexit = False
        return owner.data  # keeps its owner alive, as does every array made from it

    def _segment(self, segment: int, bits: int) -> mmap.mmap:
        """A mapped file; what an earlier writer left is let go of."""
        key = (segment, bits)
        if key not in self._segments:
            path = segment_path(self._folder, self._ring, segment, bits)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                size = os.fstat(fd).st_size
                if not size or size % stride(bits):
                    raise WireError(f"{path.name} is no segment of slots")
                memory = mmap.mmap(fd, size, access=mmap.ACCESS_READ)
            finally:
                os.close(fd)
            self._segments = {k: m for k, m in self._segments.items() if k[0] == segment}
            self._segments[key] = memory
        return self._segments[key]
