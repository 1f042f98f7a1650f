"""One ZeroMQ pair per edge: nothing lost unseen, nothing waited for that must not be."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import zmq

from robot.bus import IN_FLIGHT, EdgeReader, EdgeWriter, edge_address, high_water_mark, wrap
from robot.edges import EdgeBuffer, parse_policy
from robot.messages import Alert, StereoFrame
from robot.wire import WireError, decode, encode


@pytest.fixture
def pair(tmp_path):
    """Builds both ends of an edge."""
    context = zmq.Context()
    ends = []

    def build(policy, *, lossless=False):
        edge = SimpleNamespace(policy=parse_policy(policy))
        address = edge_address(tmp_path, len(ends))
        reader = EdgeReader(context, address, edge)
        writer = EdgeWriter(context, address, edge, lossless=lossless)
        ends.extend([reader, writer])
        return reader, writer

    yield build
    for end in ends:
        end.close()
    context.destroy(linger=0)


def _frames(seq):
    return encode(Alert(captured_ns=0, seq=seq, text="x" * 1000))


def _hear(reader, buffer):
    """Takes in all until the end marker."""
    while reader.sent is None:
        assert reader.socket.poll(5000), "nothing came"
        while (frames := reader.receive()) is not None:
            buffer.push(decode(Alert, frames), frames)
    buffer.close(reader.sent)


def test_messages_come_in_order_and_then_the_end(pair):
    reader, writer = pair("queue(100)")
    for seq in range(20):
        assert writer.send(wrap(_frames(seq)))
    writer.end(20)
    buffer = EdgeBuffer("a/b", parse_policy("queue(100)"), lossless=False)
    _hear(reader, buffer)
    assert [a.message.seq for a in buffer.take()] == list(range(20))
    assert (buffer.received, buffer.dropped, reader.sent) == (20, 0, 20)


@pytest.mark.parametrize("policy", ["latest", "queue(5)", "lossless(0.001)"])
def test_a_reader_that_does_not_listen_costs_messages_that_both_ends_know_of(policy, pair):
    reader, writer = pair(policy)
    sent = 600
    refused = sum(not writer.send(wrap(_frames(seq))) for seq in range(sent))
    assert refused > 0
    buffer = EdgeBuffer("a/b", parse_policy(policy), lossless=False)
    ending = threading.Thread(target=writer.end, args=(sent,))  # it waits for room
    ending.start()
    _hear(reader, buffer)
    ending.join()
    assert buffer.received + buffer.dropped == sent
    assert buffer.dropped >= refused


def test_a_queue_holds_in_each_end_what_its_policy_says():
    assert high_water_mark(parse_policy("latest")) == IN_FLIGHT
    assert high_water_mark(parse_policy("queue(7)")) == 7


def test_nothing_waits_on_an_edge_that_is_silent(pair):
    reader, _ = pair("latest")
    assert reader.receive() is None
    assert reader.sent is None


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ([b"end", b"x"], "end marker"),
        ([b"end"], "end marker"),
        ([b"\x01"], "no frames"),
        ([b"\x01\xff\xff\xff\xffabc"], "cut short"),
        ([b"slots", b"\x80"], "names slots"),
    ],
)
def test_what_is_no_message_of_an_edge_is_a_wire_error(parts, fault, tmp_path):
    context = zmq.Context()
    address = edge_address(tmp_path, 0)
    reader = EdgeReader(context, address, SimpleNamespace(policy=parse_policy("latest")))
    peer = context.socket(zmq.PUSH)
    peer.connect(address)
    peer.send_multipart(parts)
    assert reader.socket.poll(5000)
    with pytest.raises(WireError, match=fault):
        reader.receive()
    peer.close(linger=0)
    reader.close()
    context.destroy(linger=0)


def test_a_message_that_waits_for_room_stays_as_it_was_when_it_was_sent(pair):
    reader, writer = pair("latest")
    pixels = np.zeros((200, 200), np.uint8)
    seq = 0
    while not writer.pending:
        pixels[:] = seq % 251
        frame = StereoFrame(captured_ns=0, seq=seq, left=pixels, right=pixels[:1])
        writer.send(wrap(encode(frame)))
        seq += 1
    pixels[:] = 255
    for _ in range(1000):  # the writer hears of room a moment after the reader has made it
        if not writer.pending:
            break
        if reader.socket.poll(10):
            newest = decode(StereoFrame, reader.receive())
        writer.flush()
    while newest.seq < seq - 1:
        assert reader.socket.poll(5000)
        newest = decode(StereoFrame, reader.receive())
    assert (newest.left == (seq - 1) % 251).all()
