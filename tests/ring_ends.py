"""Another process at one end of an edge with a ring; for tests.

``python ring_ends.py write FOLDER VALUE`` sends one image and waits, ``flood FOLDER 1`` sends
without end, ``read FOLDER`` answers each line of its input with one line of JSON.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import zmq

from robot.bus import EdgeReader, EdgeWriter, edge_address, wrap
from robot.edges import parse_policy
from robot.messages import StereoFrame
from robot.ring_reader import RingReader
from robot.ring_writer import RingWriter
from robot.wire import decode, encode

SHAPE = (720, 1280)  # 0.92 MB
SMALL = np.zeros((2, 2), np.uint8)


class Writer:
    """The writing end of the edge ``e0``, with its ring."""

    def __init__(self, folder, policy="queue(100)", **options):
        self.context = zmq.Context()
        self.ring = RingWriter(folder, "r0", ["e0"], **options)
        self.end = EdgeWriter(
            self.context,
            edge_address(folder, 0),
            SimpleNamespace(policy=parse_policy(policy)),
            lossless=False,
            name="e0",
            ring=self.ring,
        )
        self.seq = 0

    def send(self, image):
        message = StereoFrame(captured_ns=0, seq=self.seq, left=image, right=SMALL)
        self.seq += 1
        return self.end.send(wrap(encode(message), self.ring))

    def close(self):
        self.end.close()
        self.ring.close()
        self.context.destroy(linger=0)


class Reader:
    """The reading end."""

    def __init__(self, folder, policy="queue(100)"):
        self.context = zmq.Context()
        self.end = EdgeReader(
            self.context,
            edge_address(folder, 0),
            SimpleNamespace(policy=parse_policy(policy)),
            ring=RingReader(folder, "r0", "e0"),
        )

    def take(self):
        """The next message, and whether its image lies in shared memory."""
        while True:
            assert self.end.socket.poll(10_000), "nothing came"
            if (frames := self.end.receive()) is not None:
                return decode(StereoFrame, frames), isinstance(frames[1], memoryview)

    def close(self):
        self.end.close()
        self.context.destroy(linger=0)


def image(value):
    return np.full(SHAPE, value, np.uint8)


def _write(folder, value):
    writer = Writer(folder)
    while not writer.ring._has_readers():
        pass
    writer.send(image(value))
    _say("sent")
    sys.stdin.read()


def _flood(folder, _):
    writer = Writer(folder, "latest")
    _say("here it comes")
    while True:
        loaned = writer.ring.loan((200, 200), "uint8") if writer.seq % 3 else None
        pixels = np.empty((200, 200), np.uint8) if loaned is None else loaned
        pixels[:] = writer.seq % 251
        writer.send(pixels)


def _read(folder):
    reader = Reader(folder)
    held = []
    _say("ready")
    for line in sys.stdin:
        if line == "take\n":
            message, shared = reader.take()
            held.append(message.left)
            _say([message.seq, shared, message.left.flags.writeable, int(message.left.sum())])
            del message
        elif line == "let go\n":
            held.clear()
            _say("gone")


def _say(answer):
    print(json.dumps(answer), flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    {"write": _write, "flood": _flood, "read": _read}[sys.argv[1]](
        Path(sys.argv[2]), *map(int, sys.argv[3:])
    )
