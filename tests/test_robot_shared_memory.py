"""Large arrays between processes: in place, never torn, and nothing of the dead stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_ends import SHAPE, Reader, Writer, image

from robot.edges import EdgeBuffer, parse_policy
from robot.ring_reader import RingReader
from robot.ring_writer import LEASES_PER_EDGE, RingWriter
from robot.run_folder import RunFolder
from robot.shared_memory import MIN_BYTES, NOTICE
from robot.wire import MAX_FRAMES, WireError

HERE = Path(__file__).parent
PIXELS = SHAPE[0] * SHAPE[1]


@pytest.fixture
def folder():
    """A run's folder, in memory where the machine has such a file system."""
    run = RunFolder()
    yield run.path
    run.close()


@pytest.fixture
def ends(folder):
    """Opens ends of the edge ``e0`` in this process."""
    opened = []

    def build(kind, *args, **options):
        opened.append(kind(folder, *args, **options))
        return opened[-1]

    yield build
    for end in opened:
        end.close()


class Child:
    """A process of ``ring_ends.py``."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, HERE / "ring_ends.py", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.first = self.hear()

    def ask(self, order):
        self.process.stdin.write(order.encode() + b"\n")
        self.process.stdin.flush()
        return self.hear()

    def hear(self):
        return json.loads(self.process.stdout.readline())

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def child(folder):
    """Starts the other end in a process of its own."""
    children = []

    def start(role, *arguments):
        children.append(Child(role, folder, *arguments))
        return children[-1]

    yield start
    for one in children:
        one.kill()


def test_another_process_reads_the_array_in_place_and_cannot_write_it(ends, child):
    reader = child("read")
    writer = ends(Writer)
    writer.send(image(7))
    assert reader.ask("take") == [0, True, False, 7 * PIXELS]
    assert (writer.ring.counts.shared, writer.ring.counts.no_slot) == (1, 0)


def test_slots_and_leases_are_their_owners_alone_whatever_the_umask(ends, folder):
    umask = os.umask(0)
    try:
        reader, writer = ends(Reader), ends(Writer)
        writer.send(image(1))
    finally:
        os.umask(umask)
    assert reader.take()[1]
    assert folder.stat().st_mode & 0o777 == 0o700
    files = [path for path in folder.iterdir() if not path.is_socket()]
    assert any(path.suffix == ".segment" for path in files)
    assert len(files) > 1  # the leases too
    assert {path.name: path.stat().st_mode & 0o777 for path in files} == {
        path.name: 0o600 for path in files
    }


def test_an_array_filled_in_place_is_read_from_the_memory_it_was_filled_in(ends):
    reader, writer = ends(Reader), ends(Writer)
    loaned = writer.ring.loan(SHAPE, "uint8")
    loaned[:] = 3
    writer.send(loaned)
    seen = reader.take()[0].left
    with pytest.raises(ValueError, match="read-only"):
        loaned[0, 0] = 4
    loaned.flags.writeable = True  # what a node must not do shows that the memory is one
    loaned[0, 0] = 4
    assert seen[0, 0] == 4


def test_a_view_outlives_the_kill_of_its_writer_and_its_reader_and_the_folder(ends, child, folder):
    reader = ends(Reader)
    writer = child("write", 9)
    seen = reader.take()[0].left[::2]
    writer.kill()
    reader.close()
    for path in folder.iterdir():
        path.unlink()
    assert int(seen.sum()) == 9 * PIXELS // 2


@pytest.mark.parametrize("size", [0, 1, MIN_BYTES - 1])
def test_a_small_array_stays_inline(size, ends):
    reader, writer = ends(Reader), ends(Writer)
    writer.send(np.full((1, size), 5, np.uint8))
    message, shared = reader.take()
    assert (message.left.sum(), shared, writer.ring.counts.shared) == (5 * size, False, 0)


def test_a_full_ring_falls_back_to_inline_and_counts_until_the_reader_lets_go(ends):
    reader, writer = ends(Reader), ends(Writer)
    held = []
    for value in range(LEASES_PER_EDGE + 3):
        writer.send(image(value))
        held.append(reader.take())
    assert [shared for _, shared in held] == [True] * LEASES_PER_EDGE + [False] * 3
    assert writer.ring.counts.no_slot == 3
    assert [int(m.left[0, 0]) for m, _ in held] == list(range(LEASES_PER_EDGE + 3))
    held.pop(0)
    writer.send(image(99))
    message, shared = reader.take()
    assert (shared, writer.ring.counts.no_slot) == (True, 3)
    assert all((m.left == m.left[0, 0]).all() for m, _ in [*held, (message, True)])


def test_full_shared_memory_falls_back_to_inline_and_counts(ends):
    reader, writer = ends(Reader), ends(Writer, limit_bytes=PIXELS)
    writer.send(image(1))
    message, shared = reader.take()
    assert (int(message.left.sum()), shared) == (PIXELS, False)
    assert (writer.ring.counts.shared, writer.ring.counts.no_memory) == (0, 1)


def test_what_the_file_system_cannot_give_goes_inline_and_counts(ends, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    reader, writer = ends(Reader), ends(Writer)
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    writer.send(image(1))
    message, shared = reader.take()
    assert (int(message.left.sum()), shared, writer.ring.counts.no_memory) == (PIXELS, False, 1)


def test_a_killed_reader_loses_its_leases_and_its_successor_gets_new_ones(ends, child):
    first = child("read")
    writer = ends(Writer)
    for value in range(LEASES_PER_EDGE):
        writer.send(image(value))
        assert first.ask("take")[1]
    slots = len(writer.ring._slots[20])
    first.kill()
    assert len([s for s in writer.ring._slots[20] if s.is_free]) == slots - LEASES_PER_EDGE
    second = child("read")
    loans = []
    while (loan := writer.ring.loan(SHAPE, "uint8")) is not None:
        loans.append(loan)
    assert len(loans) == slots  # those of the dead are among them
    loans.clear()
    writer.send(image(1))
    assert second.ask("take")[1:] == [True, False, PIXELS]


def test_a_reader_refuses_what_was_leased_to_its_dead_predecessor(folder, ends):
    writer = ends(Writer)
    first = RingReader(folder, "r0", "e0")
    leased = writer.ring.place(image(1).ravel().data)
    parts = writer.ring.lease("e0", [b"\x80", leased.buffer], [leased])
    del first
    second = RingReader(folder, "r0", "e0")
    assert second.frames(parts) is None
    parts = writer.ring.lease("e0", [b"\x80", leased.buffer], [leased])
    assert second.frames(parts) is not None


def test_segments_of_a_killed_writer_are_removed_by_its_next_start(folder, ends, child):
    reader = ends(Reader)
    first = child("write", 1)
    assert reader.take()[1]
    left = set(folder.glob("*.segment"))
    assert left
    running = RingWriter(folder, "r0", ["e0"])
    assert set(folder.glob("*.segment")) == left  # it lives: hands off
    running.close()
    first.kill()
    writer = ends(Writer)
    assert not left & set(folder.glob("*.segment"))
    writer.send(image(2))
    message, shared = reader.take()
    assert (int(message.left.sum()), shared) == (2 * PIXELS, True)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 1)),
        st.tuples(st.just("fill in place"), st.integers(0, 1)),
        st.tuples(st.just("take"), st.integers(0, 1)),
        st.tuples(st.just("let go"), st.integers(0, 30)),
        st.tuples(st.just("replace reader"), st.integers(0, 1)),
    ),
    max_size=60,
)


@settings(max_examples=60)
@given(actions=ACTIONS)
def test_whatever_happens_no_view_ever_changes(actions):
    run = RunFolder()
    ring = RingWriter(run.path, "r0", ["e0", "e1"], limit_bytes=20 * 40_000)
    readers = [RingReader(run.path, "r0", edge) for edge in ("e0", "e1")]
    on_the_way = ([], [])
    held = []
    for value, (action, which) in enumerate(actions):
        if action in ("send", "fill in place"):
            loaned = ring.loan((40_000,), "uint8") if action == "fill in place" else None
            array = np.empty(40_000, np.uint8) if loaned is None else loaned
            array[:] = value
            placed = ring.place(array.data)
            for edge, queue in zip(("e0", "e1"), on_the_way, strict=True):
                parts = ring.lease(edge, [b"\x80", array.data], [placed])
                if parts is not None:
                    queue.append((value, parts))
        elif action == "take" and on_the_way[which]:
            sent, parts = on_the_way[which].pop(0)
            frames = readers[which].frames(parts)
            if frames is not None:
                held.append((sent, np.frombuffer(frames[1], np.uint8)[10:]))
        elif action == "let go" and held:
            held.pop(which % len(held))
        elif action == "replace reader":
            readers[which] = RingReader(run.path, "r0", f"e{which}")
        assert all((view == sent).all() for sent, view in held)
    held.clear()
    ring.close()
    run.close()


def test_no_view_changes_while_another_process_writes_as_fast_as_it_can(ends, child):
    reader = ends(Reader, "latest")
    child("flood", 1)
    held, shared = [], 0
    for turn in range(500):
        message, in_place = reader.take()
        held.append((message.seq % 251, message.left))
        shared += in_place
        if len(held) > turn % 7:
            held.pop((7 * turn) % len(held))
        assert all((view == sent).all() for sent, view in held)
    assert shared > 250


def _notice(folder, **changes):
    """A good notice with some numbers changed; ``changes`` of a SlotRef or of the whole."""
    ring = RingWriter(folder, "r0", ["e0"])
    reader = RingReader(folder, "r0", "e0")
    placed = ring.place(image(1).ravel().data)
    notice = ring.lease("e0", [b"\x80", placed.buffer], [placed])[0]
    tenant, (ref,) = msgspec.msgpack.decode(notice[len(NOTICE) :])
    names = ("segment", "bits", "slot", "size", "use")
    ref = [changes.get(name, old) for name, old in zip(names, ref, strict=True)]
    arrays = changes.get("arrays", [ref])
    return reader, [NOTICE + msgspec.msgpack.encode([tenant, arrays]), b"\x80"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"slot": 10_000}, "has no such"),
        ({"slot": -1}, "has no such"),
        ({"size": 1 << 21}, "has no such"),
        ({"size": -1}, "has no such"),
        ({"use": 5}, "does not hold use 5"),
        ({"bits": 62}, "no such"),
        ({"segment": -1}, "no such"),
        ({"segment": "../x"}, "Expected `int`"),
        ({"arrays": [None]}, "0 buffers, not 1"),
        ({"arrays": [[1, 15, 0, 0, 0]] * MAX_FRAMES}, "16 arrays, at most 15"),
        ({"arrays": 3}, "Expected `array`"),
    ],
)
def test_a_notice_of_what_is_no_slot_is_a_wire_error(changes, fault, folder):
    reader, parts = _notice(folder, **changes)
    with pytest.raises(WireError, match=fault):
        reader.frames(parts)


@given(garbage=st.binary(max_size=60), inline=st.lists(st.binary(max_size=9), max_size=3))
def test_any_bytes_behind_the_mark_are_frames_or_a_wire_error(shared_reader, garbage, inline):
    try:
        shared_reader.frames([NOTICE + garbage, *inline])
    except WireError:
        return


@pytest.fixture(scope="module")
def shared_reader():
    """The reading end of a ring without a writer."""
    run = RunFolder()
    yield RingReader(run.path, "r0", "e0")
    run.close()


def test_after_a_stall_a_latest_edge_ends_with_the_newest_message(ends):
    reader, writer = ends(Reader, "latest"), ends(Writer, "latest")
    buffer = EdgeBuffer("a/b", parse_policy("latest"), lossless=False)
    late = 0
    while late < 5 or not writer.end.pending:  # now and then the kernel still takes one
        late += not writer.send(image(writer.seq % 256))
    while writer.end.pending:
        if reader.end.socket.poll(10):
            buffer.push(reader.take()[0], ())
        writer.end.flush()
    while buffer.newest_seq < writer.seq - 1:
        buffer.push(reader.take()[0], ())
    (newest,) = buffer.take()
    assert newest.message.left[0, 0] == (writer.seq - 1) % 256
    assert buffer.received + buffer.dropped == writer.seq
